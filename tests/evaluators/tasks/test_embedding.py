from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluators.chart_records import Charts
from evaluators.comparing.dataset_scores import score_dataset
from evaluators.errors import EvaluationError
from evaluators.task import Absent, ClipContext
from evaluators.tasks import embedding
from evaluators.tasks.embedding import Embedding, EmbeddingOptions
from evaluators.windows import Stitched
from tests.evaluators.pictures.areas import find_equal

TASK = Embedding()


def _clips(identities: Any, vectors: Any) -> list[tuple[str, np.ndarray]]:
    return [
        (str(name), np.array(vector, float) / np.linalg.norm(vector))
        for name, vector in zip(identities, vectors, strict=True)
    ]


def _angles(*degrees: float) -> np.ndarray:
    return np.stack([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))], axis=1)


def _count(pairs: list[tuple[str, np.ndarray]], p_target: float) -> dict[str, float]:
    """Threshold by threshold, trial by trial; copies of one clip, which are the same object, make no trial."""
    trials = [
        (round(float(a[1] @ b[1]), 9), a[0] == b[0]) for a, b in itertools.combinations(pairs, 2) if a[1] is not b[1]
    ]
    targets = [score for score, same in trials if same]
    others = [score for score, same in trials if not same]
    points = []
    for threshold in [2.0, *sorted({score for score, _ in trials}, reverse=True)]:
        missed = sum(score < threshold for score in targets) / len(targets)
        points.append((missed, sum(score >= threshold for score in others) / len(others)))
    costs = [p_target * miss + (1 - p_target) * false for miss, false in points]
    rate = None
    for (miss, false), (next_miss, next_false) in itertools.pairwise(points):
        if rate is None and next_miss <= next_false:
            gap, next_gap = miss - false, next_miss - next_false
            rate = miss + gap / (gap - next_gap) * (next_miss - miss)
    assert rate is not None
    return {"equal_error_rate": rate, "min_dcf": min(costs) / min(p_target, 1 - p_target)}


def test_an_identity_is_a_name() -> None:
    assert TASK.parse_labels({"identity": "anna"}, ClipContext(1, "x")) == "anna"
    assert TASK.group("anna") == "anna"
    assert TASK.draw("anna").text == "anna"
    assert TASK.draw(np.ones(2)).text is None


@pytest.mark.parametrize("identity", [3, None, ["anna"], "", " "])
def test_bad_labels(identity: Any) -> None:
    with pytest.raises(EvaluationError) as caught:
        TASK.parse_labels({"identity": identity}, ClipContext(1, "n.jsonl:3"))
    assert str(caught.value) == f"n.jsonl:3: identity must be a name; found {identity!r}"


@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e30])
def test_embeddings_have_length_1(scale: float) -> None:
    output = Stitched(np.array([[3, 0], [3, 8]], np.float32) * np.float32(scale), np.arange(2.0))
    assert TASK.decode({"embedding": output}).tolist() == pytest.approx([0.6, 0.8])


def test_an_embedding_of_zeros_is_refused() -> None:
    with pytest.raises(EvaluationError, match="output 'embedding' is 0 throughout, which is like nothing"):
        TASK.decode({"embedding": Stitched(np.zeros(4), np.zeros(1), "clip")})


def test_scores_by_hand() -> None:
    pairs = _clips("aabb", _angles(0, 10, 25, 60))
    # Angles between: aa 10; a-b 25, 60, 15, 50; bb 35. In order: aa 10, ab 15, ab 25, bb 35, ab 50, ab 60.
    # Misses and false accepts: (1, 0), (1/2, 0), (1/2, 1/4), (1/2, 1/2), ...: equal at a half.
    found = TASK.score_dataset(pairs)
    assert found["equal_error_rate"] == pytest.approx(0.5)
    # One of two targets is accepted before anything else: 0.01 x 1/2 / 0.01.
    assert found["min_dcf"] == pytest.approx(0.5)
    # At 0.5: (1/2 + 0) / 2 / 0.5, no less anywhere.
    assert Embedding(EmbeddingOptions(p_target=0.5)).score_dataset(pairs)["min_dcf"] == pytest.approx(0.5)


