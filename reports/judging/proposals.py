"""Entries that accept what broke against a baseline, with what was found as their limit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal

from device_profiles.record import parse_record, suggest
from device_profiles.text import shorten
from evaluators.evaluation import Evaluation
from reports.errors import ReportError
from reports.judging.acceptance import GONE, Acceptance, Entry
from reports.judging.baseline import Change, find_changes
from reports.judging.budgets import Budget
from reports.judging.regressions import judge_each

_DIGITS = 4
"""of a limit that is proposed; rounded up, so that it holds what was found"""
_SHOWN = 10


@dataclass(frozen=True)
class Wish:
    """What is to be accepted, and how.

    Attributes:
        why: The reason.
        bundles: Only of these; all where there are none.
        metrics: Only these.
        phones: Only on these.
        by: The limit as it is written; default: what was found.
        until: The last day.
        who: Who accepts it.
    """

    why: str
    bundles: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    phones: tuple[str, ...] = ()
    by: str | None = None
    until: str | None = None
    who: str | None = None

    def wants(self, change: Change) -> bool:
        """Whether a change is among those that it names."""
        asked = ((self.bundles, change.variant), (self.metrics, change.metric), (self.phones, change.device))
        return all(not names or name in names for names, name in asked)


def propose(
    evaluation: Evaluation, baseline: Evaluation, budgets: Sequence[Budget], wish: Wish, acceptance: Acceptance
) -> tuple[Entry, ...]:
    """An entry for each change for the worse that a wish names and that is not accepted yet.

    Args:
        evaluation: What was found.
        baseline: What it is compared with.
        budgets: Those of the recipe.
        wish: What is to be accepted.
        acceptance: What was accepted before.

    Raises:
        ReportError: The wish names nothing that broke, or a limit that is below what was found.
    """
    changes = find_changes(baseline, evaluation)
    pairs = judge_each(changes, budgets, evaluation, acceptance)
    open_ = [
        (change, verdict.blocks)
        for change, verdict in pairs
        if verdict.status != "passed" and (change.is_loss or change.difference is not None)
    ]
    broken = [change for change, blocks in open_ if wish.wants(change) and (blocks or change.metric in wish.metrics)]
    _check_names(wish, [change for change, _ in open_], broken)
    if wish.by is not None:
        broken = _select_by(broken, wish.by)
    gone = _find_gone_phones(changes) if not wish.bundles else set()
    entries: dict[tuple[str | None, str | None, str | None], Entry] = {}
    for change in broken:
        entry = _make_entry(change, wish, _find_successor(change, evaluation, baseline), gone)
        entries.setdefault(entry.key, entry)
    if any(entry.is_over(acceptance.today) for entry in entries.values()):
        raise ReportError(f"until {wish.until}: that day has passed already; today is {acceptance.today}")
    own = Acceptance(tuple(entries.values()), acceptance.name, acceptance.today)
    faults = [f"{_name(change)}: {fault}" for change in broken if (fault := own.rule_on(change, evaluation)[1])]
    if faults:
        raise ReportError("\n".join(dict.fromkeys(faults)))
    return own.entries


def _check_names(wish: Wish, open_: Sequence[Change], broken: Sequence[Change]) -> None:
    if broken or not (wish.bundles or wish.metrics or wish.phones):
        return
    there = list(dict.fromkeys(_name(change) for change in open_))
    for word, names, known in (
        ("bundle", wish.bundles, {change.variant for change in open_}),
        ("metric", wish.metrics, {change.metric for change in open_ if change.metric is not None}),
        ("phone", wish.phones, {change.device for change in open_ if change.device is not None}),
    ):
        strange = next((name for name in names if name not in known), None)
        if strange is not None and there:
            hint = suggest(strange, known)
            raise ReportError(
                f"nothing of {word} {shorten(strange)!r} is worse than the baseline{hint}; worse are: "
                f"{'; '.join(there[:_SHOWN])}{f' and {len(there) - _SHOWN} more' if len(there) > _SHOWN else ''}"
            )
    if there:
        raise ReportError(f"nothing that is worse is all of what was named; worse are: {'; '.join(there[:_SHOWN])}")


def _select_by(broken: Sequence[Change], by: str) -> list[Change]:
    """Of a limit, the numbers; of "gone", what has none."""
    wanted = [change for change in broken if change.is_loss == (by == GONE)]
    if broken and not wanted:
        word = "has a number still; say by how much" if by == GONE else "has no number any more; right is --by gone"
        raise ReportError(f"{_name(broken[0])} {word}")
    return wanted


def _name(change: Change) -> str:
    parts = [shorten(change.variant), *(shorten(part) for part in (change.metric, change.device) if part is not None)]
    return " ".join(parts)


def _find_gone_phones(changes: Sequence[Change]) -> set[str]:
    """Phones that no bundle has any more."""
    gone = {change.device for change in changes if change.device and change.metric is None and change.state == "gone"}
    there = {change.device for change in changes if change.device and change.state != "gone"}
    return {device for device in gone - there if device is not None}


def _find_successor(change: Change, evaluation: Evaluation, baseline: Evaluation) -> str | None:
    """The one new bundle of the format of a bundle that is gone."""
    if change.state != "gone" or change.metric is not None or change.device is not None:
        return None
    before = {variant.variant: variant for variant in baseline.variants}
    format_ = before[change.variant].format
    new = [one.variant for one in evaluation.variants if one.variant not in before and one.format == format_]
    results = {one.variant for one in evaluation.variants if one.failure is None}
    return new[0] if len(new) == 1 and new[0] in results else None


def _make_entry(change: Change, wish: Wish, successor: str | None, gone: set[str]) -> Entry:
    is_of_all = change.device in gone and change.metric is None
    fields = {
        "bundle": None if is_of_all else change.variant,
        "metric": change.metric,
        "phone": change.device if wish.by in (None, GONE) or wish.phones else None,
        "by": None if successor else GONE if change.is_loss else _limit(change, wish.by),
        "replaced_by": successor,
        "why": wish.why,
        "until": wish.until,
        "who": wish.who,
    }
    return parse_record(fields, Entry, where="what is to be accepted", error=ReportError)


def _limit(change: Change, by: str | None) -> float | str:
    if by is not None:
        try:
            return float(by)
        except ValueError:
            return by
    worsening = max(change.worsening or 0.0, 0.0)
    share = change.share
    if share is None or change.difference is None or change.difference.unit in ("ratio", "dimensionless"):
        return float(_round_up(worsening))
    return f"{_round_up(abs(share) * 100 if worsening else 0.0)}%"


def _round_up(value: float) -> str:
    """The value in few digits, never below it."""
    if not value:
        return "0"
    number = Decimal(repr(value))
    step = Decimal(1).scaleb(number.adjusted() - _DIGITS + 1)
    return format(number.quantize(step, rounding=ROUND_CEILING).normalize(), "f")
