"""What changed since an earlier evaluation, bundle by bundle and phone by phone.

A difference counts only when the intervals of the two numbers do not overlap; a number without an interval is its own
interval. Overlap is the cautious test: it takes some true changes for chance, and hardly any chance for a change.
"""

from __future__ import annotations

from typing import Literal

from device_profiles.record import Record
from evaluators.evaluation import Evaluation, Score, VariantResult
from reports.errors import ReportError
from reports.metrics import is_better
from reports.notation import BASIS_WORDS, format_score

State = Literal["better", "same", "worse", "new", "gone", "not comparable"]
_Key = tuple[str, str | None, str]


class Change(Record):
    """One number then and now."""

    variant: str
    device: str | None
    metric: str | None
    """none where the whole bundle is new, gone or failed"""
    state: State
    before: Score | None
    after: Score | None
    reason: str


def find_changes(baseline: Evaluation, evaluation: Evaluation) -> tuple[Change, ...]:
    """Match the bundles of two evaluations by name, and their phones by identifier, and compare each number.

    Raises:
        ReportError: The evaluations are of different models or tasks.
    """
    for name, before, after in (
        ("model", baseline.model.name, evaluation.model.name),
        ("task", baseline.task, evaluation.task),
    ):
        if before != after:
            raise ReportError(
                f"the baseline's {name} is {before!r}, this evaluation's is {after!r}; compare like with like"
            )
    same_clips = baseline.dataset.sha256 == evaluation.dataset.sha256
    old = {variant.variant: variant for variant in baseline.variants}
    new = {variant.variant: variant for variant in evaluation.variants}
    changes: list[Change] = []
    for name in dict.fromkeys((*new, *old)):
        changes += _compare_variants(name, old.get(name), new.get(name), same_clips=same_clips)
    return tuple(changes)


def _compare_variants(
    name: str, before: VariantResult | None, after: VariantResult | None, *, same_clips: bool
) -> list[Change]:
    state, reason = _compare_presence(before, after)
    if state is not None:
        return [Change(variant=name, device=None, metric=None, state=state, before=None, after=None, reason=reason)]
    assert before is not None and after is not None
    old, new = _scores(before), _scores(after)
    of_clips = {*before.differences, *after.differences}
    changes = []
    for device, metric in dict.fromkeys((key[1], key[2]) for key in (*new, *old)):
        pair = old.get((name, device, metric)), new.get((name, device, metric))
        comparable = same_clips or metric not in of_clips
        changes.append(_compare_scores(name, device, metric, pair=pair, comparable=comparable))
    return changes


def _compare_presence(before: VariantResult | None, after: VariantResult | None) -> tuple[State | None, str]:
    if before is None:
        return "new", "the baseline has no such bundle"
    if after is None:
        return "gone", "only the baseline has this bundle"
    if after.failure and not before.failure:
        return "worse", f"it has no result any more: {after.failure.reason}"
    if before.failure and not after.failure:
        return "better", f"it has a result now; before: {before.failure.reason}"
    if before.failure:
        return "same", "it has no result in either evaluation"
    return None, ""


def _scores(variant: VariantResult) -> dict[_Key, Score]:
    scores: dict[_Key, Score] = {(variant.variant, None, metric): score for metric, score in variant.scores.items()}
    for result in variant.devices:
        scores |= {(variant.variant, result.device, metric): score for metric, score in result.scores.items()}
    return scores


def _compare_scores(
    variant: str, device: str | None, metric: str, *, pair: tuple[Score | None, Score | None], comparable: bool
) -> Change:
    before, after = pair
    state, reason = _weigh(before, after, comparable=comparable)
    return Change(variant=variant, device=device, metric=metric, state=state, before=before, after=after, reason=reason)


def _weigh(before: Score | None, after: Score | None, *, comparable: bool) -> tuple[State, str]:
    if before is None or after is None:
        return ("new", "the baseline has no such number") if before is None else ("gone", "only the baseline has this")
    texts = f"{format_score(before)} before, {format_score(after)} now"
    if before.value is None or after.value is None:
        return ("same", texts) if before.reason == after.reason else ("not comparable", texts)
    if not comparable:
        return "not comparable", f"{texts}, but on other clips"
    if before.basis != after.basis:
        return "not comparable", f"{BASIS_WORDS[before.basis]} before, {BASIS_WORDS[after.basis]} now"
    if (before.unit, before.direction) != (after.unit, after.direction):
        return "not comparable", f"in {before.unit} before, in {after.unit} now"
    old, new = _ends(before), _ends(after)
    if old[0] <= new[1] and new[0] <= old[1]:
        return "same", texts if before.value == after.value else f"{texts}; the intervals overlap"
    return ("better" if is_better(after.direction, after.value, before.value) else "worse"), texts


def _ends(score: Score) -> tuple[float, float]:
    assert score.value is not None
    if score.low is None or score.high is None:
        return score.value, score.value
    return score.low, score.high
