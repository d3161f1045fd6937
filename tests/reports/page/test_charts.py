from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluators.chart_records import Axis, Charts, ClassMeasure, ClassTable, ConfusionMatrix, Mark, RateCurve
from evaluators.evaluation import Evaluation
from reports.judging.comparison import compare
from reports.page.charts import MOST_BUNDLES, list_charts
from reports.page.class_lines import MOST_LINES, list_classes
from reports.page.figures.confusion_matrix import draw_confusion
from reports.page.figures.rate_axis import stretch_axes
from reports.page.figures.rate_curves import BOTTOM, LEFT, RIGHT, TOP, draw_rate_curves
from reports.page.html import render
from reports.page.sections import make_keys
from tests.reports.example_charts import add_charts, make_charts

ROC = {"name": "roc", "across": Axis(name="false alarms"), "upright": Axis(name="recall", direction="higher")}
PROBIT = {"across": Axis(name="accepts", scale="probit"), "upright": Axis(name="misses", scale="probit")}
HOURS = {"across": Axis(name="accepts", unit="per hour", scale="logarithmic"), "upright": Axis(name="misses")}


def _curve(*points: tuple[float, float], marks: tuple[Mark, ...] = (), **kind: Any) -> RateCurve:
    return RateCurve(**{**ROC, **kind, "points": points, "marks": marks})


def _section(evaluation: Evaluation) -> Any:
    return list_charts(compare(evaluation), make_keys(evaluation))


def test_a_curve_goes_from_corner_to_corner() -> None:
    figure = draw_rate_curves([_curve((0.0, 0.0), (0.0, 0.5), (1.0, 1.0))])
    (line,) = figure.lines
    assert line.path == f"M{LEFT} {BOTTOM}V{(TOP + BOTTOM) / 2:g}L{RIGHT} {TOP}"
    assert [tick.label for tick in figure.x_ticks] == ["0", "0.2", "0.4", "0.6", "0.8", "1"]


def test_lines_that_lie_on_each_other_are_drawn_once_and_said_to() -> None:
    line = _curve((0.0, 0.0), (0.25, 0.75), (1.0, 1.0))
    near = _curve((0.0, 0.0), (0.2501, 0.7502), (0.6, 0.86667), (1.0, 1.0))
    apart = _curve((0.0, 0.0), (0.25, 0.74), (1.0, 1.0))
    found = draw_rate_curves([line, near, apart, apart])
    assert [one.same_as for one in found.lines] == [None, 0, None, 2]
    assert [bool(one.path) for one in found.lines] == [True, False, True, False]


def test_det_axes_are_the_same_and_by_the_normal_distribution() -> None:
    rates = np.geomspace(0.0005, 0.9995, 50)
    points = [(float(x), float(y)) for x, y in zip(rates, rates[::-1], strict=True)]
    equal = Mark(name="equal error rate", at=(0.022, 0.022))
    x, y = stretch_axes([_curve(*points, marks=(equal,), **PROBIT)], (0, 400), (400, 0))
    assert (x.scale.low, x.scale.high) == (y.scale.low, y.scale.high)
    assert x.scale.high == pytest.approx(0.0), "a half, as the field draws it"
    # 50 % is in the middle of 15.87 and 84.13 %, which are a standard deviation away.
    assert x.place(0.5) - x.place(0.158655) == pytest.approx(x.place(0.841345) - x.place(0.5), abs=0.2)
    assert x.ticks[0].label == "40 %"
    gaps = np.diff(sorted(tick.place for tick in x.ticks))
    assert gaps.min() >= 30


@pytest.mark.parametrize("scale", ["linear", "logarithmic"])
@pytest.mark.parametrize("most", [0.0, 5e-324, 1e-300, 1.0, 1e300, 1.7976931348623157e308])
def test_a_rate_of_any_size_has_an_axis_with_ticks(scale: str, most: float) -> None:
    across = Axis(name="accepts", unit="per hour", scale=scale)
    axis, _ = stretch_axes([_curve((0.0, 0.0), (most, 1.0), across=across)], (0, 400), (400, 0))
    assert axis.ticks and all(0 <= tick.place <= 400 for tick in axis.ticks)


