"""Why two numbers of two evaluations cannot be subtracted, and in which state a number can be."""

from __future__ import annotations

from typing import Literal

from evaluators.evaluation import Evaluation, VariantResult
from evaluators.score import Score
from reports.notation import BASIS_WORDS, format_score, format_threads

State = Literal["better", "same", "worse", "new", "gone", "not comparable"]
STATES: tuple[State, ...] = ("gone", "worse", "not comparable", "new", "better", "same")
"""the worst first"""
_RUNTIME = "run by "


def find_obstacle(pair: tuple[Score | None, Score | None]) -> tuple[State | None, str]:
    """Why two numbers cannot be subtracted; no state where they can."""
    before, after = pair
    if before is None or after is None:
        return ("new", "the baseline has no such number") if before is None else ("gone", "only the baseline has this")
    if before.value is None or after.value is None:
        texts = f"{format_score(before)} before, {format_score(after)} now"
        return ("same", texts) if before.reason == after.reason else ("not comparable", texts)
    if before.basis != after.basis:
        return "not comparable", f"{BASIS_WORDS[before.basis]} before, {BASIS_WORDS[after.basis]} now"
    if (before.unit, before.direction) != (after.unit, after.direction):
        return "not comparable", f"in {before.unit} before, in {after.unit} now"
    return None, ""


def find_other_circumstances(
    before: VariantResult, after: VariantResult, evaluations: tuple[Evaluation, Evaluation]
) -> tuple[State | None, str]:
    """Whether what was played, or what it was played by, is another."""
    baseline, evaluation = evaluations
    if baseline.dataset.sha256 != evaluation.dataset.sha256:
        return "not comparable", "other clips than the baseline's"
    old, new = _runtime(before), _runtime(after)
    if old != new:
        return "not comparable", f"run by {old} before, by {new} now"
    return None, ""


def has_other_options(evaluations: tuple[Evaluation, Evaluation]) -> bool:
    """Whether the task was set otherwise; files before version 3 do not say how it was."""
    before, after = evaluations
    return min(before.schema_version, after.schema_version) >= 3 and before.task_options != after.task_options


def _runtime(variant: VariantResult) -> str:
    """The runtime's name; another version of it is what a comparison is for."""
    noted = next((notice for notice in variant.notices if notice.startswith(_RUNTIME)), "")
    return noted.removeprefix(_RUNTIME).partition(" ")[0]


def find_other_host(evaluations: tuple[Evaluation, Evaluation]) -> tuple[State | None, str]:
    """Whether the machine that measured is another."""
    before, after = (each.environment for each in evaluations)
    if (before.platform, before.processor, before.cores) != (after.platform, after.processor, after.cores):
        return "not comparable", "measured on another machine"
    return None, ""


def find_other_stopwatch(before: VariantResult, after: VariantResult) -> tuple[State | None, str]:
    """Why times of calls on one machine cannot be held against each other."""
    if before.timing is None or after.timing is None:
        return "not comparable", "its calls were not timed"
    if before.timing.machine != after.timing.machine:
        return "not comparable", "timed on another machine"
    if before.timing.threads != after.timing.threads:
        threads = (format_threads(each.threads) for each in (before.timing, after.timing))
        return "not comparable", "timed with {} before, with {} now".format(*threads)
    return None, ""
