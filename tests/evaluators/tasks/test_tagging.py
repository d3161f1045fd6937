from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluators.chart_records import Charts
from evaluators.comparing.dataset_scores import score_dataset
from evaluators.errors import EvaluationError
from evaluators.task import Absent, ClipContext
from evaluators.task_loading import load_task
from evaluators.tasks.tagging import Tagging, TaggingOptions
from evaluators.windows import Stitched
from tests.evaluators.pictures.areas import area_under

CLASSES = ("dog", "cat", "bell")
TASK = Tagging(TaggingOptions(classes=CLASSES))
SINGLE = Tagging(TaggingOptions(classes=CLASSES, single_label=True))
WHERE = ClipContext(1.0, "n.jsonl:3")


def _values(task: Tagging, truth: Any, scores: Any) -> dict[str, float | None]:
    """Of a matrix of truth and one of scores, both (clips, classes)."""
    pairs = [
        (tuple(np.flatnonzero(row).tolist()), np.array(found, np.float64))
        for row, found in zip(truth, scores, strict=True)
    ]
    found = task.score_dataset(pairs)
    return {name: None if isinstance(value, Absent) else value for name, value in found.items()}


def test_labels_are_columns() -> None:
    assert TASK.parse_labels({"labels": ["bell", "dog"]}, WHERE) == (0, 2)
    assert TASK.parse_labels({"labels": []}, WHERE) == ()
    assert SINGLE.parse_labels({"labels": "cat"}, WHERE) == (1,)
    assert Tagging().parse_labels({"labels": [7, 0]}, WHERE) == (0, 7)


@pytest.mark.parametrize(
    ("task", "labels", "message"),
    [
        (TASK, "dog", "labels must be a list of classes; found 'dog'"),
        (TASK, ["dog", "cow"], "labels[1]: no class 'cow'; task.options.classes names them"),
        (TASK, ["dogg"], "labels[0]: no class 'dogg'; did you mean 'dog'?"),
        (TASK, ["dog", "dog"], "labels[1]: 'dog' is there twice"),
        (TASK, [1], "labels[0]: must be the name of a class; found 1"),
        (SINGLE, ["dog"], "labels: must be the name of a class; found ['dog']"),
        (SINGLE, "Dog", "labels: no class 'Dog'; did you mean 'dog'?"),
        (
            Tagging(),
            ["dog"],
            "labels[0]: must be the number of a column, from 0, since no classes are named; found 'dog'",
        ),
        (
            Tagging(),
            [True],
            "labels[0]: must be the number of a column, from 0, since no classes are named; found True",
        ),
        (Tagging(), [-1], "labels[0]: must be the number of a column, from 0, since no classes are named; found -1"),
    ],
)
def test_bad_labels(task: Tagging, labels: Any, message: str) -> None:
    with pytest.raises(EvaluationError) as caught:
        task.parse_labels({"labels": labels}, WHERE)
    assert str(caught.value) == f"n.jsonl:3: {message}"


def test_all_bad_labels_are_listed() -> None:
    with pytest.raises(EvaluationError) as caught:
        TASK.parse_labels({"labels": ["cow", "dog", 3]}, WHERE)
    assert [line.split(":")[2].strip() for line in str(caught.value).split("\n")] == ["labels[0]", "labels[2]"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"classes": ["a", "b", "a"]}, "names a class twice: a"),
        ({"classes": [""]}, "task.options: classes"),
        ({"threshold": math.inf}, "task.options"),
        ({"pool": "last"}, "task.options: pool"),
    ],
)
def test_bad_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(EvaluationError, match=r"task\.options") as caught:
        load_task("tagging", options)
    assert message in str(caught.value)


def test_columns_are_the_classes() -> None:
    frames = Stitched(np.array([[0.1, 0.2, 0.3], [0.5, 0.2, 0.1]]), np.arange(2.0))
    assert TASK.decode({"tags": frames}).tolist() == pytest.approx([0.3, 0.2, 0.2])
    with pytest.raises(EvaluationError, match=r"output 'tags' has 2 classes where task\.options\.classes names 3"):
        TASK.decode({"tags": Stitched(np.zeros(2), np.zeros(1), "clip")})
    with pytest.raises(EvaluationError, match="a label names column 5 where output 'tags' has 3"):
        Tagging().score((5,), np.zeros(3))


def test_scores_by_hand() -> None:
    truth = [[1, 0, 0], [0, 1, 0], [1, 1, 0], [0, 0, 0]]
    scores = [[0.9, 0.1, 0.9], [0.8, 0.6, 0.1], [0.7, 0.2, 0.1], [0.1, 0.7, 0.1]]
    # dog is ranked right, wrong, right: (1 + 2/3) / 2. cat wrong, right, right: (1/2 + 2/3) / 2. bell has no label.
    # Over 0.5 there are of dogs 2 right of 3 (F1 4/5), of cats 1 of 2 (1/2).
    # A dog is before what is none in 3 of 4 pairs, a cat in 2 of 4.
    expected = {"mean_average_precision": (5 / 6 + 7 / 12) / 2, "macro_f1": (0.8 + 0.5) / 2, "roc_auc": 5 / 8}
    assert _values(TASK, truth, scores) == pytest.approx(expected)


