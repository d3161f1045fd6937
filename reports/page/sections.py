"""What each section of the HTML page shows: evaluation and verdicts put in the order in which a reviewer reads them."""

from __future__ import annotations

from dataclasses import dataclass

from device_profiles.text import shorten
from evaluators.drift_records import Drift
from evaluators.evaluation import Evaluation, VariantResult
from evaluators.score import Score
from reports.judging.budgets import Level
from reports.judging.comparison import Comparison
from reports.judging.regressions import RULE
from reports.judging.verdicts import SEVERITY, Status, Verdict
from reports.notation import format_exact
from reports.page.figures.budget_bar import BudgetBar, draw_budget_bars
from reports.page.figures.call_times import CallTimes, draw_call_times, share_axis
from reports.page.figures.drift_curve import DriftCurve, draw_drift_curve
from reports.page.figures.frontier import Candidate, Frontier, draw_frontier, order_formats
from reports.page.figures.scale import Tick
from reports.renderers.summary import find_main_metric

_MOST_PHONES = 6
_MOST_METRICS = 24
_MOST_BARS = 150
"""of all budgets together; a bar with its words is 1 kB"""
_LEAST_BUDGET_LINES, _MOST_BUDGET_LINES = 4, 40
_MOST_DRIFTS = 12


@dataclass(frozen=True)
class BudgetLine:
    """A verdict and its bar; none where there is no number."""

    verdict: Verdict
    bar: BudgetBar | None


@dataclass(frozen=True)
class BudgetGroup:
    """One promise and what came of it, on every bundle and phone."""

    rule: str
    level: Level
    lines: tuple[BudgetLine, ...]
    """the least margin first"""
    left_out: int
    worst: Status
    judged: bool
    """whether there is a number to show"""


@dataclass(frozen=True)
class DriftView:
    """Where one bundle departs from its reference."""

    key: str
    variant: str
    drift: Drift
    curve: DriftCurve | None
    first_kind: str | None
    first_number: int | None
    worst_kind: str | None
    worst_number: int | None
    limit: float | None
    left_at_worst: float | None
    """error that is left when all up to the worst op is put right"""


@dataclass(frozen=True)
class TimingLine:
    """One bundle's calls on the host."""

    key: str
    variant: VariantResult
    calls: CallTimes


@dataclass(frozen=True)
class ScoreLine:
    """Every score over the whole dataset of one bundle, or of the source model (no variant)."""

    variant: VariantResult | None
    cells: tuple[tuple[Score | None, Score | None], ...]
    """for each metric the score and its difference from the source model's"""


def list_scores(evaluation: Evaluation) -> tuple[tuple[str, ...], tuple[ScoreLine, ...], int]:
    """The task's metrics, a line for the source model and each bundle, and how many more metrics there are."""
    found = dict.fromkeys((*evaluation.source.scores, *(m for v in evaluation.variants for m in v.differences)))
    metrics = list(found)[:_MOST_METRICS]
    lines = [ScoreLine(None, tuple((evaluation.source.scores.get(metric), None) for metric in metrics))]
    for variant in evaluation.variants:
        if variant.failure is None:
            cells = tuple((variant.scores.get(metric), variant.differences.get(metric)) for metric in metrics)
            lines.append(ScoreLine(variant, cells))
    return tuple(metrics), tuple(lines), len(found) - len(metrics)


