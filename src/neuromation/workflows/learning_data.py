"""Data sets of the catalogue as what a model is trained and measured on; refuses to know orders and jobs."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np

from neuromation.catalog.model import Version
from neuromation.kernel.errors import NotFound
from neuromation.learning import evaluation
from neuromation.learning.gathering import Offers, check_offers, classes_for, gathered, joined, reduced
from neuromation.learning.problem import NO_CLASS, InputSpec, Problem, Samples
from neuromation.learning.zoo import ModelSpec
from neuromation.synthetic.formats.examples import examples_of_shard, examples_of_table
from neuromation.workflows import publishing
from neuromation.workflows.plans import Json
from neuromation.workflows.world import World

HELD_OUT_MAX = 2_000
HELD_OUT_VALUES = 30_000_000  # input values of all held-out samples: what one processor answers in some seconds
HELD_OUT_MIN = 32
RESAMPLES = 400  # of an interval: of boxes, each takes a while


def offers_of(version: Version) -> Offers:
    """What a data set says that it knows; one that was imported long ago knows classes of pictures."""
    facts = version.manifest
    if not publishing.is_synthetic(version):
        known = facts.get("knows") or {"labels": True}
        return Offers(**{name: bool(known.get(name)) for name in ("sounds", "labels", "objects", "masks")})
    layers = {layer["name"]: layer for layer in facts.get("layers") or []}
    objects = bool(facts.get("object_counts")) or bool(facts.get("null_objects"))
    return Offers(
        sounds=facts.get("modality") == "audio",
        labels=sum(facts.get("class_counts") or []) > 0,
        objects=objects,
        masks=objects and "instances" in layers,
        regions="semantic" in layers,
    )


def check_suits(model: ModelSpec, version: Version, name: str) -> list[str]:
    """The classes that the model will answer with. Raises WrongProblem, Invalid when the data set does not suit it."""
    check_offers(model.problem, offers_of(version), model=model.name, dataset=name)
    return list(classes_for(model.problem, publishing.classes_of(version)))


def samples_of(
    world: World, version: Version, problem: Problem, spec: InputSpec, *, split: str | None = None
) -> Samples:
    """A data set's samples as a model of this problem and input takes them. Raises NotFound for a split without any."""
    parts = []
    for name, file in sorted(version.files.items()):
        if name.endswith(".parquet"):
            data, masks = world.blobs.get(file.sha256), problem is Problem.INSTANCE_SEGMENTATION
            synthetic = publishing.is_synthetic(version)
            known = (
                examples_of_shard(data, masks=masks) if synthetic else examples_of_table(data, split=split, masks=masks)
            )
            if known.inputs:
                parts.append(reduced(gathered(problem, known), spec))
    if not parts:
        splits = ", ".join(version.manifest.get("splits", {})) or "none"
        raise NotFound(f"data set {version.id} has no units in the split {split!r}; its splits are: {splits}")
    return joined(parts)


@lru_cache(maxsize=4)
def held_out(world: World, sha256: str, problem: Problem, spec: InputSpec) -> Samples:
    """The samples of a shard that no node is given: as many as are measured in some seconds."""
    known = examples_of_shard(world.blobs.get(sha256), masks=problem is Problem.INSTANCE_SEGMENTATION)
    samples = reduced(gathered(problem, known), spec)
    most = min(HELD_OUT_MAX, max(HELD_OUT_MIN, HELD_OUT_VALUES // math.prod(spec.shape)))
    return samples if len(samples) <= most else samples.only(range(most))


def measured(answers: list[Any], samples: Samples, *, intervals: bool = True) -> Json:
    """What is told of answers: of classes the confusion and its figures, of all else every figure of the problem."""
    if not samples.problem.is_classification:
        return evaluation.measure(answers, samples, resamples=RESAMPLES if intervals else 0).to_json()
    labels = np.array(samples.targets, np.int64)
    known = labels != NO_CLASS
    return evaluation.scored(np.stack(answers)[known], labels[known], samples.classes).to_json()


def headline(result: Json) -> tuple[str, float]:
    """The figure that a measured problem is judged by: its name and value, 0 where there was nothing to measure."""
    name = str(result.get("headline", "accuracy"))
    return name, float(result["figures"][name][0] or 0.0) if "figures" in result else float(result[name])