def test_scores_of_scikit_learn_1_9_1() -> None:
    truth = [[1, 0, 0], [0, 1, 1], [1, 1, 0], [0, 0, 0], [0, 1, 0], [1, 0, 1]]
    scores = [[0.9, 0.1, 0.4], [0.8, 0.6, 0.4], [0.7, 0.2, 0.1], [0.7, 0.7, 0.6], [0.1, 0.5, 0.2], [0.3, 0.5, 0.4]]
    expected = {
        "mean_average_precision": 0.5777777777777778,
        "macro_f1": 0.38095238095238093,
        "roc_auc": 0.5787037037037037,
    }
    assert _values(TASK, truth, scores) == pytest.approx(expected)


def test_equal_scores_are_one_threshold() -> None:
    found = _values(TASK, [[1, 0, 0], [0, 0, 0], [1, 0, 0], [0, 0, 0]], np.zeros((4, 3)))
    assert found == {"mean_average_precision": 0.5, "macro_f1": 0.0, "roc_auc": 0.5}


def test_a_single_label_is_decided_by_the_highest_score() -> None:
    found = _values(SINGLE, [[1, 0, 0], [0, 1, 0], [0, 0, 1]], [[0.3, 0.2, 0.1], [0.3, 0.2, 0.1], [-3, -2, -1]])
    assert list(SINGLE.metrics) == ["top1_accuracy", *TASK.metrics]
    assert set(found) == set(SINGLE.metrics)
    assert found["top1_accuracy"] == pytest.approx(2 / 3)
    assert found["macro_f1"] == pytest.approx((2 / 3 + 0 + 1) / 3)
    assert _values(SINGLE, [[1, 0, 0], [0, 1, 0]], np.ones((2, 3)))["top1_accuracy"] == 0.5, "the first of equals"


def test_nothing_labelled() -> None:
    found = TASK.score_dataset([((), np.ones(3))])
    assert found == dict.fromkeys(TASK.metrics, Absent("no clip is labelled with a class"))
    found = TASK.score_dataset([((0,), np.ones(3))])
    assert found["roc_auc"] == Absent("no class is on some clips and not on others")
    assert found["mean_average_precision"] == 1


Matrices = st.integers(1, 12).flatmap(
    lambda clips: st.tuples(
        st.lists(st.lists(st.booleans(), min_size=3, max_size=3), min_size=clips, max_size=clips),
        st.lists(
            st.lists(st.integers(0, 4).map(lambda n: n / 4), min_size=3, max_size=3), min_size=clips, max_size=clips
        ),
    )
)


@pytest.mark.slow
@settings(deadline=None)  # cores are shared
@given(Matrices, st.randoms())
def test_bounds_and_order_of_clips(case: tuple[Any, Any], random: Any) -> None:
    truth, scores = case
    found = _values(TASK, truth, scores)
    assert all(value is None or 0 <= value <= 1 for value in found.values())
    order = list(range(len(truth)))
    random.shuffle(order)
    assert _values(TASK, [truth[i] for i in order], [scores[i] for i in order]) == pytest.approx(found, nan_ok=True)
    # Only the order of scores counts for two of them, and true scores are perfect.
    risen = _values(TASK, truth, np.exp(scores))
    assert (risen["mean_average_precision"], risen["roc_auc"]) == (found["mean_average_precision"], found["roc_auc"])
    assert set(_values(TASK, truth, np.array(truth, float)).values()) <= {None, 1.0}


@pytest.mark.slow
@settings(deadline=None)
@given(Matrices, st.lists(st.integers(0, 11), min_size=1, max_size=12))
def test_a_draw_is_its_clips_written_out(case: tuple[Any, Any], drawn: list[int]) -> None:
    truth, scores = case
    pairs = [(tuple(np.flatnonzero(row).tolist()), np.array(found)) for row, found in zip(truth, scores, strict=True)]
    task, sample = Tagging(TaggingOptions(classes=CLASSES)), [place % len(pairs) for place in drawn]
    task.score_dataset(pairs)
    by_counts = task.score_dataset([pairs[place] for place in sample])
    copies = Tagging(TaggingOptions(classes=CLASSES)).score_dataset([(pairs[p][0], pairs[p][1].copy()) for p in sample])
    for name, value in copies.items():
        assert by_counts[name] == (value if isinstance(value, Absent) else pytest.approx(value))


