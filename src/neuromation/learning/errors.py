"""What may go wrong in learning; owns the words, refuses to know where they are shown."""

from __future__ import annotations

from neuromation.kernel.errors import Conflict, Invalid, NotFound, TooLarge


class UnknownModel(NotFound):
    """No model of that name is registered."""


class BadConfig(Invalid):
    """A model's configuration, or its list of classes, is outside its ranges."""


class BadWeights(Invalid):
    """Bytes or arrays that are not the weights of this model."""


class WeightsTooLarge(TooLarge):
    """More bytes than the weights of this model can need."""


class BadDelta(Invalid):
    """Bytes that are no compressed delta of this model."""


class BadTrainingData(Invalid):
    """Images or labels of a wrong shape, type or size."""


class ClassesMismatch(Invalid):
    """Labels and the list of classes do not belong together."""


class BadRecipe(Invalid):
    """Steps, segments, batch size or learning rate out of range."""


class TrainingDiverged(Invalid):
    """The loss became infinite or not a number; the same recipe will diverge again."""


class ExportDisagrees(Conflict):
    """The exported model and the trained one give different answers; nothing is delivered."""


class BadExport(Invalid):
    """A folder that is no exported model, or a damaged one."""


class BadSpace(Invalid):
    """A search space, or a trial in it, that cannot be used."""


class BadBudget(Invalid):
    """A loop's budget or plan that cannot be spent."""


class BadRecord(Invalid):
    """A loop's record that is damaged, or another loop's."""
