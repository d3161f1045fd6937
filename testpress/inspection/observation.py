"""What watching a model found, and how a terminal shows it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from device_profiles.record import Record
from device_profiles.text import clean_text
from evaluators.emulators.coreml.observations import Comparison, HalfFit, OpComparison, OpRange
from evaluators.score import Score
from testpress.table import align

TOP_OPS = 20
"""rows a table has unless all are asked for"""

_NAME_LIMIT = 56

T = TypeVar("T")


class RangesFound(Record):
    """The ranges of a model's ops."""

    file: str
    inputs_from: str
    inputs: int
    ops: tuple[OpRange, ...]
    """in program order"""
    notices: tuple[str, ...]


class PartingFound(Record):
    """Where a model parts from another."""

    inputs_from: str
    comparison: Comparison
    notices: tuple[str, ...]


def as_text(found: RangesFound | PartingFound, *, top: int | None = TOP_OPS) -> str:
    """What was found, for people.

    Args:
        found: What `watch` gave.
        top: How many ops the table lists, those with most to worry about; none for all.
    """
    if isinstance(found, RangesFound):
        return _ranges_text(found, top)
    return _parting_text(found, top)


def _ranges_text(found: RangesFound, top: int | None) -> str:
    facts = [
        ("ran on", found.inputs_from),
        ("ops", str(len(found.ops))),
        ("not finite", _first_of(found.ops, lambda op: op.nans + op.infinities > 0, _origin(found.ops))),
        ("too large for float16", _first_of(found.ops, lambda op: _half(op).overflowing > 0)),
        ("0 in float16", _first_of(found.ops, lambda op: bool(_half(op).vanishing))),
        *(("notice", notice) for notice in found.notices),
    ]
    rows: list[tuple[str, ...]] = [("op", "kind", "type", "least", "greatest", "smallest", "zeros", "float16")]
    listed = _top(found.ops, _worry, top)
    rows += [_range_row(op) for op in listed]
    table = align(rows, right=(3, 4, 5, 6), indent="  ")
    return "\n\n".join(
        [f"{found.file}: ranges of its ops\n{align(facts, indent='  ')}", table + _rest(len(found.ops), len(listed))]
    )


def _origin(ops: Sequence[OpRange]) -> str:
    begins = [op for op in ops if op.breaks]
    return f"; begins at {_name(begins[0].op)} ({begins[0].kind})" if begins else "; came in with the inputs"


def _first_of(ops: Sequence[OpRange], holds: Callable[[OpRange], bool], more: str = "") -> str:
    held = [op for op in ops if holds(op)]
    if not held:
        return "no op"
    count = "1 op" if len(held) == 1 else f"{len(held)} ops"
    return f"{count}, the first is {_name(held[0].op)} ({held[0].kind}){more}"


def _half(op: OpRange) -> HalfFit:
    return op.half or HalfFit(overflowing=0, vanishing=None, subnormal=0)


def _worry(op: OpRange) -> tuple[float, ...]:
    """Not finite first, then what float16 cannot hold, then what it holds badly, then what is large."""
    share = 1 / max(op.elements, 1)
    half = _half(op)
    broken = (op.nans + op.infinities) * share
    lost = (half.overflowing * share, (half.vanishing or 0) * share, half.subnormal * share)
    return (float(op.breaks), broken, *lost, op.largest or 0.0)


def _range_row(op: OpRange) -> tuple[str, ...]:
    numbers = (op.minimum, op.maximum, op.smallest)
    shown = ("–" if number is None else f"{number:.3g}" for number in numbers)
    zeros = "–" if op.zero_share is None else f"{op.zero_share:.1%}"
    return (_name(op.op), op.kind, op.dtype, *shown, zeros, _remarks(op))


def _remarks(op: OpRange) -> str:
    half, did = _half(op), op.dtype == "float16"
    counts = [
        (op.nans, "are NaN"),
        (op.infinities, "are infinite"),
        (0 if did else half.overflowing, "would overflow"),
        (half.vanishing or 0, "would become 0"),
        (half.subnormal, "are subnormal" if did else "would be subnormal"),
    ]
    remarks = [f"{count} {what} ({count / op.elements:.1%})" for count, what in counts if count]
    return ", ".join(["BEGINS HERE"] * op.breaks + remarks)


def _parting_text(found: PartingFound, top: int | None) -> str:
    comparison = found.comparison
    ops = {op.op: op for op in comparison.ops}
    here, there = len(comparison.unaligned), len(comparison.reference_unaligned)
    facts = [
        ("against", comparison.reference),
        ("ran on", found.inputs_from),
        ("first op apart", _place(ops, comparison.first, f"none by more than {comparison.tolerance:.3g} of its range")),
        ("worst op", _place(ops, comparison.worst, "none: all values are equal")),
        ("aligned", f"{len(ops)} ops; without a namesake: {here} here, {there} there"),
        *(
            ("other shape", f"{_name(m.op)}: {list(m.shape)}, there {list(m.reference_shape)}")
            for m in comparison.mismatches
        ),
        *(("notice", notice) for notice in found.notices),
    ]
    rows: list[tuple[str, ...]] = [("op", "kind", "type", "error of range", "largest error", "SNR dB", "cosine", "")]
    listed = _top(comparison.ops, lambda op: (op.op == comparison.first, op.severity, op.unlike), top)
    rows += [_comparison_row(op) for op in listed]
    title = f"{comparison.candidate}: where it parts from its reference"
    table = align(rows, right=(3, 4, 5, 6), indent="  ")
    return "\n\n".join([f"{title}\n{align(facts, indent='  ')}", table + _rest(len(ops), len(listed))])


def _place(ops: dict[str, OpComparison], name: str | None, none: str) -> str:
    if name is None:
        return none
    op = ops[name]
    return f"{_name(op.op)} ({op.kind}): {_error(op)}" + (f", {extra}" if (extra := _unlike(op)) else "")


def _error(op: OpComparison) -> str:
    if op.relative_error is None:
        return f"{op.max_abs_error:.3g} where all should be 0"
    return f"{op.relative_error:.2%} of its range"


def _unlike(op: OpComparison) -> str:
    counts = [
        (op.overflowed, "became infinite"),
        (op.unlike - op.overflowed, "not finite on one side"),
        (op.vanished, "became 0"),
    ]
    return ", ".join(f"{count} {what}" for count, what in counts if count)


def _comparison_row(op: OpComparison) -> tuple[str, ...]:
    relative = "–" if op.relative_error is None else f"{op.relative_error:.2%}"
    scores = (_score(op.snr_db, ".1f"), _score(op.cosine, ".6f"))
    return (_name(op.op), op.kind, op.dtype, relative, f"{op.max_abs_error:.3g}", *scores, _unlike(op))


def _score(score: Score, form: str) -> str:
    if score.value is None:
        return "equal" if score.reason == "identical" else "–"
    return format(score.value, form)


def _top(items: Sequence[T], key: Callable[[T], tuple[float, ...]], top: int | None) -> list[T]:
    """The items with the largest keys, in their own order."""
    if top is None or len(items) <= top:
        return list(items)
    chosen = sorted(range(len(items)), key=lambda index: key(items[index]), reverse=True)[:top]
    return [items[index] for index in sorted(chosen)]


def _rest(count: int, listed: int) -> str:
    return f"\n  … and {count - listed} more ops; --all lists them" if listed < count else ""


def _name(name: str) -> str:
    """The end of a long name: converters put what tells ops apart there."""
    text = " ".join(clean_text(name).split())
    return text if len(text) <= _NAME_LIMIT else f"…{text[-_NAME_LIMIT + 1 :]}"