@pytest.mark.filterwarnings("default")
def test_scores_are_scikit_learns() -> None:
    sklearn = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed")
    random = np.random.default_rng(0)
    for _ in range(20):
        clips = int(random.integers(5, 60))
        truth = random.random((clips, 3)) < random.uniform(0.1, 0.9, 3)
        truth[0], truth[1] = True, False
        scores = random.integers(0, random.integers(2, 40), (clips, 3)) / 20
        expected = {
            "mean_average_precision": sklearn.average_precision_score(truth, scores, average="macro"),
            "macro_f1": sklearn.f1_score(truth, scores >= 0.5, average="macro", zero_division=0),
            "roc_auc": sklearn.roc_auc_score(truth, scores, average="macro"),
        }
        assert _values(TASK, truth, scores) == pytest.approx(expected)
        right = random.integers(0, 3, clips)
        right[:3] = range(3)
        found = _values(SINGLE, np.eye(3)[right], scores)
        assert found["top1_accuracy"] == pytest.approx(sklearn.accuracy_score(right, scores.argmax(axis=1)))
        assert found["macro_f1"] == pytest.approx(
            sklearn.f1_score(right, scores.argmax(axis=1), average="macro", zero_division=0)
        )


def test_intervals_are_made_of_a_thousand_draws() -> None:
    random = np.random.default_rng(0)
    truth = random.integers(0, 3, 40)
    pairs = [((int(column),), np.eye(3)[column] + random.normal(0, 0.7, 3)) for column in truth]
    found = score_dataset(SINGLE, pairs, [None] * 40, basis="emulated")
    score = found["top1_accuracy"].score
    assert score.value is not None and score.low is not None and score.high is not None
    assert score.low < score.value < score.high
    assert len(found["roc_auc"].drawn) == 1000


def test_classes_are_shown_by_name() -> None:
    assert TASK.draw((0, 2)).text == "dog, bell"
    assert TASK.draw(()).text == "none"
    assert TASK.draw(np.array([0.25, 0.5, 0.125])).text == "cat 0.5, dog 0.25, bell 0.125"
    assert Tagging().draw(np.arange(7.0)).text == "6 6, 5 5, 4 4, 3 3, 2 2"


def _chart(task: Tagging, truth: Any, scores: Any) -> Charts:
    return task.draw_dataset(
        [
            (tuple(np.flatnonzero(row).tolist()), np.array(found, np.float64))
            for row, found in zip(truth, scores, strict=True)
        ]
    )


@pytest.mark.slow
@settings(deadline=None)
@given(Matrices)
def test_charts_say_what_the_metrics_say(case: tuple[Any, Any]) -> None:
    truth, scores = case
    found, charts = _values(TASK, truth, scores), _chart(TASK, truth, scores)
    if not np.any(truth):
        assert charts == Charts()
        return
    table = charts.classes
    assert table is not None
    precisions, f1 = table.measures
    assert np.mean(precisions.values) == pytest.approx(found["mean_average_precision"], abs=1e-6)
    assert np.mean(f1.values) == pytest.approx(found["macro_f1"], abs=1e-6)
    assert dict(zip(table.classes, table.clips, strict=True)) == {
        name: count for name, count in zip(CLASSES, np.sum(truth, axis=0), strict=True) if count
    }
    areas = [area_under(curve) for curve in charts.curves if "mean over classes" in curve.name]
    assert areas == ([] if found["roc_auc"] is None else [pytest.approx(found["roc_auc"], abs=1e-5)])
    for curve in charts.curves:
        assert (np.diff(np.array(curve.points), axis=0) >= 0).all()
        assert all(mark.at in curve.points for mark in curve.marks)


def test_the_threshold_in_use_is_where_the_decisions_are() -> None:
    truth = [[1, 0, 0], [0, 1, 0], [1, 1, 0], [0, 0, 1]]
    scores = [[0.9, 0.1, 0.9], [0.5, 0.6, 0.1], [0.4, 0.2, 0.1], [0.1, 0.7, 0.1]]
    pooled = _chart(TASK, truth, scores).curves[1]
    (mark,) = pooled.marks
    # Of 5 labels 2 reach 0.5, and of the 7 others 3.
    assert (mark.name, mark.at, mark.in_use) == ("threshold 0.5", (round(3 / 7, 6), 0.4), True)


def test_a_matrix_holds_every_clip_once_and_the_diagonal_is_the_top_1() -> None:
    draws = np.random.default_rng(7)
    columns = draws.integers(0, 3, 50)
    scores = np.eye(3)[columns] + draws.normal(size=(50, 3))
    found, charts = _values(SINGLE, np.eye(3)[columns], scores), _chart(SINGLE, np.eye(3)[columns], scores)
    assert charts.confusion is not None
    assert charts.classes is not None
    counts = np.array(charts.confusion.counts)
    assert charts.confusion.classes == charts.classes.classes == CLASSES
    assert tuple(counts.sum(axis=1)) == charts.classes.clips == tuple(np.bincount(columns))
    assert np.trace(counts) / 50 == found["top1_accuracy"]
    assert [curve.name for curve in charts.curves] == ["ROC curve, mean over classes"], "no threshold decides"
    assert _chart(TASK, np.eye(3)[columns], scores).confusion is None


def test_names_of_classes_are_cleaned_in_charts() -> None:
    task = Tagging(TaggingOptions(classes=("a\x1b[31m", "b" * 500, "\n "), single_label=True))
    charts = _chart(task, np.eye(3), np.eye(3))
    assert charts.confusion is not None
    first, second, third = charts.confusion.classes
    assert (first, third) == ("a\ufffd[31m", "(no name)")
    assert len(second) <= 96
