"""What may go wrong with generators, shards and data sets."""

from __future__ import annotations

from neuromation.kernel.errors import Conflict, Invalid, NotFound, TooLarge


class UnknownGenerator(NotFound):
    """No generator of that name, or of that version, is installed."""


class BadParameters(Invalid):
    """Parameters that the generator does not know, or that are out of their range."""


class BadUnit(Invalid):
    """A unit that cannot be stored: wrong pixel type or shape, or annotations that are no JSON."""


class BadShard(Invalid):
    """Bytes that are no shard, or a shard that was cut, damaged or made by something else."""


class ShardTooLarge(TooLarge, BadShard):
    """A shard over a stated maximum."""


class BadDataset(Invalid):
    """A data set whose parts do not fit together."""


class WorkerLost(Conflict):
    """A process that made units ended before its work did."""


class OtherDataset(Conflict):
    """The folder already holds something else."""


class BadExport(Invalid):
    """The data set cannot be written in the format asked for."""


class BadImport(Invalid):
    """A folder of real data that cannot be taken over: broken, too large, or of another form than was said."""


class BadScene(Invalid):
    """A scene, mesh, texture or material that cannot be: NaN, wrong shapes, over a limit."""


class BadCatalogue(Invalid):
    """A catalogue of products or parts that cannot be read: missing columns, missing or broken pictures, none at all."""


class MissingProgram(NotFound):
    """A program that a generator starts is not installed on this machine."""


class SpeechFailed(Conflict):
    """A speech program failed, or said something else than it was asked to."""


class RendererMissing(NotFound):
    """A renderer was asked for whose libraries, or whose graphics driver, this machine does not have."""
