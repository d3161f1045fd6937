"""What changed since an earlier evaluation, bundle by bundle and phone by phone.

A difference counts when its interval says so (`differences.py`): a task's metric by a paired test over the clips,
adjusted for how many such tests there are, so that an unchanged set of bundles raises a false alarm in one comparison
of twenty at most; a prediction or an exact number when the change, as far as it is known, goes beyond the tolerance.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeAlias

from device_profiles.record import Record
from device_profiles.text import shorten
from evaluators.comparing.statistics import CONFIDENCE, adjust_by_holm
from evaluators.evaluation import PARITY_NUMBERS, TIMINGS, DeviceResult, Evaluation, VariantResult
from evaluators.score import MetricInfo, Score
from reports.errors import ReportError
from reports.judging.arithmetic import saturate
from reports.judging.differences import (
    EXACT_DB,
    Difference,
    is_widened,
    subtract,
    subtract_calls,
    subtract_clips,
    subtract_errors,
)
from reports.judging.metrics import is_better, list_metrics, worst_parity
from reports.judging.obstacles import (
    STATES,
    State,
    find_obstacle,
    find_other_circumstances,
    find_other_host,
    find_other_stopwatch,
    has_other_options,
)
from reports.notation import format_interval, format_number, format_percent, format_score

MAX_TESTS = 10_000
"""50 bundles of 20 metrics are 1,000; each takes milliseconds"""

Metrics: TypeAlias = Mapping[str, MetricInfo]
"""of both evaluations"""

_DB_OF_ALL = 20.0
"""a level that changes by so much counts as a number that doubles, where changes are put in order"""


class Change(Record):
    """One number then and now."""

    variant: str
    device: str | None
    metric: str | None
    """none where the whole bundle is new, gone or failed"""
    state: State
    before: Score | None
    after: Score | None
    difference: Score | None = None
    """after minus before, with its interval where there is one; none where they cannot be compared"""
    reason: str

    @property
    def is_loss(self) -> bool:
        """Whether there is no result, or number, any more."""
        return self.state == "gone" or (self.state == "worse" and self.metric is None)

    @property
    def worsening(self) -> float | None:
        """By how much it is worse, in its unit; below zero where it is better."""
        if self.difference is None or self.difference.value is None:
            return None
        return self.difference.value if self.difference.direction == "lower" else -self.difference.value

    @property
    def share(self) -> float | None:
        """The change as a share of what was before; none of levels, and where nothing was before."""
        if self.difference is None or self.difference.value is None or self.difference.unit == "db":
            return None
        before = None if self.before is None else self.before.value
        return saturate(self.difference.value / abs(before)) if before else None

    @property
    def urgency(self) -> tuple[int, float]:
        """For sorting: the worst state first, in it the largest change for its size."""
        size = self.share if self.share is not None else (self.worsening or 0.0) / _DB_OF_ALL
        return STATES.index(self.state), -abs(size)


def find_changes(baseline: Evaluation, evaluation: Evaluation) -> tuple[Change, ...]:
    """Match the bundles of two evaluations by name, and their phones by identifier, and compare each number.

    Raises:
        ReportError: The evaluations are of different models or tasks, or there is more than can be compared.
    """
    for name, before, after in (
        ("model", baseline.model.name, evaluation.model.name),
        ("task", baseline.task, evaluation.task),
    ):
        if before != after:
            raise ReportError(
                f"the baseline's {name} is {shorten(before)!r}, this evaluation's is {shorten(after)!r}; "
                "compare like with like"
            )
    tested = sum(len(v.scores.keys() & {m for clip in v.clips for m in clip.scores}) for v in evaluation.variants)
    if tested > MAX_TESTS:
        raise ReportError(f"{tested} metrics of clips would be compared; at most {MAX_TESTS} are, each by resampling")
    changes = list(_compare_all(baseline, evaluation))
    tests = [index for index, (_, difference) in enumerate(changes) if difference and difference.p_value is not None]
    adjusted = dict(zip(tests, adjust_by_holm([_p_value(changes[index][1]) for index in tests]), strict=True))
    return tuple(
        change if difference is None else _weigh(change, difference, adjusted.get(index))
        for index, (change, difference) in enumerate(changes)
    )


def _p_value(difference: Difference | None) -> float:
    assert difference is not None and difference.p_value is not None
    return difference.p_value


def _compare_all(baseline: Evaluation, evaluation: Evaluation) -> Iterator[tuple[Change, Difference | None]]:
    old = {variant.variant: variant for variant in baseline.variants}
    new = {variant.variant: variant for variant in evaluation.variants}
    metrics = {**list_metrics(baseline), **list_metrics(evaluation)}
    for name in dict.fromkeys((*new, *old)):
        before, after = old.get(name), new.get(name)
        state, reason = _compare_presence(before, after)
        if state is not None:
            yield _change(name, None, None, state, reason), None
            continue
        assert before is not None and after is not None
        yield from _compare_bundle(before, after, (baseline, evaluation), metrics)
        yield from _compare_phones(before, after, metrics)


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


def _compare_bundle(
    before: VariantResult, after: VariantResult, evaluations: tuple[Evaluation, Evaluation], metrics: Metrics
) -> Iterator[tuple[Change, Difference | None]]:
    old, new = _bundle_scores(before), _bundle_scores(after)
    exact = _is_exact(before) and _is_exact(after)
    groups = {clip.clip: clip.group for clip in evaluations[1].dataset.clips}
    for metric in dict.fromkeys((*new, *old)):
        pair, info = (old.get(metric), new.get(metric)), metrics[metric]
        state, reason = find_obstacle(pair)
        if state is None and info.scope in ("clip", "dataset") and has_other_options(evaluations):
            state, reason = "not comparable", "the task was set otherwise for the baseline"
        if state is None and info.scope in ("clip", "dataset", "output"):
            state, reason = find_other_circumstances(before, after, evaluations)
        if state is None and info.machine_bound:
            state, reason = find_other_host(evaluations)
        if state is None and info.scope == "host":
            state, reason = find_other_stopwatch(before, after)
        change = _change(after.variant, None, metric, state or "same", reason, pair)
        first, second = pair
        if state is not None or first is None or second is None:
            yield change, None
        elif info.scope == "host":
            yield change, subtract_calls(metric, before, after)
        elif info.scope == "output" and info.unit != "db":
            yield change, subtract_errors(metric, first, second, exact=exact)
        else:
            of_clips = info.scope == "clip" or None
            paired = of_clips and subtract_clips(metric, before, after, groups, tolerance=info.tolerance)
            yield change, paired or subtract(info, first, second)


def _bundle_scores(variant: VariantResult) -> dict[str, Score]:
    """All numbers of a bundle that are no phone's: its own, those of its worst output, and its calls on the host."""
    outputs = {name: worst_parity(variant, name) for name in PARITY_NUMBERS if variant.parity}
    found = {name: finding.score for name, finding in outputs.items() if finding.score is not None}
    if "snr_db" in outputs and outputs["snr_db"].identical:
        found["snr_db"] = Score(value=EXACT_DB, unit="db", direction="higher", basis="emulated")
    calls = {} if variant.timing is None else {name: getattr(variant.timing, TIMINGS[name]) for name in TIMINGS}
    return {**variant.scores, **found, **calls}


