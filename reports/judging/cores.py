"""What emulated types of core say of a bundle on a phone: whether it computes there what it computes here."""

from __future__ import annotations

from typing import Literal

from device_profiles.text import shorten
from evaluators.core_records import CoreResult
from evaluators.evaluation import DeviceResult, VariantResult
from reports.notation import format_number

RULE = "computes on the phone's cores as it does here"
MOST_FLIPS = 0.01
"""of the decisions: what the task's scores, made here, say of the phone then still holds to a percentage point"""


def list_cores(variant: VariantResult, result: DeviceResult) -> tuple[CoreResult, ...]:
    """The types of core that stand for the phone's, on which the bundle was played."""
    return tuple(core for core in variant.cores if core.target.name in result.cores)


def judge_cores(
    variant: VariantResult, result: DeviceResult
) -> tuple[Literal["passed", "warned", "failed"], str] | None:
    """Whether the bundle does on the phone's cores, and why; None where it was played on none of them."""
    cores = list_cores(variant, result)
    if not cores:
        return None
    for core in cores:
        if core.fault:
            return "failed", f"{describe_core(core)}: {shorten(core.fault, 400)}"
    flipping = [core for core in cores if core.flips is not None and core.flips.count > MOST_FLIPS * _decisions(core)]
    if flipping:
        return "warned", "; ".join(f"{describe_core(core)}: {describe_flips(core)}" for core in flipping)
    return "passed", "; ".join(f"{describe_core(core)}: {describe_nearness(core)}" for core in cores)


def describe_core(core: CoreResult) -> str:
    """The type of core, as its maker writes it."""
    return shorten(core.target.core or core.target.name)


def describe_flips(core: CoreResult) -> str:
    """How many decisions are others there."""
    flips = core.flips
    if flips is None:
        return shorten(core.flips_reason, 200)
    if not flips.count:
        return f"none of {flips.decisions} decisions flips"
    first = f", for example {shorten(flips.examples[0], 120)}" if flips.examples else ""
    return f"{flips.gained} gained and {flips.lost} lost of {flips.decisions} decisions{first}"


def describe_nearness(core: CoreResult) -> str:
    """How far its outputs lie from this machine's."""
    return f"{len(core.windows)} of {core.n_windows} windows: {describe_difference(core)}"


def describe_difference(core: CoreResult) -> str:
    """The largest difference of any value from this machine's run."""
    errors = [one.max_abs_error.value for one in core.parity if one.max_abs_error.value is not None]
    if not errors:
        return "nothing was compared"
    largest = max(errors)
    return f"at most {format_number(largest, 'dimensionless')} off" if largest else "the same bits"


def _decisions(core: CoreResult) -> int:
    return 0 if core.flips is None else core.flips.decisions