def test_a_mark_beyond_the_figure_is_not_drawn_at_its_edge() -> None:
    marks = (Mark(name="equal", at=(0.1, 0.1)), Mark(name="cost", at=(0.0, 0.99)))
    figure = draw_rate_curves([_curve((0.0, 1.0), (0.1, 0.1), (1.0, 0.0), marks=marks, **PROBIT)])
    assert [mark.shown for mark in figure.lines[0].marks] == [True, False]
    used = (Mark(name="in use", at=(0.001, 0.96), in_use=True),)
    figure = draw_rate_curves([_curve((0.0, 1.0), (0.1, 0.1), (1.0, 0.0), marks=used, **PROBIT)])
    assert figure.lines[0].marks[0].shown, "where the product works is shown in any case"


def test_none_an_hour_has_its_place() -> None:
    figure = draw_rate_curves([_curve((0.0, 1.0), (20.0, 0.5), (300.0, 0.0), **HOURS)])
    assert [tick.label for tick in figure.x_ticks] == ["0", "10", "100", "1000"]
    assert figure.none_at_edge
    places = [tick.place for tick in figure.x_ticks]
    assert places[0] == LEFT
    assert places == sorted(places)


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=2, max_size=20))
def test_lines_on_linear_axes_stay_within_the_figure(points: list[tuple[float, float]]) -> None:
    (line,) = draw_rate_curves([_curve(*points)]).lines
    numbers = [float(number) for number in re.findall(r"[\d.]+", line.path)]
    assert all(TOP <= number <= RIGHT for number in numbers)


def test_a_matrix_shows_counts_and_a_change_shows_signs() -> None:
    source = ConfusionMatrix(classes=("dog", "cat"), counts=((8, 2), (0, 1500)))
    bundle = ConfusionMatrix(classes=("dog", "cat"), counts=((5, 5), (0, 1500)))
    figure, change = draw_confusion(source), draw_confusion(bundle, source)
    assert [text.text for text in figure.texts] == ["8", "2", "2k"]
    assert figure.sums == ("10", "2k")
    assert {(shade.kind, shade.level) for shade in figure.shades} == {("right", 5), ("wrong", 2)}
    assert [text.text for text in change.texts] == ["−3", "+3"]
    assert {shade.kind for shade in change.shades} == {"wrong"}


def test_forty_classes_are_still_read() -> None:
    names = tuple(f"a class with a name of its own {number}" for number in range(41))
    counts = tuple(tuple(int(row == column) for column in range(41)) for row in range(41))
    figure = draw_confusion(ConfusionMatrix(classes=names, counts=counts))
    assert figure.side >= 20
    assert figure.width < 1300
    assert all(len(label) <= 16 for label in figure.labels)


def _table(*values: float | None, names: tuple[str, ...] = ("dog", "cat", "bell")) -> ClassTable:
    clips = tuple(range(1, len(values) + 1))
    return ClassTable(classes=names, clips=clips, measures=(ClassMeasure(name="F1", values=values),))


def test_the_class_that_lost_most_comes_first() -> None:
    found = list_classes([(None, _table(0.9, 0.8, 0.7)), ("A", _table(0.9, 0.5, 0.8)), ("B", _table(0.8, 0.7, None))])
    assert found is not None
    assert [(line.name, line.clips) for line in found.lines] == [("cat", 2), ("dog", 1), ("bell", 3)]
    assert [line.loss for line in found.lines] == pytest.approx([0.3, 0.1, 0.0])
    assert [[cell.worst for cell in line.cells[0]] for line in found.lines] == [
        [False, True, False],
        [False, False, True],
        [False, False, False],
    ]
    assert [cell.change for cell in found.lines[2].cells[0]] == [None, pytest.approx(0.1), None]