def test_the_crossing_lies_on_a_straight_line() -> None:
    # aa and two of five others are equal: from (1, 0) to (0, 2/5), and x = 2/5 (1 - x) at 2/7.
    found = TASK.score_dataset(_clips("aabc", _angles(0, 0, 0, 90)))
    assert found == {"equal_error_rate": pytest.approx(2 / 7), "min_dcf": pytest.approx(1)}


def test_perfect_embeddings() -> None:
    found = TASK.score_dataset(_clips("aabb", _angles(0, 1, 90, 91)))
    assert found == {"equal_error_rate": 0.0, "min_dcf": 0.0}


def test_equal_embeddings_tell_nothing_apart() -> None:
    found = TASK.score_dataset(_clips("aabbc", _angles(0, 0, 0, 0, 0)))
    assert found == {"equal_error_rate": pytest.approx(0.5), "min_dcf": pytest.approx(1.0)}


@pytest.mark.parametrize(
    ("identities", "reason"),
    [
        ("a", "no two clips are of one identity"),
        ("abc", "no two clips are of one identity"),
        ("aaa", "no two clips are of different identities"),
    ],
)
def test_nothing_to_tell_apart(identities: str, reason: str) -> None:
    found = TASK.score_dataset(_clips(identities, _angles(*range(len(identities)))))
    assert found == dict.fromkeys(TASK.metrics, Absent(reason))


def test_a_clip_and_its_copy_make_no_trial() -> None:
    a, b, c = _clips("aab", _angles(0, 80, 10))
    # Of a and its copy, with another identity, no target trial is left.
    assert TASK.score_dataset([a, a, c])["equal_error_rate"] == Absent("no two clips are of one identity")
    # Whoever is drawn twice counts twice; the pair of both is not better for it.
    once, twice = TASK.score_dataset([a, b, c]), TASK.score_dataset([a, b, c, a, b, c])
    assert twice == once == {"equal_error_rate": 1.0, "min_dcf": 1.0}


@st.composite
def _datasets(draw: st.DrawFn) -> list[tuple[str, np.ndarray]]:
    count = draw(st.integers(3, 9))
    names = ["a", "a", "b", *draw(st.lists(st.sampled_from("abc"), min_size=count - 3, max_size=count - 3))]
    degrees = draw(st.lists(st.integers(0, 359), min_size=count, max_size=count))
    return _clips(names, _angles(*degrees))


@pytest.mark.slow
@settings(deadline=None)  # cores are shared
@given(_datasets(), st.lists(st.integers(0, 8), max_size=9), st.sampled_from([0.01, 0.3, 0.9]), st.randoms())
def test_scores_are_those_counted(pairs: Any, drawn: list[int], p_target: float, random: Any) -> None:
    task = Embedding(EmbeddingOptions(p_target=p_target))
    found = task.score_dataset(pairs)
    assert all(not isinstance(value, Absent) and -1e-9 <= value <= 1 + 1e-9 for value in found.values())
    likenesses = [float(a[1] @ b[1]) for a, b in itertools.combinations(pairs, 2)]
    if len({round(likeness, 9) for likeness in likenesses}) == len(set(likenesses)):  # equal or not, for both of us
        sample = [*pairs[:3], *(pairs[place % len(pairs)] for place in drawn)]
        assert task.score_dataset(sample) == pytest.approx(_count(sample, p_target))
    order = list(pairs)
    random.shuffle(order)
    assert Embedding(EmbeddingOptions(p_target=p_target)).score_dataset(order) == pytest.approx(found, abs=1e-9)


