"""What to ship on each phone, and why other bundles are not to be shipped, one line a cause.

Of the bundles of a format that hold every budget on a phone, the one is named that has the least of what the recipe
minimises (`[search]`; unless it says otherwise `latency_p90_ms`, so the fastest). Predictions err, so those within the
metric's tolerance of the least count as equally good, and of them the smallest is taken. A bundle for which no budget
says anything is never named: nothing tells whether it is good enough.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from device_profiles.record import Record, suggest
from device_profiles.text import shorten
from evaluators.evaluation import DeviceResult, Evaluation, VariantResult
from evaluators.metrics import BUILT_IN
from evaluators.score import MetricInfo, Scope, Score
from packager.bundle import Format
from packager.formats import format_names, precisions
from reports.errors import ReportError
from reports.judging.metrics import find_score, list_metrics
from reports.judging.regressions import RULE as BASELINE_RULE
from reports.judging.verdicts import Status, Verdict

SPEED = "latency_p90_ms"
"""what is minimised where a recipe does not say"""
_SIZE = "size_bytes"
_REASON_LIMIT = 700
_MOST_NUMBERS = 3
_MIXED = "mixed_float16"
_HALF = "float16"
ACCURACY: tuple[Scope, ...] = ("clip", "dataset", "output")
"""of metrics that say how right a bundle is, wherever it runs"""


class Choice(Record):
    """What to ship on one phone in one format."""

    device: str
    format: Format
    variant: str | None
    """none where nothing can be named"""
    status: Status | None
    """of what is named: passed, or warned"""
    reason: str
    """why this one, or why none"""


class Cause(Record):
    """Why bundles are not to be shipped, told once whatever the number of budgets that they break."""

    subjects: tuple[tuple[str, str | None], ...]
    """bundle and phone; no phone where it holds for all"""
    reason: str
    remedy: str
    """what holds in its place, or what was not tried; empty where nothing is known"""
    is_departure: bool
    """whether it is that a bundle departs from its source"""


@dataclass(frozen=True)
class _Candidate:
    variant: VariantResult
    result: DeviceResult
    status: Status | None
    """the worst of its verdicts on the phone; none where no budget covers it"""

    @property
    def holds(self) -> bool:
        return self.status in ("passed", "warned")


def choose(
    evaluation: Evaluation, verdicts: Iterable[Verdict], statuses: Mapping[tuple[str, str | None], Status | None]
) -> tuple[Choice, ...]:
    """One choice for each phone and format, by phones in the evaluation's order.

    Args:
        evaluation: What was found.
        verdicts: What came of its budgets.
        statuses: Of each bundle on each phone, the worst of its verdicts.

    Raises:
        ReportError: The recipe minimises a metric that there is not, or that is better when it is higher.
    """
    objective = find_objective(evaluation)
    covered = {(verdict.variant, verdict.device) for verdict in verdicts if verdict.metric is not None}
    places: dict[tuple[str, Format], list[_Candidate]] = {}
    for variant in evaluation.variants:
        for result in variant.devices:
            here = variant.variant, result.device
            worst, found = statuses[here], places.setdefault((result.device, variant.format), [])
            if worst == "not_applicable":
                continue
            is_judged = worst in ("failed", "error") or bool(covered & {here, (variant.variant, None)})
            candidate = _Candidate(variant, result, worst if is_judged else None)
            found.append(candidate)
    order = {device: number for number, device in enumerate(evaluation.device_names)}
    served = {device for (device, _), found in places.items() if found}
    told = [place for place, found in places.items() if found or place[0] not in served]
    ordered = sorted(told, key=lambda place: order.get(place[0], len(order)))
    return tuple(_choose(device, format_, places[device, format_], objective) for device, format_ in ordered)


@dataclass(frozen=True)
class Objective:
    """What the bundle that is named has least of."""

    name: str
    metric: MetricInfo

    def read(self, variant: VariantResult, result: DeviceResult) -> float | None:
        """Its value for a bundle on a phone; none where there is none."""
        on_phone = result if self.metric.scope == "phone" else None
        finding = find_score(variant, self.name, self.metric.scope, on_phone)
        return 0.0 if finding.identical else _value(finding.score)

    def describe(self, *, only: bool) -> str:
        """Why a bundle is named: the only one that has so little, or the smallest of several."""
        share, absolute = self.metric.relative_tolerance, self.metric.tolerance
        if self.name == SPEED:
            return (
                "the fastest as predicted"
                if only
                else f"the smallest of those predicted within {share:.0%} of the fastest"
            )
        name = shorten(self.name)
        if only:
            return f"the least {name}"
        near = f"{share:.0%}" if share else f"{absolute:.12g}" if absolute else ""
        return f"the smallest of those {f'within {near} of' if near else 'with'} the least {name}"


def find_objective(evaluation: Evaluation) -> Objective:
    """What the evaluation's recipe minimises.

    Raises:
        ReportError: There is no such metric, or more of it is better.
    """
    section = evaluation.recipe.get("search")
    name = section.get("minimise", SPEED) if isinstance(section, dict) else SPEED
    metrics = list_metrics(evaluation)
    if name == SPEED:  # a file from outside may say anything of how it is to be read
        return Objective(name, BUILT_IN[SPEED])
    fault = find_objective_fault(name, metrics)
    if fault is not None:
        raise ReportError(f"search.minimise: {fault}")
    return Objective(name, metrics[name])


def find_objective_fault(name: object, metrics: Mapping[str, MetricInfo]) -> str | None:
    """Why a metric cannot be minimised; None where it can.

    Args:
        name: The metric's.
        metrics: How those that there are are to be read.
    """
    can = sorted(metric for metric, info in metrics.items() if info.direction == "lower")
    if isinstance(name, str) and name in can:
        return None
    known = ", ".join(map(shorten, can))
    if isinstance(name, str) and name in metrics:
        return f"more {shorten(name)} is better; set its limit in [[budgets]], and minimise one of {known}"
    hint = suggest(shorten(name), can) if isinstance(name, str) else ""
    return f"unknown metric {shorten(str(name))!r}{hint or f'; known: {known}'}"


def _choose(device: str, format_: Format, found: Sequence[_Candidate], objective: Objective) -> Choice:
    good = [one for one in found if one.holds]
    if not found:
        reason = "no bundle that is meant for it was made"
        return Choice(device=device, format=format_, variant=None, status=None, reason=reason)
    if not good:
        broken = any(one.status is not None for one in found)
        count = "the one bundle" if len(found) == 1 else f"each of {len(found)} bundles"
        reason = f"{count} breaks a budget or cannot run there" if broken else "no budget says how good it must be"
        return Choice(device=device, format=format_, variant=None, status=None, reason=reason)
    clean = [one for one in good if one.status == "passed"] or good
    chosen, why = _rank(clean, objective)
    held = f"{_count(len(good))} of {len(found)} {'holds' if len(good) == 1 else 'hold'} every budget"
    if len(found) == 1:
        held = "it holds every budget"
    if len(clean) < len(good):
        held += f", {len(clean)} without a warning"
    reason = f"{held}; {why}" if why else held
    return Choice(device=device, format=format_, variant=chosen.variant.variant, status=chosen.status, reason=reason)


def _count(number: int) -> str:
    return "one" if number == 1 else str(number)


def _rank(good: Sequence[_Candidate], objective: Objective) -> tuple[_Candidate, str]:
    """The best of bundles that may all be shipped, and why it is."""
    if len(good) == 1:
        return good[0], ""
    read = ((one.variant.variant, objective.read(one.variant, one.result)) for one in good)
    values = {name: value for name, value in read if value is not None}
    if not values:
        what = "their speed" if objective.name == SPEED else f"their {shorten(objective.name)}"
        return min(good, key=lambda one: _size(one.variant)), f"the smallest; of {what} nothing is known"
    least, metric = min(values.values()), objective.metric
    limit = least + max(abs(least) * metric.relative_tolerance, metric.tolerance)
    near = [one for one in good if values.get(one.variant.variant, math.inf) <= limit]
    return min(near, key=lambda one: _size(one.variant)), objective.describe(only=len(near) == 1)


def _size(variant: VariantResult) -> tuple[float, str]:
    size = _value(variant.scores.get(_SIZE))
    return float("inf") if size is None else size, variant.variant


def _value(score: Score | None) -> float | None:
    return None if score is None else score.value


def find_causes(evaluation: Evaluation, verdicts: Sequence[Verdict]) -> tuple[Cause, ...]:
    """What speaks against bundles, heaviest first.

    A bundle that departs from its source breaks budgets on its outputs and on the task alike: that is one cause, told
    by the budget that it misses most and, where it was located, by the op at which it starts. One reason that holds
    for several bundles or phones is one cause too.

    Args:
        evaluation: What was found.
        verdicts: What came of its budgets.
    """
    scopes = {name: metric.scope for name, metric in list_metrics(evaluation).items()}
    variants = {variant.variant: variant for variant in evaluation.variants}
    groups: dict[tuple[str, str], list[Verdict]] = {}
    for verdict in sorted((one for one in verdicts if one.blocks), key=lambda one: one.urgency):
        if verdict.rule == BASELINE_RULE and scopes.get(verdict.metric or "") not in ACCURACY:
            continue  # see reports.judging.regression_causes
        if verdict.variant in variants:
            groups.setdefault((verdict.variant, _find_kind(verdict, scopes)), []).append(verdict)
    blocked = {verdict.variant for verdict in verdicts if verdict.blocks}
    holding = [one for one in evaluation.variants if one.variant not in blocked and one.failure is None]
    causes: dict[tuple[str, str, bool], list[tuple[str, str | None]]] = {}
    for (name, kind), found in groups.items():
        is_accuracy = kind == "accuracy"
        reason = _describe(found, variants[name] if is_accuracy else None, evaluation)
        remedy = _find_remedy(variants[name], evaluation, holding) if is_accuracy else ""
        phones = dict.fromkeys((name, verdict.device) for verdict in found)
        causes.setdefault((reason, remedy, is_accuracy), []).extend(phones)
    return tuple(
        Cause(subjects=tuple(subjects), reason=reason, remedy=remedy, is_departure=is_departure)
        for (reason, remedy, is_departure), subjects in causes.items()
    )


def _find_kind(verdict: Verdict, scopes: Mapping[str, Scope]) -> str:
    """What verdicts of a bundle share that have one cause."""
    if verdict.status == "error":
        return f"error: {verdict.reason}"
    if verdict.metric is None:
        return verdict.rule
    return "accuracy" if scopes.get(verdict.metric) in ACCURACY else f"metric: {verdict.metric}"


def _describe(verdicts: Sequence[Verdict], departing: VariantResult | None, evaluation: Evaluation) -> str:
    worst = verdicts[0]
    words = worst.reason if worst.status == "error" else f"{worst.rule}: {worst.reason}"
    if worst.status != "error" and worst.device is not None and any(one.device != worst.device for one in verdicts):
        words += f" on {shorten(evaluation.device_names.get(worst.device, worst.device))}, the widest miss"
    more = len({verdict.rule for verdict in verdicts} - {worst.rule, BASELINE_RULE})
    if more and worst.status != "error":
        words += f", and {_count(more)} more {'budget' if more == 1 else 'budgets'}"
    regressed = [verdict.metric for verdict in verdicts if verdict.rule == BASELINE_RULE and verdict is not worst]
    if regressed and worst.status != "error":
        word = "also worse than the baseline" if worst.rule != BASELINE_RULE else "and so"
        words += f"; {word} {'is' if len(regressed) == 1 else 'are'} {', '.join(map(str, regressed[:_MOST_NUMBERS]))}"
        words += f" and {_count(len(regressed) - _MOST_NUMBERS)} more" if len(regressed) > _MOST_NUMBERS else ""
    if departing is not None and departing.drift is not None:
        words += f"; it starts at op {shorten(departing.drift.first_op)}"
    return shorten(words, _REASON_LIMIT)


def _find_remedy(variant: VariantResult, evaluation: Evaluation, holding: Sequence[VariantResult]) -> str:
    """Which bundle of the format holds in its place; else what may mend coarse arithmetic and was not tried."""
    beside = [one for one in holding if one.format == variant.format]
    why = "keeps in float32 what float16 is too coarse for"
    mixed = next((one for one in beside if one.precision == _MIXED), None)
    if mixed is not None:
        return f"{shorten(mixed.variant)} {why}, and holds"
    tried = {one.precision for one in evaluation.variants if one.format == variant.format}
    known = precisions(variant.format) if variant.format in format_names() else ()
    if variant.precision == _HALF and _MIXED in known and _MIXED not in tried:
        return f"not tried: {_MIXED} under variants.{variant.format}, which {why}"
    if beside:
        return f"{shorten(min(beside, key=_size).variant)} holds"
    return ""