def make_keys(evaluation: Evaluation) -> dict[str, str]:
    """Variant → the letter that stands for it in figures: A to Z, then AA."""
    keys = {}
    for number, variant in enumerate(evaluation.variants):
        letter = chr(ord("A") + number % 26)
        keys[variant.variant] = letter * (number // 26 + 1)
    return keys


def group_budgets(report: Comparison) -> tuple[BudgetGroup, ...]:
    """Verdicts by rule. Rules without a budget show only what broke them."""
    groups: dict[tuple[str, Level], list[Verdict]] = {}
    for verdict in report.verdicts:
        if verdict.metric is not None or verdict.objects:
            groups.setdefault((verdict.rule, verdict.level), []).append(verdict)
    most = max(_LEAST_BUDGET_LINES, min(_MOST_BUDGET_LINES, _MOST_BARS // max(len(groups), 1)))
    made = []
    for (rule, level), verdicts in groups.items():
        ordered = sorted(verdicts, key=lambda verdict: verdict.urgency)
        shown = ordered[:most]
        lines = tuple(map(BudgetLine, shown, draw_budget_bars(shown)))
        judged = any(line.bar for line in lines)
        made.append(BudgetGroup(rule, level, lines, len(ordered) - len(shown), ordered[0].status, judged))
    return tuple(sorted(made, key=lambda group: (group.level != "error", SEVERITY[group.worst])))


def draw_frontiers(report: Comparison, keys: dict[str, str]) -> tuple[Frontier, ...]:
    """Accuracy against size over all bundles, then against latency on each phone."""
    evaluation, main = report.evaluation, find_main_metric(report)
    if main is None:
        return ()
    blocks = [variant for variant in evaluation.variants if variant.failure is None and main in variant.scores]
    wanted: list[tuple[str | None, str, str, list[tuple[VariantResult, Score | None]]]]
    wanted = [(None, "Size of the model", "size", [(v, v.scores.get("size_bytes")) for v in blocks])]
    for device, name in list(evaluation.device_names.items())[:_MOST_PHONES]:
        costs = [
            (variant, result.scores.get("latency_ms"))
            for variant in blocks
            for result in variant.devices
            if result.device == device and result.runs and result.meant
        ]
        wanted.append((device, f"Predicted latency, {shorten(name)}", "latency of one window", costs))
    broken = _list_broken(report)
    covered = _list_covered(report)
    figures = []
    formats = order_formats(variant.format for variant in report.evaluation.variants)
    for phone, title, label, costs in wanted:
        found = [
            Candidate(
                keys[variant.variant],
                variant.variant,
                variant.format,
                cost,
                variant.scores[main],
                holds=(variant.variant, phone) not in broken,
                covered=_is_covered(variant.variant, phone, covered),
            )
            for variant, cost in costs
            if cost is not None
        ]
        figures.append(draw_frontier(title, found, cost_label=label, accuracy_label=main, formats=formats))
    return tuple(figure for figure in figures if figure is not None)


def _list_broken(report: Comparison) -> set[tuple[str | None, str | None]]:
    """Bundles that break what blocks a release: on a phone, or with no phone wherever they run."""
    phones = report.evaluation.device_names
    return {
        (verdict.variant, device)
        for verdict in report.verdicts
        if verdict.blocks
        for device in ((None, *phones) if verdict.device is None else (verdict.device,))
    }


def _list_covered(report: Comparison) -> set[tuple[str | None, str | None]]:
    """Bundles for which a budget says something: on a phone, or with no phone wherever they run."""
    judged = (verdict for verdict in report.verdicts if verdict.metric is not None and verdict.rule != RULE)
    return {(verdict.variant, verdict.device) for verdict in judged}


def _is_covered(variant: str, phone: str | None, covered: set[tuple[str | None, str | None]]) -> bool:
    if phone is None:
        return any(name == variant for name, _ in covered)
    return bool({(variant, phone), (variant, None)} & covered)


def list_drifts(report: Comparison, keys: dict[str, str]) -> tuple[tuple[DriftView, ...], int]:
    """Drifts that were located, with the bundle's budget on max_abs_error; how many smaller ones are left out."""
    views = []
    located = [variant for variant in report.evaluation.variants if variant.drift is not None]
    kept = {variant.variant for variant in sorted(located, key=_drift_error, reverse=True)[:_MOST_DRIFTS]}
    for variant in located:
        if variant.drift is None or variant.variant not in kept:
            continue
        limits = [
            verdict.limit
            for verdict in report.verdicts
            if verdict.variant == variant.variant and verdict.metric == "max_abs_error" and verdict.limit is not None
        ]
        views.append(_view_drift(variant, variant.drift, keys[variant.variant], min(limits, default=None)))
    return tuple(views), len(located) - len(kept)


def _drift_error(variant: VariantResult) -> float:
    assert variant.drift is not None
    return variant.drift.output_error


def list_timings(evaluation: Evaluation, keys: dict[str, str]) -> tuple[tuple[TimingLine, ...], tuple[Tick, ...]]:
    """The host's stopwatch: one line a bundle on an axis they share, and that axis's ticks."""
    timed = [(variant, variant.timing) for variant in evaluation.variants if variant.timing is not None]
    axis = share_axis([timing for _, timing in timed])
    lines = tuple(TimingLine(keys[v.variant], v, draw_call_times(timing, axis)) for v, timing in timed)
    return lines, tuple(Tick(axis.place(tick), format_exact(tick, "ms")) for tick in axis.ticks(5))


def list_long_names(evaluation: Evaluation) -> tuple[str, ...]:
    """Names that tables show shortened, to be given in full once."""
    names = [evaluation.model.name, *(clip.clip for clip in evaluation.dataset.clips)]
    for variant in evaluation.variants:
        names += [variant.variant, *(parity.output for parity in variant.parity)]
        if variant.drift is not None:
            names += [variant.drift.first_op, variant.drift.worst_op]
    return tuple(dict.fromkeys(name for name in names if shorten(name) != name))


def _view_drift(variant: VariantResult, drift: Drift, key: str, limit: float | None) -> DriftView:
    numbers = {step.op: number for number, step in reversed(list(enumerate(drift.steps, start=1)))}
    first, worst = numbers.get(drift.first_op), numbers.get(drift.worst_op)
    return DriftView(
        key=key,
        variant=variant.variant,
        drift=drift,
        curve=draw_drift_curve(drift, limit),
        first_kind=drift.steps[first - 1].kind if first else None,
        first_number=first,
        worst_kind=drift.steps[worst - 1].kind if worst else None,
        worst_number=worst,
        limit=limit,
        left_at_worst=drift.steps[worst - 1].error_after if worst else None,
    )
