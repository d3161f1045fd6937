"""What changed since the baseline, the worst first, with bars on one scale."""

from __future__ import annotations

from dataclasses import dataclass

from reports.judging.arithmetic import saturate
from reports.judging.baseline import Change
from reports.judging.comparison import Comparison
from reports.notation import format_percent
from reports.page.figures.change_bar import ChangeBar, draw_change_bars

_MOST_LINES = 300


@dataclass(frozen=True)
class ChangeLine:
    """One change and its bar; none where it has no share."""

    change: Change
    percent: str
    bar: ChangeBar | None
    accepted: str | None
    """why and until when it was accepted"""


@dataclass(frozen=True)
class ChangeSection:
    """What is not the same."""

    lines: tuple[ChangeLine, ...]
    left_out: int
    same: int
    compared: int


def list_changes(report: Comparison) -> ChangeSection | None:
    """Every number that is not the same; none where there was no baseline."""
    if report.baseline_created is None:
        return None
    found = sorted((one for one in report.changes if one.state != "same"), key=lambda one: one.urgency)
    shown = found[:_MOST_LINES]
    accepted = {(one.variant, one.device, one.metric): one.accepted for one in report.verdicts if one.accepted}
    lines = tuple(
        ChangeLine(
            change=change,
            percent="" if change.share is None else format_percent(change.share),
            bar=bar,
            accepted=accepted.get((change.variant, change.device, change.metric)),
        )
        for change, bar in zip(shown, draw_change_bars([_find_shares(change) for change in shown]), strict=True)
    )
    same = len(report.changes) - len(found)
    return ChangeSection(lines, len(found) - len(shown), same, len(report.changes))


def _find_shares(change: Change) -> tuple[float, float | None, float | None] | None:
    share, before, difference = change.share, change.before, change.difference
    if share is None or before is None or difference is None or not before.value:
        return None
    if difference.low is None or difference.high is None:
        return share, None, None
    size = abs(before.value)
    return share, saturate(difference.low / size), saturate(difference.high / size)
