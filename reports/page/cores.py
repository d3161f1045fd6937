"""The section on emulated cores: what each bundle computes there, where it parts from here, and its instructions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from evaluators.core_records import CoreResult, OpDeparture
from evaluators.emulators.arm.counts import CLASSES, InstructionCounts
from evaluators.evaluation import Evaluation, VariantResult
from evaluators.score import Score
from reports.judging.cores import describe_core, describe_flips
from reports.notation import format_count, format_percent

MOST_LINES = 400
WIDTH, HEIGHT = 120, 10
_GROUPS: dict[str, tuple[str, ...]] = {
    "multiply-accumulate": ("fma_float32", "fma_float16", "dot_product", "matrix", "integer_mac"),
    "vector": ("vector_load", "vector_store", "vector_other", "float_scalar"),
    "other": ("scalar", "branch", "load", "store"),
}
"""of the classes of instructions, what a reader tells apart in a bar"""
assert {name for names in _GROUPS.values() for name in names} == set(CLASSES)


@dataclass(frozen=True)
class Part:
    """A stretch of a bar."""

    name: str
    start: float
    width: float
    words: str
    """what it stands for, with its number"""


@dataclass(frozen=True)
class CoreLine:
    """One bundle on one type of core."""

    key: str
    variant: str
    core: str
    phones: tuple[str, ...]
    result: CoreResult
    windows: str
    largest: Score | None
    """the largest difference of any value from this machine's"""
    flips: str
    is_flipping: bool
    departs: str
    """where it parts from this machine's run; empty where it does not"""
    instructions: str
    change: str
    """against the baseline"""
    bar: tuple[Part, ...]
    misses: str


@dataclass(frozen=True)
class Cores:
    """The section."""

    lines: tuple[CoreLine, ...]
    left_out: int
    reason: str
    """why nothing was played though phones have such cores; empty where it was"""
    missing: tuple[str, ...]
    """cores of phones that no emulated type stands for"""


def list_cores(evaluation: Evaluation, baseline: Evaluation | None, keys: dict[str, str]) -> Cores | None:
    """The section; None where nothing was asked for.

    Args:
        evaluation: What to show.
        baseline: An earlier one.
        keys: A bundle's letter, by name.
    """
    before = {
        (variant.variant, core.target.name): core.counts
        for variant in (() if baseline is None else baseline.variants)
        for core in variant.cores
    }
    lines = [line for variant in evaluation.variants for line in _of_variant(evaluation, variant, keys, before)]
    missing = dict.fromkeys(
        f"{evaluation.device_names.get(result.device, result.device)}: {one}"
        for variant in evaluation.variants
        for result in variant.devices
        for one in result.cores_missing
    )
    if not lines and not missing and not evaluation.cores_reason:
        return None
    left_out = max(0, len(lines) - MOST_LINES)
    return Cores(tuple(lines[:MOST_LINES]), left_out, evaluation.cores_reason, tuple(missing))


def _of_variant(
    evaluation: Evaluation,
    variant: VariantResult,
    keys: dict[str, str],
    before: dict[tuple[str, str], InstructionCounts | None],
) -> Iterator[CoreLine]:
    for core in variant.cores:
        earlier = before.get((variant.variant, core.target.name))
        errors = [one.max_abs_error for one in core.parity if one.max_abs_error.value is not None]
        yield CoreLine(
            key=keys.get(variant.variant, ""),
            variant=variant.variant,
            core=describe_core(core),
            phones=tuple(
                evaluation.device_names.get(result.device, result.device)
                for result in variant.devices
                if core.target.name in result.cores
            ),
            result=core,
            windows=f"{len(core.windows)} of {core.n_windows}",
            largest=max(errors, key=lambda score: score.value or 0.0, default=None),
            flips=describe_flips(core),
            is_flipping=core.flips is not None and core.flips.count > 0,
            departs=_describe_departure(core),
            instructions=_count(None if core.counts is None else core.counts.instructions),
            change=_describe_change(core.counts, earlier),
            bar=() if core.counts is None else _draw_bar(core.counts),
            misses=""
            if core.counts is None or core.counts.l1d_misses is None
            else format_count(core.counts.l1d_misses),
        )


def _describe_departure(core: CoreResult) -> str:
    trace = core.trace
    if trace is None:
        return ""
    if trace.first_not_finite is not None:
        return f"not finite from {_name(trace.first_not_finite)} on"
    if trace.first is None:
        return ""
    worst = trace.worst
    more = f", most at {_name(worst)} ({_share(worst)})" if worst is not None and worst != trace.first else ""
    return f"departs from {_name(trace.first)} on ({_share(trace.first)}){more}"


def _name(one: OpDeparture) -> str:
    return f"{one.op} {one.tensor}"


def _share(one: OpDeparture) -> str:
    return f"{(one.share or 0.0) * 100:.2g} % of its largest value"


def _describe_change(now: InstructionCounts | None, before: InstructionCounts | None) -> str:
    if now is None or before is None or not before.instructions:
        return ""
    share = now.instructions / before.instructions - 1
    return "as before" if share == 0 else f"{format_percent(share)} against the baseline"


def _draw_bar(counts: InstructionCounts) -> tuple[Part, ...]:
    total, start, parts = max(counts.instructions, 1), 0.0, []
    for name, classes in _GROUPS.items():
        number = sum(getattr(counts, one) for one in classes)
        width = WIDTH * number / total
        parts.append(Part(name, round(start, 1), round(width, 1), f"{name} {number / total:.0%}"))
        start += width
    return tuple(parts)


def _count(number: int | None) -> str:
    return "" if number is None else format_count(number)
