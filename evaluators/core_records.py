"""What a bundle gave on an emulated type of core: on a few windows, held against this machine's run of the same."""

from __future__ import annotations

from typing import Annotated, Literal

import pydantic

from device_profiles.record import Record
from evaluators.emulators.arm.counts import InstructionCounts
from evaluators.emulators.shipped.versions import ShippedRuntime, parse_runtime
from evaluators.errors import EvaluationError
from evaluators.picture_records import NotNegative
from evaluators.target_records import Failure, OutputParity, Target
from packager.bounds import Count, check_unique

MOST_RUNTIMES = 8
MOST_EXAMPLES = 6
"""flips that are told one by one"""
_Word = Annotated[str, pydantic.Field(max_length=300)]


class ArmSpec(Record):
    """[targets.arm] of a recipe: bundles played on the types of core that the phones have, which QEMU executes."""

    windows: Annotated[int, pydantic.Field(ge=0, le=10_000)] | Literal["all"] = 3
    """how many windows of each bundle are played on each type of core: the one on which it is worst here, the
    quietest, the loudest, then more spread over the dataset; 0 plays none, "all" the whole dataset. Default: 3"""
    counts: bool = True
    """whether the instructions and cache misses of one call are counted. Default: true"""


class TargetsSpec(Record):
    """[targets]: where bundles are played beside this machine."""

    arm: ArmSpec = ArmSpec()
    runtimes: Annotated[tuple[str, ...], pydantic.Field(max_length=MOST_RUNTIMES)] = ()
    """versions of TFLite's runtime that apps ship, as "tflite-runtime 2.14.0" or "LiteRT 1.2.0": every TFLite bundle
    plays the whole dataset there too. Each is fetched by pip at first use, into the user's cache. Default: none"""

    @pydantic.field_validator("runtimes")
    @classmethod
    def _known(cls, written: tuple[str, ...]) -> tuple[str, ...]:
        try:
            found = [parse_runtime(one).title for one in written]
        except EvaluationError as fault:
            raise ValueError(str(fault)) from None
        check_unique(found, "runtime")
        return written

    @property
    def shipped(self) -> tuple[ShippedRuntime, ...]:
        """The same, read."""
        return tuple(map(parse_runtime, self.runtimes))


class Flips(Record):
    """Decisions that a core takes otherwise than this machine, over the clips of the windows that were played."""

    decisions: Count
    """that this machine takes"""
    gained: Count
    lost: Count
    examples: Annotated[tuple[_Word, ...], pydantic.Field(max_length=MOST_EXAMPLES)] = ()
    """each with its clip, + before what is gained, - before what is lost"""

    @property
    def count(self) -> int:
        """How many there are."""
        return self.gained + self.lost


class NotFinite(Record):
    """An output that holds NaN or infinite values there, and none here."""

    output: _Word
    windows: Count
    values: Count
    """over those windows"""


class OpDeparture(Record):
    """An op whose output departs, as the file calls it."""

    op: _Word
    """its kind, for example CONV_2D"""
    tensor: _Word
    """what it makes"""
    max_abs_error: NotNegative | None = None
    """none where a value is not finite"""
    share: NotNegative | None = None
    """the same over the tensor's largest value"""


class OpTrace(Record):
    """Where the values part, op by op, on one window: each op's output made an output of the file."""

    window: Count
    first_not_finite: OpDeparture | None = None
    """the first op that makes NaN or infinity of finite values"""
    first: OpDeparture | None = None
    """the first op whose output departs by more than a thousandth of its largest value"""
    worst: OpDeparture | None = None
    """the op whose output departs most, as a share of its largest value"""


class CoreResult(Record):
    """A bundle on one type of core."""

    target: Target
    failure: Failure | None = None
    windows: tuple[Count, ...] = ()
    """which of the dataset's windows were played, ascending"""
    n_windows: Count = 0
    """that the dataset has"""
    parity: tuple[OutputParity, ...] = ()
    """of each output that is finite, against this machine's"""
    not_finite: tuple[NotFinite, ...] = ()
    flips: Flips | None = None
    flips_reason: str = ""
    """why decisions were not compared; empty where they were"""
    trace: OpTrace | None = None
    counts: InstructionCounts | None = None
    counts_reason: str = ""
    """why instructions were not counted; empty where they were"""
    notices: tuple[str, ...] = ()

    @pydantic.model_validator(mode="after")
    def _named_once(self) -> CoreResult:
        check_unique([*(one.output for one in self.parity), *(one.output for one in self.not_finite)], "output")
        return self

    @property
    def fault(self) -> str:
        """Why the bundle does not do on such a core, in one sentence; empty where it does."""
        if self.failure is not None:
            return f"it does not run there: {self.failure.reason}"
        if not self.not_finite:
            return ""
        outputs = ", ".join(one.output for one in self.not_finite)
        first = None if self.trace is None else self.trace.first_not_finite
        start = "" if first is None else f"; it starts at {first.op}, which makes {first.tensor}"
        return f"{outputs} {'is' if len(self.not_finite) == 1 else 'are'} not finite there, and finite here{start}"
