"""What may go wrong around a task in the sandbox; owns the typed reasons, refuses to know who runs the task."""

from __future__ import annotations

from neuromation.kernel.errors import Conflict


class SandboxUnavailable(Conflict):
    """This machine cannot isolate a task; the message says what to install or to allow."""


class TaskFailure(Conflict):
    """The task itself failed: the common kind of everything below."""


class TaskRefused(TaskFailure):
    """The task's own code refused the request with a typed reason; the session goes on."""


class TaskTimedOut(TaskFailure):
    """The task did not answer in time and its whole process tree was killed."""


class TaskKilled(TaskFailure):
    """A limit or the host ended the task; `reason` is out-of-memory, cpu-time, cancelled or killed."""


class TaskCrashed(TaskFailure):
    """The task's code raised or exited; the message ends with the tail of what it printed."""


class ProtocolViolation(TaskFailure):
    """The task's process sent what the protocol does not allow, so nothing that it says is believed."""


class OutputTooLarge(TaskFailure):
    """The task's outputs are over the limit of the session."""
