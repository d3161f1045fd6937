"""Where a model would run on a phone, inferred from rules.

No phone is asked: TFLite runs where the app's delegate puts it, and Core ML decides on the phone, op by op. The rules
of a runtime stand in its format's folder; a placement's reason says which one was applied.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Literal, NamedTuple

import pydantic

from device_profiles.profile import ComputeUnitKind, DeviceProfile, Runtime
from device_profiles.record import Record
from evaluators.costs.graph import Op
from evaluators.errors import EvaluationError

UnitWord = Literal["cpu", "gpu", "npu", "ane"]
"""how an app's compute unit is asked for; ane: the NPU of an iPhone, as Apple calls it"""


class PlacementRequest(Record):
    """What an app asks of the runtime; what is left out follows the runtime's own rules."""

    unit: UnitWord | None = None
    threads: Annotated[int, pydantic.Field(ge=1)] | None = None
    """on the CPU"""

    @property
    def kind(self) -> ComputeUnitKind | None:
        """The unit, as profiles call it."""
        return "npu" if self.unit == "ane" else self.unit


NOTHING_ASKED = PlacementRequest()


def check_request(asked: PlacementRequest, profile: DeviceProfile, runtime: Runtime) -> None:
    """See that a phone and its runtime have what an app asks for.

    Args:
        asked: What the app asks for.
        profile: The phone.
        runtime: One of the phone's.

    Raises:
        EvaluationError: They do not; the message names what they have.
    """
    known = ", ".join(one.kind for one in profile.compute_units)
    if asked.unit == "ane" and profile.platform != "ios":
        raise EvaluationError(f"{profile.id} has no Apple Neural Engine (ane); its units: {known}")
    if asked.kind is not None and profile.unit(asked.kind) is None:
        raise EvaluationError(f"{profile.id} has no {asked.kind} a model can use; its units: {known}")
    if asked.kind is not None and asked.kind not in runtime.units:
        raise EvaluationError(f"{profile.id}: {runtime.name} uses {', '.join(runtime.units)} there; found {asked.unit}")
    if asked.threads is not None and asked.threads > profile.cores:
        right = f"right is 1 to {profile.cores}"
        raise EvaluationError(f"{profile.id} has {profile.cores} cores; found {asked.threads} threads; {right}")


def check_requests(asked: PlacementRequest, profile: DeviceProfile) -> None:
    """See that one of a phone's runtimes at least has what an app asks for; as `check_request`."""
    faults = []
    for runtime in profile.runtimes:
        try:
            check_request(asked, profile, runtime)
        except EvaluationError as fault:
            faults.append(fault)
    if len(faults) == len(profile.runtimes):
        raise EvaluationError("; ".join(dict.fromkeys(map(str, faults))))


class Compute(NamedTuple):
    """What computes an op: what the latency model has one set of coefficients for."""

    runtime: str
    unit: ComputeUnitKind
    number: str
    """the type it multiplies in"""

    def __str__(self) -> str:
        return f"{self.runtime}, {self.unit}, {self.number}"


def _stays(_: Op) -> bool:
    return False


@dataclass(frozen=True)
class Placement:
    """Where a graph would run."""

    compute: Compute
    """what it computes with there"""
    threads: int
    """on a CPU; 1 elsewhere"""
    share_of_macs: float
    """of the graph's multiply-adds, the share on that unit, 0 to 1; the rest runs on the CPU"""
    reason: str
    """one sentence, and that it is inferred"""
    unpriced: str = ""
    """why no time is known of what it computes with there; empty where one is"""
    cold_start: str = "no public measurement of load times is known for this runtime"
    """why the time to load it and to make the first call is not predicted"""
    fallback: Compute | None = None
    """what computes the ops that leave: those that the unit cannot do, or that are in other numbers"""
    fallback_threads: int = 1
    leaves: Callable[[Op], bool] = _stays
    """whether an op leaves"""

    @property
    def unit(self) -> ComputeUnitKind:
        """Where most of it runs."""
        return self.compute.unit

    def compute_of(self, op: Op) -> Compute:
        """What one op computes with."""
        return self.fallback if self.fallback is not None and self.leaves(op) else self.compute

    def threads_of(self, compute: Compute) -> int:
        """How many threads compute with it."""
        return self.fallback_threads if compute == self.fallback else self.threads