def test_a_table_of_other_classes_is_not_compared() -> None:
    found = list_classes([(None, _table(0.9, 0.8, 0.7)), ("A", _table(0.1, 0.1, 0.1, names=("a", "b", "c")))])
    assert found is not None
    assert found.keys == (None,)
    assert not found.compared


def test_a_long_table_is_cut() -> None:
    names = tuple(str(number) for number in range(MOST_LINES + 7))
    found = list_classes([(None, _table(*[0.5] * len(names), names=names))])
    assert found is not None
    assert (len(found.lines), found.left_out) == (MOST_LINES, 7)


@pytest.mark.slow
def test_source_and_the_bundles_that_lost_most_are_drawn(evaluation: Evaluation) -> None:
    section = _section(add_charts(evaluation))
    charted = sum(variant.failure is None for variant in evaluation.variants)
    assert section.models[0].key is None
    assert len(section.models) == MOST_BUNDLES + 1
    assert section.left_out == charted - MOST_BUNDLES
    assert len(section.curves) == 4
    for view in section.curves:
        assert [reading.style for reading in view.readings] == list(range(MOST_BUNDLES + 1))


@pytest.mark.slow
def test_the_matrix_beside_the_sources_is_the_one_that_differs_most(evaluation: Evaluation) -> None:
    found = _section(add_charts(evaluation)).confusion
    last = [variant.variant for variant in evaluation.variants if variant.failure is None][-1]
    assert found.second.name == last, "to which the most noise was added"
    assert found.right < found.total == 200
    same = add_charts(evaluation)
    charts = same.source.charts
    equal = same.model_copy(
        update={"variants": tuple(v.model_copy(update={"charts": v.charts and charts}) for v in same.variants)}
    )
    found = _section(equal).confusion
    assert (found.second, found.change) == (None, None)
    page = render(compare(equal))
    assert "bundles&#39; counts are the same as these" in page or "bundles' counts are the same as these" in page


def test_an_evaluation_without_charts_has_no_section(evaluation: Evaluation) -> None:
    assert not _section(evaluation)
    assert 'id="charts"' not in render(compare(evaluation))


def test_charts_of_a_bundle_alone_are_shown(evaluation: Evaluation) -> None:
    first, *others = evaluation.variants
    alone = first.model_copy(update={"charts": make_charts(0.4, ("dog", "cat"))})
    changed = evaluation.model_copy(update={"variants": (alone, *others)})
    section = _section(changed)
    assert [model.name for model in section.models] == [first.variant]
    assert [reading.style for reading in section.curves[0].readings] == [1]
    assert 'id="charts"' in render(compare(changed))


def test_a_curve_on_other_axes_is_in_no_figure_with_the_first(evaluation: Evaluation) -> None:
    def charts(**kind: Any) -> Charts:
        return Charts(curves=(_curve((0.0, 0.0), (1.0, 1.0), **kind),))

    first, *others = evaluation.variants
    changed = evaluation.model_copy(
        update={
            "source": evaluation.source.model_copy(update={"charts": charts()}),
            "variants": (first.model_copy(update={"charts": charts(**PROBIT)}), *others),
        }
    )
    (view,) = _section(changed).curves
    assert [reading.model.key for reading in view.readings] == [None]


@pytest.mark.slow
def test_numbers_stand_beside_the_picture(evaluation: Evaluation) -> None:
    page = render(compare(add_charts(evaluation)))
    section = page[page.index('<section id="charts"') : page.index("</section>", page.index('<section id="charts"'))]
    assert section.count("<details>") == 5
    assert section.count('role="img"') == section.count("<desc ") == 6
    assert "lies on the line of the source model, and is not drawn twice" in section
    identifiers = re.findall(r' id="([^"]+)"', page)
    assert len(identifiers) == len(set(identifiers))
    assert len(section) < 150_000
