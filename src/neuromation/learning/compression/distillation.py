"""A student that learns to answer as its teacher does; owns what imitation means for each problem, trains by the trainer.

Classes and pixels are imitated as shares at a temperature (Hinton et al. 2015). A detector's maps are imitated where the
teacher sees something: heat by the quality focal loss (Li et al. 2020), classes and places weighted by the teacher's heat.
The raw outputs of other detectors are imitated as numbers, scaled by how far the teacher's spread.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from neuromation.learning import engine
from neuromation.learning.learner import Learner
from neuromation.learning.problem import Answer, InputSpec, Problem, Samples
from neuromation.learning.trainer import Recipe, Tell, fit

_BOX_SHARE = 1.0  # of places in the imitation of a detector; heat and classes count 1


class Imitation(Learner):
    """A student under its teacher's eyes: the same answers, another loss. The teacher is no part of its weights."""

    def __init__(self, student: Learner, teacher: Learner, *, share: float, temperature: float) -> None:
        """`share` of the loss is imitation, the rest the student's own."""
        super().__init__()
        self.student = student
        self.problem, self.outputs = student.problem, student.outputs
        self._share, self._temperature = share, temperature
        # In a tuple, so that torch does not take it for a part.
        self._teacher = (teacher.eval().requires_grad_(False),)

    def forward(self, inputs: torch.Tensor) -> tuple[torch.Tensor, ...]:
        given: tuple[torch.Tensor, ...] = self.student(inputs)
        return given

    def loss(self, inputs: torch.Tensor, targets: Sequence[Any]) -> torch.Tensor:
        seen: list[tuple[torch.Tensor, ...]] = []
        # The student's own loss computes its outputs anyway; computing them twice would move its running means twice.
        hook = self.student.register_forward_hook(lambda _module, _taken, given: seen.append(given))
        try:
            own = self.student.loss(inputs, targets)
        finally:
            hook.remove()
        if not self._share or not seen:
            return own
        with torch.no_grad():
            wanted = self._teacher[0](inputs)
        return (1.0 - self._share) * own + self._share * imitation(
            self.problem, seen[0], wanted, temperature=self._temperature
        )

    def decode(self, outputs: Sequence[NDArray[np.float32]]) -> list[Answer]:
        return self.student.decode(outputs)


def imitation(
    problem: Problem, own: Sequence[torch.Tensor], wanted: Sequence[torch.Tensor], *, temperature: float
) -> torch.Tensor:
    """How far a student's raw outputs are from its teacher's, a scalar >= 0, 0 for equal ones."""
    if problem.is_classification or problem is Problem.SEGMENTATION:
        return _divergence(own[0], wanted[0], temperature).mean()
    if _are_maps(wanted):
        return _maps(own, wanted, temperature)
    parts = [
        functional.smooth_l1_loss(mine / spread, its / spread)
        for mine, its in zip(own, wanted, strict=True)
        for spread in [its.std().clamp(min=1e-6)]
        if mine.shape == its.shape
    ]
    return torch.stack(parts).sum() if parts else own[0].sum() * 0.0


def _divergence(own: torch.Tensor, wanted: torch.Tensor, temperature: float) -> torch.Tensor:
    """Kullback-Leibler divergence along axis 1, times the square of the temperature, so that gradients keep their size."""
    target = functional.log_softmax(wanted / temperature, dim=1)
    said = functional.log_softmax(own / temperature, dim=1)
    return (target.exp() * (target - said)).sum(dim=1) * temperature**2


def _are_maps(outputs: Sequence[torch.Tensor]) -> bool:
    """Heat of one channel, classes and places on the same grid."""
    return (
        len(outputs) == 3
        and all(output.dim() == 4 and output.shape[2:] == outputs[0].shape[2:] for output in outputs)
        and outputs[0].shape[1] == 1
    )


def _maps(own: Sequence[torch.Tensor], wanted: Sequence[torch.Tensor], temperature: float) -> torch.Tensor:
    heat = torch.sigmoid(wanted[0])
    total = heat.sum().clamp(min=1.0)
    wrong = functional.binary_cross_entropy_with_logits(own[0], heat, reduction="none")
    least = functional.binary_cross_entropy_with_logits(wanted[0], heat, reduction="none")
    # Minus what the teacher itself would pay, so that equal maps cost nothing.
    warm = ((torch.sigmoid(own[0]) - heat).square() * (wrong - least)).sum() / total
    kinds = (_divergence(own[1], wanted[1], temperature) * heat[:, 0]).sum() / total
    places = (functional.l1_loss(own[2], wanted[2], reduction="none").mean(dim=1) * heat[:, 0]).sum() / total
    return warm + kinds + _BOX_SHARE * places


@dataclass(frozen=True)
class _Lesson:
    """An entry as the trainer takes it, whose network is a student that exists already."""

    name: str
    problem: Problem
    spec: InputSpec
    module: Imitation

    def check_config(self, config: Any, /) -> Any:
        return config

    @property
    def input_of(self) -> Callable[[Any], InputSpec]:
        return lambda _config: self.spec

    @property
    def build(self) -> Callable[[Any, int], Learner]:
        return lambda _config, _classes: self.module


def taught(
    student: Learner,
    teacher: Learner,
    spec: InputSpec,
    samples: Samples,
    recipe: Recipe,
    *,
    share: float,
    temperature: float,
    tell: Tell | None = None,
) -> None:
    """Train a student in place: on the samples' truth, and to answer as its teacher does.

    Args:
        student: with the weights that it begins with.
        teacher: a network with the same raw outputs; it does not change.
        spec: what both take.
        share: of the loss that is imitation, 0..1.
        temperature: of the imitation of classes.

    Raises what `trainer.fit` raises.
    """
    lesson = Imitation(student, teacher, share=share, temperature=temperature)
    before = engine.weights_of(lesson)
    entry = _Lesson(type(student).__name__, student.problem, spec, lesson)
    fitted = fit(entry, {}, samples, recipe, start=before, tell=tell)
    engine.load_weights(lesson, fitted.weights)
    student.eval()
