"""What came of running a project: an ending, metrics, and hashes of outputs; compared with another run, starts nothing.

It is read from the `run.json` of a run (docs/projects.md). A failure of the project's own is an outcome like any other: who
ran the project did the work.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from neuromation.kernel.hashing import hash_json
from neuromation.learning import errors
from neuromation.learning.projects.contract import METRICS_MAX

RUN_BYTES_MAX = 1 << 20
METRIC_FLOOR = 1e-6  # smaller differences of a metric are none

# Endings that are the project's own doing, not its machine's.
OWN_FAULTS: tuple[type[errors.ProjectFailed] | type[errors.BadMetrics] | type[errors.MissingLibraries], ...] = (
    errors.ProjectFailed,
    errors.BadMetrics,
    errors.MissingLibraries,
)


class _Failure(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    reason: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,64}$")]
    message: Annotated[str, Field(max_length=2_000)]


class _Run(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    failed: _Failure | None = None
    metrics: Annotated[dict[str, Annotated[float, Field(allow_inf_nan=False)]], Field(max_length=METRICS_MAX)]
    outputs: Annotated[dict[str, Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]], Field(max_length=256)]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended.

    Attributes:
        failed: the typed reason of a failure of the project's own, or "" when it ended well.
        message: what is told of the failure.
        metrics: by name, finite; none of a failure.
        outputs: sha256 by name, relative to the outputs; none of a failure.
    """

    failed: str
    message: str
    metrics: Mapping[str, float]
    outputs: Mapping[str, str]

    @property
    def leaf(self) -> str:
        """One hash over all of it but the message: equal for runs that came to the very same."""
        return hash_json({"failed": self.failed, "metrics": dict(self.metrics), "outputs": dict(self.outputs)})

    def agrees(self, other: Outcome, *, tolerance: float) -> bool:
        """Whether another run came to the same: both failed, or both gave outputs of the same names and like metrics.

        Args:
            tolerance: by how much a metric may differ, as a part of the larger value; METRIC_FLOOR is always allowed.
        """
        if self.failed or other.failed:
            return bool(self.failed and other.failed)
        return (
            self.outputs.keys() == other.outputs.keys()
            and self.metrics.keys() == other.metrics.keys()
            and all(
                math.isclose(value, other.metrics[name], rel_tol=tolerance, abs_tol=METRIC_FLOOR)
                for name, value in self.metrics.items()
            )
        )


def read_outcome(data: bytes) -> Outcome:
    """The outcome that a `run.json` tells of. Raises BadRun: it is damaged, too long, or contradicts itself."""
    if len(data) > RUN_BYTES_MAX:
        raise errors.BadRun(f"the record of a run takes {len(data)} bytes; at most {RUN_BYTES_MAX} are read")
    try:
        run = _Run.model_validate_json(data)
    except ValidationError as error:
        raise errors.BadRun(f"the record of a run cannot be read: {str(error)[:200]}") from error
    if run.failed and (run.metrics or run.outputs):
        raise errors.BadRun("the record of a run tells of a failure and of results; it is one or the other")
    failed, message = (run.failed.reason, run.failed.message) if run.failed else ("", "")
    return Outcome(failed, message, run.metrics, run.outputs)
