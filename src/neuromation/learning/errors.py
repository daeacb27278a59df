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


class BadSchedule(Invalid):
    """Ranges of a schedule of randomisation, or a number of blocks, that cannot be used."""


class BadSpace(Invalid):
    """A search space, or a trial in it, that cannot be used."""


class MissingLibrary(Invalid):
    """A library that this step needs is not installed, or does not load."""

    def __init__(self, library: str, *, extra: str, why: str = "") -> None:
        reason = f"does not load ({why})" if why else "is not installed"
        super().__init__(f"{library} {reason}; install it with: pip install 'neuromation[{extra}]'")


class BadPretrained(Invalid):
    """Pretrained weights that cannot be read, or are another network's."""


class ChecksumMismatch(BadPretrained):
    """A file has another hash than its publisher states."""


class PretrainedMismatch(BadPretrained):
    """Tensors are missing, of other shapes, or unexpected; `details` lists them: missing, misshapen, unexpected."""


class BadBudget(Invalid):
    """A loop's budget or plan that cannot be spent."""


class BadRecord(Invalid):
    """A loop's record that is damaged, or another loop's."""


class BadAnswers(Invalid):
    """A network's answers that are not of this problem, or not one a sample."""


class WrongProblem(Invalid):
    """A model of one kind of problem, and samples or a data set of another."""


class BadCheckpoint(Invalid):
    """A run's kept state that is damaged, of another version, or another run's."""


class OutOfMemory(Conflict):
    """The machine has not the memory that this work needs; less at once, or a larger machine, will do."""


class BadProject(Invalid):
    """A project's own description is missing, damaged, or asks for what cannot be given."""


class BadProjectSource(Invalid):
    """A repository or archive that cannot be taken over: not there, damaged, or with paths and links that lead out."""


class ProjectTooLarge(TooLarge):
    """A project of more files or bytes than is taken over."""


class BadProjectParameters(Invalid):
    """Parameters that the entry point does not have, or values outside their types and ranges."""


class MissingLibraries(Conflict):
    """The project needs libraries that are not installed here; `details["libraries"]` names them."""


class BadMetrics(Invalid):
    """A project's metrics.json is no object of names and finite numbers."""


class MissingMetrics(BadMetrics):
    """The project ended well and wrote no metrics.json."""


class ProjectFailed(Conflict):
    """The project's program failed; `details["log"]` holds the end of what it printed. The common kind of all below."""


class ProjectTimedOut(ProjectFailed):
    """It did not end in time and was killed."""


class ProjectOutOfMemory(ProjectFailed):
    """It asked for more memory than it may have."""


class ProjectTooManyProcesses(ProjectFailed):
    """It started more processes or threads than it may have."""


class ProjectDiskFull(ProjectFailed):
    """It wrote more than its output folder or its temporary folder holds."""


class ProjectWroteOutside(ProjectFailed):
    """It wrote outside its output folder."""


class ProjectWantsNetwork(ProjectFailed):
    """It asked for the network, which a project does not have."""


class BadProjectOutputs(ProjectFailed):
    """It left links, odd names, or more files than are taken back."""


class BadRun(Invalid):
    """The record of a project's run that is damaged, or contradicts itself."""


class BadModelFile(Invalid):
    """A file that is no model of its format, or a damaged one."""


class ModelTooLarge(TooLarge):
    """A model file over the limit."""


class UnknownOperators(Invalid):
    """A model uses operators or layers that are not known here; `details["operators"]` names them."""


class ExternalData(BadModelFile):
    """An ONNX model keeps its weights in other files."""


class UnknownShapes(BadModelFile):
    """A model's inputs have free sizes beside the batch, and no samples say which."""


class NoConversion(Invalid):
    """There is no way from this kind of model to that one."""


class ConversionDisagrees(Conflict):
    """The converted model answers otherwise than its source; nothing is delivered."""


class NothingToPrune(Invalid):
    """A network without channels or layers that could go, or whose structure cannot be followed."""


class BadCalibration(Invalid):
    """Too few samples to see how far a network's activations reach."""


class ReportTooLarge(TooLarge):
    """A report over its limit of bytes."""