@pytest.mark.filterwarnings("default")
def test_the_curve_is_scikit_learns() -> None:
    sklearn = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed")
    from scipy.interpolate import interp1d
    from scipy.optimize import brentq

    random = np.random.default_rng(0)
    for _ in range(10):
        names = random.integers(0, 8, 40)
        pairs = _clips(names, random.normal(size=(8, 5))[names] + random.normal(size=(40, 5)))
        trials = [(a[0] == b[0], float(a[1] @ b[1])) for a, b in itertools.combinations(pairs, 2)]
        false, true, _ = sklearn.roc_curve(*zip(*trials, strict=True), drop_intermediate=False)
        found = TASK.score_dataset(pairs)
        rate = brentq(lambda x, curve: 1 - x - curve(x), 0, 1, args=(interp1d(false, true),))
        assert found["equal_error_rate"] == pytest.approx(rate, abs=1e-6)
        assert found["min_dcf"] == pytest.approx(((1 - true) + 99 * false).min())


def test_intervals_draw_identities() -> None:
    random = np.random.default_rng(0)
    names = np.repeat(np.arange(8), 4)
    pairs = _clips(names, random.normal(size=(8, 6))[names] + 0.7 * random.normal(size=(32, 6)))
    found = score_dataset(
        Embedding(EmbeddingOptions(p_target=0.3)), pairs, [TASK.group(name) for name, _ in pairs], basis="emulated"
    )
    for score in found.values():
        assert score.units == 8
        assert score.score.value is not None and score.score.low is not None and score.score.high is not None
        assert 0 <= score.score.low < score.score.value < score.score.high


def test_too_many_clips_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedding, "MOST_CLIPS", 2)
    with pytest.raises(EvaluationError, match="3 clips make too many pairs; right is at most 2 clips"):
        Embedding().score_dataset(_clips("aab", _angles(1, 2, 3)))


def test_a_det_curve_by_hand() -> None:
    # From the most alike down: b with b (10), a with b (20), a with b (30), a with a (45), and two more of others.
    charts = TASK.draw_dataset(_clips("abba", _angles(0, 20, 30, -45)))
    (curve,) = charts.curves
    assert (curve.across.scale, curve.upright.scale) == ("probit", "probit")
    assert curve.points == ((0.0, 1.0), (0.0, 0.5), (0.5, 0.5), (0.5, 0.0), (1.0, 0.0))
    equal, cheapest = curve.marks
    assert equal.at == (0.5, 0.5)
    # Of 0.01 targets a miss of 1/2 is the cheapest with no false accept.
    assert (cheapest.name, cheapest.at) == ("least cost, p_target 0.01", (0.0, 0.5))
    assert not any(mark.in_use for mark in curve.marks), "no threshold is in use"


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(4, 60), st.floats(0.01, 3))
def test_the_metrics_are_read_off_the_curve(seed: int, clips: int, noise: float) -> None:
    draws = np.random.default_rng(seed)
    names = draws.integers(0, 3, clips)
    names[:3] = [0, 0, 1]
    pairs = _clips(names, np.eye(4)[names] + noise * draws.normal(size=(clips, 4)))
    found = TASK.score_dataset(pairs)
    (curve,) = TASK.draw_dataset(pairs).curves
    across, upright = np.array(curve.points).T
    assert (np.diff(across) >= 0).all()
    assert (np.diff(upright) <= 0).all()
    assert find_equal(curve) == pytest.approx(found["equal_error_rate"], abs=1e-5)
    assert curve.marks[0].at == (pytest.approx(found["equal_error_rate"], abs=1e-6),) * 2
    assert (0.01 * upright + 0.99 * across).min() / 0.01 == pytest.approx(found["min_dcf"], abs=2e-4)
    assert curve.marks[1].at in curve.points


def test_without_trials_there_is_no_curve() -> None:
    assert TASK.draw_dataset(_clips("ab", _angles(0, 20))) == Charts()
    assert TASK.draw_dataset(_clips("aa", _angles(0, 20))) == Charts()
