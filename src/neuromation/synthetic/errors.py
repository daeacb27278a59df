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


class OtherDataset(Conflict):
    """The folder already holds something else."""


class BadExport(Invalid):
    """The data set cannot be written in the format asked for."""


class BadScene(Invalid):
    """A scene, mesh, texture or material that cannot be: NaN, wrong shapes, over a limit."""


class BadCatalogue(Invalid):
    """A catalogue of products or parts that cannot be read: missing columns, missing or broken pictures, none at all."""


class MissingProgram(NotFound):
    """A program that a generator starts is not installed on this machine."""


class SpeechFailed(Conflict):
    """A speech program failed, or said something else than it was asked to."""
