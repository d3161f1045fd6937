"""Metrics of all clips at once: their intervals against those of means, and against what can be counted by hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from evaluators.comparing.dataset_scores import RESAMPLES, DatasetScore, score_dataset, subtract
from evaluators.comparing.statistics import bootstrap, paired_bootstrap
from evaluators.errors import EvaluationError
from evaluators.task import Absent, Found, Metric, Task


class _Mean(Task):
    """A mean, said as a metric of the dataset: its interval is known from `bootstrap`."""

    metrics = {"mean": Metric("ratio", "higher", "The mean.", "dataset")}

    def score_dataset(self, pairs: Sequence[tuple[Any, Any]]) -> Found:
        return {"mean": float(np.mean([estimate for _, estimate in pairs]))}


class _Rate(Task):
    """Errors over words: `(words, errors)` a clip."""

    metrics = {"rate": Metric("ratio", "lower", "Errors over words.", "dataset")}

    def score_dataset(self, pairs: Sequence[tuple[Any, Any]]) -> Found:
        words = sum(words for words, _ in pairs)
        return {"rate": sum(errors for _, errors in pairs) / words if words else Absent("no word")}


def _score(task: Task, pairs: Sequence[tuple[Any, Any]], groups: Sequence[str | None] | None = None) -> DatasetScore:
    (found,) = score_dataset(task, pairs, groups or [None] * len(pairs), basis="emulated").values()
    return found


def test_a_mean_has_the_interval_of_a_mean() -> None:
    random = np.random.default_rng(5)
    before, after = random.uniform(0, 1, (2, 30))
    source, variant = (_score(_Mean(), [(None, value) for value in values]) for values in (before, after))
    expected = bootstrap(after, resamples=RESAMPLES)
    assert (variant.score.value, variant.score.low, variant.score.high) == pytest.approx(
        (expected.mean, expected.low, expected.high), abs=1e-6
    )
    paired = paired_bootstrap(before, after, resamples=RESAMPLES)
    found = subtract(source, variant)
    assert (found.value, found.low, found.high) == pytest.approx((paired.mean, paired.low, paired.high), abs=1e-6)
    assert found.confidence == 0.95


def test_groups_are_those_of_a_mean_too() -> None:
    values, groups = np.random.default_rng(5).uniform(0, 1, 30), [f"speaker {n % 7}" for n in range(30)]
    expected = bootstrap(values, resamples=RESAMPLES, groups=groups)
    found = _score(_Mean(), [(None, value) for value in values], groups).score
    assert (found.value, found.low, found.high) == pytest.approx((expected.mean, expected.low, expected.high), abs=1e-6)


def test_a_rate_is_of_all_words_not_a_mean_of_rates() -> None:
    found = _score(_Rate(), [(10, 1), (30, 9)]).score
    assert found.value == 10 / 40  # a mean of the clips' rates would be 0.2
    # Two clips are drawn as (a, a), (a, b) or (b, b): for two the ends are the least and the greatest.
    assert (found.low, found.high) == (0.1, 0.3)


def test_clips_of_a_speaker_stay_together() -> None:
    pairs, groups = [(10, 1), (10, 3), (10, 5), (10, 7)], ["a", "a", "b", "b"]
    found = _score(_Rate(), pairs, groups)
    assert found.units == 2
    assert (found.score.value, found.score.low, found.score.high) == (0.4, 0.2, 0.6)
    assert set(found.drawn) == {0.2, 0.4, 0.6}


def test_the_same_errors_on_the_same_clips_are_no_difference() -> None:
    """However wide both intervals are, the draws are the same."""
    pairs = [(10, errors) for errors in (0, 9, 1, 8, 2, 7)]
    source, variant = _score(_Rate(), pairs), _score(_Rate(), [(words, errors + 1) for words, errors in pairs])
    assert source.score.high is not None
    assert source.score.low is not None
    assert source.score.high - source.score.low > 0.3
    assert subtract(source, source).model_dump(include={"value", "low", "high"}) == {"value": 0, "low": 0, "high": 0}
    found = subtract(source, variant)
    assert (found.value, found.low, found.high) == pytest.approx((0.1, 0.1, 0.1))


def test_one_clip_has_no_interval() -> None:
    found = _score(_Rate(), [(10, 1)])
    assert (found.score.value, found.score.low, found.drawn) == (0.1, None, ())
    assert subtract(found, found).low is None
    assert _score(_Rate(), [(10, 1), (10, 5)], ["a", "a"]).score.low is None


def test_draws_without_a_number_are_left_out() -> None:
    found = _score(_Rate(), [(0, 0), (10, 2)])
    assert found.score.value == 0.2
    assert set(found.drawn) == {None, 0.2}
    nothing = _score(_Rate(), [(0, 0), (0, 0)])
    assert (nothing.score.value, nothing.score.reason, nothing.score.low) == (None, "no word", None)
    gone = subtract(found, nothing)
    assert (gone.value, gone.reason, gone.low) == (None, "no word", None)
    assert subtract(nothing, found).reason == "no word"


def test_a_task_that_gives_other_metrics() -> None:
    class Other(_Rate):
        def score_dataset(self, pairs: Sequence[tuple[Any, Any]]) -> Found:
            return {"ratio": float(len(pairs))}

    with pytest.raises(EvaluationError, match=r"Other.score_dataset returned ratio; right are .*: rate"):
        _score(Other(), [(1, 1)])
