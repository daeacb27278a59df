"""The kinds of order and who knows how each is done."""

from __future__ import annotations

from neuromation.workflows.adapt_generator import AdaptationWork
from neuromation.workflows.evaluate_model import EvaluationWork
from neuromation.workflows.order_dataset import DatasetWork
from neuromation.workflows.plans import Work
from neuromation.workflows.run_project import ProjectWork
from neuromation.workflows.train_model import TrainingWork

_KINDS: dict[str, Work] = {
    "dataset": DatasetWork(),
    "training": TrainingWork(),
    "adaptation": AdaptationWork(),
    "project": ProjectWork(),
    "evaluation": EvaluationWork(),
}


def work_of(kind: str) -> Work:
    """Who plans, checks and delivers orders of this kind."""
    return _KINDS[kind]
