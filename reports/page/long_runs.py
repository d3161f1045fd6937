"""What the section on long runs shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from evaluators.evaluation import Evaluation
from evaluators.score import Score
from reports.judging.long_runs import (
    describe_decisions,
    describe_growth,
    describe_heard,
    describe_repeats,
    describe_silence,
    find_faults,
    find_run,
    list_runs,
    pick_output,
    summarize,
)
from reports.page.figures.error_over_time import MOST_LINES, ErrorOverTime, OverTime, draw_error_over_time

_MOST_ROWS = 60


@dataclass(frozen=True)
class RunLine:
    """One bundle."""

    key: str
    variant: str
    problem: str
    """why there is nothing; empty where there is"""
    output: str
    snr: Score | None
    growth: str
    grows: bool
    silence: str
    comes_back: bool
    repeats: str
    repeats_hold: bool
    decisions: str
    is_late: bool


@dataclass(frozen=True)
class RunSection:
    """The whole section."""

    finding: str
    heard: str
    lines: tuple[RunLine, ...]
    left_out: int
    figure: ErrorOverTime | None


def list_long_runs(evaluation: Evaluation, keys: Mapping[str, str]) -> RunSection | None:
    """The section, or none where no long run was asked.

    Args:
        evaluation: What was found.
        keys: Variant → its letter.
    """
    found, example = list_runs(evaluation), find_run(evaluation)
    if example is None:
        return None
    lines, drawn = [], []
    for variant, run in found:
        key, output, faults = keys[variant.variant], pick_output(run), find_faults(run)
        lines.append(
            RunLine(
                key=key,
                variant=variant.variant,
                problem=run.problem or "",
                output="" if output is None else output.output,
                snr=None if output is None else output.snr,
                growth="" if output is None else describe_growth(output),
                grows=output is not None and output.verdict == "grows",
                silence=describe_silence(run),
                comes_back=run.silence is None or run.silence.holds,
                repeats=describe_repeats(run),
                repeats_hold=all(one.holds for one in run.repeats),
                decisions=describe_decisions(run),
                is_late=any(fault.startswith("it decides") for fault in faults),
            )
        )
        if output is not None and run.plan == example.plan:
            drawn.append(OverTime(key, variant.variant, output.snr_db, bool(faults)))
    return RunSection(
        finding=summarize(evaluation),
        heard=describe_heard(example),
        lines=tuple(lines[:_MOST_ROWS]),
        left_out=len(lines) - len(lines[:_MOST_ROWS]),
        figure=None if example.plan is None else draw_error_over_time(drawn[:MOST_LINES], example.plan),
    )
