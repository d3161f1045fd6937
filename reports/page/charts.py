"""Pictures of the whole dataset: curves of two rates, which class was taken for which, what became of each class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from evaluators.chart_records import Charts, ConfusionMatrix, Mark, RateCurve
from evaluators.comparing.ranking import order_by_loss
from evaluators.evaluation import VariantResult
from reports.judging.comparison import Comparison
from reports.notation import format_number
from reports.page.class_lines import ClassLines, list_classes
from reports.page.figures.confusion_matrix import ConfusionFigure, draw_confusion
from reports.page.figures.rate_curves import CurveLine, RateFigure, draw_rate_curves
from reports.renderers.summary import find_main_metric

MOST_BUNDLES = 5
"""beside the source model: more lines cannot be told apart"""
_MOST_CONFUSIONS = 40
_SMALL = 0.01
"""a rate below it is told in significant digits"""
_READ_AT = {"ratio": (0.01, 0.02, 0.05, 0.1, 0.2, 0.5), "per hour": (0.0, 0.1, 1.0, 10.0, 100.0, 1000.0)}


@dataclass(frozen=True)
class Model:
    """Whose charts: the source model's (no key), or a bundle's."""

    key: str | None
    name: str
    charts: Charts


@dataclass(frozen=True)
class CurveReading:
    """One model's curve: its line, and the numbers on it."""

    model: Model
    style: int
    """of its line and marks"""
    line: CurveLine
    marks: tuple[Mark, ...]
    same_as: Model | None
    """whose line is the same, as far as can be seen"""
    cells: tuple[float | None, ...]
    """the best of the upright rate where the other is at most so much"""


@dataclass(frozen=True)
class CurveView:
    """A figure and what stands below it."""

    curve: RateCurve
    """of the first model: name, axes and note are those of all"""
    figure: RateFigure
    readings: tuple[CurveReading, ...]
    read_at: tuple[float, ...]


@dataclass(frozen=True)
class Confusion:
    """How often one class was taken for another."""

    labelled: str
    decided: str
    first: int
    second: int | None


@dataclass(frozen=True)
class ConfusionView:
    """The matrix of the source model, and that of the bundle which departs most from it."""

    first: Model
    matrix: ConfusionMatrix
    figure: ConfusionFigure
    second: Model | None
    """the bundle; none where no bundle's counts differ, or there is none"""
    change: ConfusionFigure | None
    compared: int
    """how many bundles there are beside the first model"""
    confusions: tuple[Confusion, ...]
    """the most frequent ones"""
    left_out: int

    @property
    def right(self) -> int:
        """How many were taken for what they are."""
        return sum(self.matrix.counts[place][place] for place in range(len(self.matrix.classes)))

    @property
    def total(self) -> int:
        """How many there are."""
        return sum(map(sum, self.matrix.counts))


@dataclass(frozen=True)
class ChartSection:
    """All that is drawn of the whole dataset."""

    curves: tuple[CurveView, ...]
    confusion: ConfusionView | None
    classes: ClassLines | None
    models: tuple[Model, ...]
    left_out: int
    """bundles that are in no figure"""

    def __bool__(self) -> bool:
        """Whether there is anything to show."""
        return bool(self.curves or self.confusion or self.classes)


def list_charts(report: Comparison, keys: dict[str, str]) -> ChartSection:
    """The charts of the source model and of the bundles, those that lost most where there are many.

    Args:
        report: What to show.
        keys: The bundles' letters.
    """
    evaluation, main = report.evaluation, find_main_metric(report)
    charted = [variant for variant in evaluation.variants if variant.charts is not None]

    def loss(variant: VariantResult) -> tuple[float, float]:
        own = evaluation.source.scores.get(main or "")
        return order_by_loss(own, [variant.scores.get(main or "")])

    kept = {variant.variant for variant in sorted(charted, key=loss)[:MOST_BUNDLES]}
    own = evaluation.source.charts
    models = [] if own is None else [Model(None, "source model", own)]
    everybody = [*models, *(Model(keys[v.variant], v.variant, v.charts) for v in charted if v.charts is not None)]
    models += [model for model in everybody if model.key is not None and model.name in kept]
    tables = [(model, model.charts.classes) for model in models if model.charts.classes is not None]
    return ChartSection(
        curves=_view_curves(models),
        confusion=_view_confusion(everybody),
        classes=list_classes([(model.key, table) for model, table in tables]),
        models=tuple(models),
        left_out=len(charted) - len(kept),
    )