def _is_exact(variant: VariantResult) -> bool:
    """Whether its outputs differ from the source's by no more than the order in which float32 adds up."""
    found = worst_parity(variant, "snr_db")
    return found.identical or (found.score is not None and (found.score.value or 0.0) >= EXACT_DB)


def _compare_phones(
    before: VariantResult, after: VariantResult, metrics: Metrics
) -> Iterator[tuple[Change, Difference | None]]:
    old = {result.device: result for result in before.devices}
    new = {result.device: result for result in after.devices}
    for device in dict.fromkeys((*new, *old)):
        first, second = old.get(device), new.get(device)
        if first is None or second is None:
            state: State = "new" if first is None else "gone"
            where = "the baseline does not have this phone" if first is None else "only the baseline has this phone"
            yield _change(after.variant, device, None, state, where), None
            continue
        if first.runs != second.runs:
            state = "better" if second.runs else "worse"
            yield (
                _change(after.variant, device, None, state, f"the phone {_runs(second)}; before it {_runs(first)}"),
                None,
            )
        yield from _compare_scores(after.variant, first, second, metrics)


def _runs(result: DeviceResult) -> str:
    return f"{'runs' if result.runs else 'cannot run'} the bundle ({result.floor_reason})"


def _compare_scores(
    variant: str, first: DeviceResult, second: DeviceResult, metrics: Metrics
) -> Iterator[tuple[Change, Difference | None]]:
    for metric in dict.fromkeys((*second.scores, *first.scores)):
        if metrics[metric].repeats in second.scores:
            continue
        before, after = first.scores.get(metric), second.scores.get(metric)
        state, reason = find_obstacle((before, after))
        change = _change(variant, second.device, metric, state or "same", reason, (before, after))
        if state is not None or before is None or after is None:
            yield change, None
            continue
        if first.compute_unit != second.compute_unit:
            moved = f" on the {second.compute_unit}, before on the {first.compute_unit}"
            change = change.model_copy(update={"reason": moved})
        yield change, subtract(metrics[metric], before, after)


def _change(
    variant: str,
    device: str | None,
    metric: str | None,
    state: State,
    reason: str,
    pair: tuple[Score | None, Score | None] = (None, None),
) -> Change:
    return Change(
        variant=variant, device=device, metric=metric, state=state, before=pair[0], after=pair[1], reason=reason
    )


def _weigh(change: Change, difference: Difference, p_value: float | None) -> Change:
    before, after, found = change.before, change.after, difference.score
    assert before is not None and after is not None
    if found.value is None:  # no clip has a value in both
        return change.model_copy(update={"state": "not comparable", "reason": found.reason or ""})
    beyond = abs(difference.least) > difference.tolerance
    counts = beyond if p_value is None else p_value < 1 - CONFIDENCE and (beyond or not difference.tolerance)
    state: State = "same"
    if counts and found.value != 0:
        state = "better" if is_better(found.direction, found.value, 0.0) else "worse"
    reason = f"{format_score(before)} before, {format_score(after)} now{change.reason}"
    if found.value != 0:
        interval = format_interval(found, signed=True)
        share = change.model_copy(update={"difference": found}).share
        told = format_number(found.value, found.unit, signed=True) + (f", {format_percent(share)}" if share else "")
        reason += f": {told}{f' ({interval})' if interval else ''}"
    if state == "same" and found.value != 0:
        within = format_number(difference.tolerance, found.unit) if difference.tolerance else ""
        reason += f", within {within}" if within else ", which may be chance"
    if state == "same" and before.basis != "measured_host" and is_widened(before, after):
        state, reason = (
            "worse",
            f"{reason}; its interval is wider ({format_interval(before)}, now {format_interval(after)})",
        )
    return change.model_copy(update={"state": state, "difference": found, "reason": reason})
