from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluators.chart_records import MAX_CLASSES, MAX_CONFUSED
from evaluators.pictures import class_charts
from evaluators.pictures.class_charts import (
    draw_confusion,
    draw_mean_roc,
    draw_pooled_roc,
    tabulate_classes,
    trace_roc,
)
from tests.evaluators.pictures.areas import area_under


def _truth(*rows: str) -> np.ndarray:
    return np.array([[sign == "x" for sign in row] for row in rows])


def test_a_roc_curve_by_hand() -> None:
    # From the highest score down: right, wrong and right at once, wrong.
    across, upright = trace_roc(np.array([0.9, 0.5, 0.5, 0.1]), _truth("xx..")[0])
    assert (across.tolist(), upright.tolist()) == ([0, 0, 0.5, 1], [0, 0.5, 1, 1])


def test_the_mean_curve_by_hand() -> None:
    # One class goes up and then across; the other has all clips at one score, a line from corner to corner.
    curve = draw_mean_roc(np.array([[4.0, 3.0, 2.0, 1.0], [1.0, 1.0, 1.0, 1.0]]), _truth("xx..", "x.x."))
    assert curve is not None
    assert curve.points == ((0.0, 0.0), (0.0, 0.5), (0.5, 0.75), (1.0, 1.0))
    assert area_under(curve) == (1 + 0.5) / 2


def test_the_curve_of_all_decisions_by_hand() -> None:
    curve = draw_pooled_roc(np.array([[0.9, 0.2], [0.6, 0.4]]), _truth("x.", ".x"), 0.5)
    assert curve is not None
    assert curve.points == ((0.0, 0.0), (0.0, 0.5), (0.5, 0.5), (0.5, 1.0), (1.0, 1.0))
    (mark,) = curve.marks
    assert (mark.name, mark.at, mark.in_use) == ("threshold 0.5", (0.5, 0.5), True)


def test_nothing_to_tell_apart_is_no_curve() -> None:
    scores = np.array([[0.9, 0.2]])
    assert draw_mean_roc(scores, _truth("xx")) is None
    assert draw_pooled_roc(scores, _truth("xx"), 0.5) is None
    assert draw_pooled_roc(scores, _truth(".."), 0.5) is None


Cases = st.tuples(st.integers(1, 5), st.integers(2, 30), st.integers(0, 2**32 - 1))


def _case(classes: int, clips: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Scores with ties, and truth in which every class has a clip with it and one without."""
    draws = np.random.default_rng(seed)
    truth = draws.random((classes, clips)) < 0.4
    truth[:, 0], truth[:, 1] = True, False
    return draws.integers(0, 6, (classes, clips)) / 6, truth


@settings(deadline=None)
@given(Cases)
def test_curves_rise_and_the_mean_curves_area_is_the_mean_of_areas(case: tuple[int, int, int]) -> None:
    scores, truth = _case(*case)
    pooled, mean = draw_pooled_roc(scores, truth, 0.5), draw_mean_roc(scores, truth)
    assert pooled is not None
    assert mean is not None
    for curve in (pooled, mean):
        assert (np.diff(np.array(curve.points), axis=0) >= 0).all()
        assert (curve.points[0], curve.points[-1]) == ((0, 0), (1, 1)) or curve is mean
    assert pooled.marks[0].at in pooled.points
    # Pair by pair, a tie counting half.
    areas = [
        np.mean([(a > b) + (a == b) / 2 for a in row[right] for b in row[~right]])
        for row, right in zip(scores, truth, strict=True)
    ]
    assert area_under(mean) == pytest.approx(np.mean(areas), abs=1e-5)


def test_a_mean_of_many_classes_is_thinned(monkeypatch: pytest.MonkeyPatch) -> None:
    draws = np.random.default_rng(7)
    truth = draws.random((30, 400)) < 0.3
    scores = truth + draws.normal(size=truth.shape)
    full = draw_mean_roc(scores, truth)
    monkeypatch.setattr(class_charts, "MOST_PLACES", 64)
    coarse = draw_mean_roc(scores, truth)
    assert full is not None
    assert coarse is not None
    areas = np.mean([np.mean(row[t][:, None] > row[~t]) for row, t in zip(scores, truth, strict=True)])
    assert area_under(full) == pytest.approx(areas, abs=0.005)
    assert area_under(coarse) == pytest.approx(areas, abs=0.02)


def test_a_matrix_by_hand() -> None:
    matrix = draw_confusion(np.array([0, 0, 1, 2]), np.array([0, 1, 1, 0]), ["dog", "cat", "bell"])
    assert matrix.classes == ("dog", "cat", "bell")
    assert matrix.counts == ((1, 1, 0), (0, 1, 0), (1, 0, 0))
    assert matrix.gathered == 0


@settings(deadline=None)
@given(st.integers(1, 120), st.integers(1, 200), st.integers(0, 2**32 - 1))
def test_rows_sum_to_labels_and_columns_to_decisions(classes: int, clips: int, seed: int) -> None:
    draws = np.random.default_rng(seed)
    labelled, decided = draws.integers(0, classes, clips), draws.integers(0, classes, clips)
    matrix = draw_confusion(labelled, decided, [f"class {number}" for number in range(classes)])
    counts = np.array(matrix.counts)
    assert len(matrix.classes) == min(classes, MAX_CONFUSED)
    assert matrix.gathered == (classes - MAX_CONFUSED + 1 if classes > MAX_CONFUSED - 1 else 0)
    named = [int(name.split()[1]) for name in matrix.classes if name.startswith("class")]
    assert counts.sum(axis=1)[: len(named)].tolist() == [int((labelled == one).sum()) for one in named]
    assert counts.sum(axis=0)[: len(named)].tolist() == [int((decided == one).sum()) for one in named]
    assert counts.sum() == clips
    least = min((labelled == one).sum() for one in named)
    assert all((labelled == other).sum() <= least for other in range(classes) if other not in named)


def test_models_are_shown_on_the_same_classes() -> None:
    """Which classes are gathered hangs on labels alone."""
    draws = np.random.default_rng(7)
    labelled = draws.integers(0, 60, 300)
    names = [str(number) for number in range(60)]
    first, second = (draw_confusion(labelled, draws.integers(0, 60, 300), names) for _ in range(2))
    assert first.classes == second.classes
    assert first.classes[-1] == "20 other classes"


def test_a_table_leaves_out_the_rarest_classes() -> None:
    count = MAX_CLASSES + 5
    clips = np.full(count, 3.0)
    clips[:5] = 1
    table = tabulate_classes([str(n) for n in range(count)], clips, {"F1": np.full(count, np.nan)})
    assert (len(table.classes), table.left_out, table.classes[0]) == (MAX_CLASSES, 5, "5")
    assert table.measures[0].values[0] is None
