"""Runs tasks of strangers so that they see their inputs, one output folder, and nothing else of the machine."""

from neuromation.agent.sandbox.errors import (
    OutputTooLarge,
    ProtocolViolation,
    SandboxUnavailable,
    TaskCrashed,
    TaskFailure,
    TaskKilled,
    TaskRefused,
    TaskTimedOut,
)
from neuromation.agent.sandbox.model import Isolation, Response, SandboxLimits
from neuromation.agent.sandbox.receiver import Progress
from neuromation.agent.sandbox.session import Session, detect

__all__ = [
    "Isolation",
    "OutputTooLarge",
    "Progress",
    "ProtocolViolation",
    "Response",
    "SandboxLimits",
    "SandboxUnavailable",
    "Session",
    "TaskCrashed",
    "TaskFailure",
    "TaskKilled",
    "TaskRefused",
    "TaskTimedOut",
    "detect",
]