def _view_curves(models: Sequence[Model]) -> tuple[CurveView, ...]:
    """A figure for each name of a curve, with every model that has one of its name and on its axes."""
    named = dict.fromkeys(curve.name for model in models for curve in model.charts.curves)
    return tuple(_view_curve(models, name) for name in named)


def _view_curve(models: Sequence[Model], name: str) -> CurveView:
    found: list[tuple[int, Model, RateCurve]] = []
    for number, model in enumerate(models):
        curve = next((one for one in model.charts.curves if one.name == name), None)
        if curve is not None and (not found or _axes(curve) == _axes(found[0][2])):
            found.append((number + (models[0].key is not None), model, curve))
    curves = [curve for _, _, curve in found]
    figure = draw_rate_curves(curves)
    read_at = _choose_readings(curves)
    readings = [
        CurveReading(
            model=model,
            style=style,
            line=line,
            marks=curve.marks,
            same_as=None if line.same_as is None else found[line.same_as][1],
            cells=tuple(_read(curve, value) for value in read_at),
        )
        for (style, model, curve), line in zip(found, figure.lines, strict=True)
    ]
    return CurveView(curves[0], figure, tuple(readings), read_at)


def _axes(curve: RateCurve) -> tuple[object, object]:
    return curve.across, curve.upright


def _choose_readings(curves: Sequence[RateCurve]) -> tuple[float, ...]:
    """At which values across the curves are read: those up to the first that is beyond all of them."""
    values = _READ_AT[curves[0].across.unit]
    greatest = max(point[0] for curve in curves for point in curve.points)
    within = [value for value in values if value < greatest]
    return (*within, *values[len(within) : len(within) + 1])


def _read(curve: RateCurve, most: float) -> float | None:
    reached = [upright for across, upright in curve.points if across <= most]
    if not reached:
        return None
    return max(reached) if curve.upright.direction == "higher" else min(reached)


def _view_confusion(models: Sequence[Model]) -> ConfusionView | None:
    """The first model's matrix, and the one of the same classes whose counts differ most from it."""
    found = [(model, model.charts.confusion) for model in models if model.charts.confusion is not None]
    if not found:
        return None
    first, matrix = found[0]
    others = [(model, other) for model, other in found[1:] if other.classes == matrix.classes]
    worst = max(others, key=lambda pair: _distance(matrix, pair[1]), default=None)
    if worst is not None and not _distance(matrix, worst[1]):
        worst = None
    second, other = worst or (None, None)
    confusions = _list_confusions(matrix, other)
    return ConfusionView(
        first=first,
        matrix=matrix,
        figure=draw_confusion(matrix),
        second=second,
        change=None if other is None else draw_confusion(other, matrix),
        compared=len(others),
        confusions=tuple(confusions[:_MOST_CONFUSIONS]),
        left_out=max(0, len(confusions) - _MOST_CONFUSIONS),
    )


def _distance(first: ConfusionMatrix, second: ConfusionMatrix) -> int:
    return sum(
        abs(a - b)
        for row, other in zip(first.counts, second.counts, strict=True)
        for a, b in zip(row, other, strict=True)
    )


def _list_confusions(first: ConfusionMatrix, second: ConfusionMatrix | None) -> list[Confusion]:
    """What was taken for something else: where the two differ most first, then the most frequent."""
    size = range(len(first.classes))
    listed = [
        Confusion(
            first.classes[row],
            first.classes[column],
            first.counts[row][column],
            None if second is None else second.counts[row][column],
        )
        for row in size
        for column in size
        if row != column and (first.counts[row][column] or (second and second.counts[row][column]))
    ]

    def order(one: Confusion) -> tuple[int, int]:
        return -abs((one.first if one.second is None else one.second) - one.first), -max(one.first, one.second or 0)

    return sorted(listed, key=order)


def format_rate(value: float | None, unit: str) -> str:
    """A rate as tables show it."""
    if value is None:
        return "–"
    if unit == "ratio" and not 0 < value < _SMALL:
        return format_number(value, "ratio")
    return format_number(value, "dimensionless", digits=2 if unit == "ratio" else 3)
