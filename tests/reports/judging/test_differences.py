from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluators.evaluation import VariantResult
from evaluators.metrics import BUILT_IN
from evaluators.score import MetricInfo, Score
from reports.judging.differences import EXACT_DB, Difference, is_widened, subtract, subtract_clips
from tests.reports.example_evaluation import lower, predicted, ratio

PLAIN = MetricInfo(unit="ratio", direction="higher", scope="bundle")


def _with_clips(variant: VariantResult, values: list[float | None]) -> VariantResult:
    clips = []
    for clip, value in zip(variant.clips, values, strict=False):
        score = (
            ratio(value) if value is not None else ratio(0.5).model_copy(update={"value": None, "reason": "silence"})
        )
        clips.append(clip.model_copy(update={"scores": {"note_f1": score}}))
    return variant.model_copy(update={"clips": tuple(clips)})


def _subtract(
    before: VariantResult, after: VariantResult, groups: dict[str, str | None] | None = None
) -> Difference | None:
    return subtract_clips("note_f1", before, after, groups or {}, tolerance=0.0)


def test_a_change_that_all_clips_share_is_certain(evaluation: Any) -> None:
    variant = evaluation.variants[0]
    values = list(np.linspace(0.5, 0.9, 20))
    found = _subtract(_with_clips(variant, values), _with_clips(variant, [v - 0.02 for v in values]))
    assert found is not None
    assert found.score.value == pytest.approx(-0.02)
    assert found.score.high == pytest.approx(-0.02)
    assert found.p_value is not None
    assert found.p_value < 0.001


def test_a_change_that_clips_do_not_share_may_be_chance(evaluation: Any) -> None:
    variant, random = evaluation.variants[0], np.random.default_rng(3)
    values, noise = random.uniform(0.5, 0.9, 20), random.normal(0, 0.05, 20)
    found = _subtract(_with_clips(variant, list(values)), _with_clips(variant, list(values + noise)))
    assert found is not None
    assert found.p_value is not None
    assert found.p_value > 0.05
    assert found.score.low is not None
    assert found.score.low < 0 < (found.score.high or 0)


def test_only_clips_of_both_count(evaluation: Any) -> None:
    variant = evaluation.variants[0]
    found = _subtract(_with_clips(variant, [0.5, None, 0.7, 0.8]), _with_clips(variant, [0.4, 0.9, 0.6, 0.7]))
    assert found is not None
    assert found.score.value == pytest.approx(-0.1)
    assert subtract_clips("onset_f1", variant, variant, {}, tolerance=0.0) is None


def test_clips_of_one_speaker_are_drawn_together(evaluation: Any) -> None:
    """Twenty clips of two speakers are two draws, however sure the clips alone would be."""
    variant, values = evaluation.variants[0], list(np.linspace(0.5, 0.9, 20))
    changes = [-0.01 - 0.02 * (clip % 2) for clip in range(20)]
    after = [value + change for value, change in zip(values, changes, strict=True)]
    groups: dict[str, str | None] = {clip.clip: f"speaker {n % 2}" for n, clip in enumerate(variant.clips)}
    alone = _subtract(_with_clips(variant, values), _with_clips(variant, after))
    together = _subtract(_with_clips(variant, values), _with_clips(variant, after), groups)
    assert alone is not None
    assert together is not None
    assert together.score.value == alone.score.value == pytest.approx(-0.02)
    # Of two groups every end is one of the groups' own means.
    assert (together.score.low, together.score.high) == pytest.approx((-0.03, -0.01))
    assert (alone.p_value or 0) < 0.001 < 0.1 < (together.p_value or 0)


def test_a_prediction_errs_in_the_price_of_the_change() -> None:
    found = subtract(BUILT_IN["latency_ms"], predicted(20, "ms", 2.0), predicted(26, "ms", 1.5)).score
    assert (found.value, found.low, found.high) == pytest.approx((6, 3, 12))
    same = subtract(BUILT_IN["latency_ms"], predicted(20, "ms", 2.0), predicted(20, "ms", 2.0))
    assert (same.score.low, same.score.high, same.least) == (0, 0, 0)


def test_intervals_of_their_own_add_up_as_independent_errors() -> None:
    found = subtract(PLAIN, ratio(0.80, 0.03), ratio(0.85, 0.04)).score
    assert (found.low, found.high) == pytest.approx((0.0, 0.1))


@pytest.mark.parametrize(
    ("metric", "before", "after", "least", "tolerance"),
    [
        ("size_bytes", lower(1000, "bytes"), lower(1009, "bytes"), 9, 10),
        ("size_bytes", lower(1000, "bytes"), lower(980, "bytes"), -20, 10),
        ("peak_memory_bytes", lower(1000, "bytes"), lower(1500, "bytes"), 500, 100),
        ("snr_db", ratio(70, unit="db"), ratio(60, unit="db"), -10, 3),
        ("snr_db", ratio(130, unit="db"), ratio(EXACT_DB + 2, unit="db"), 0, 3),
        ("x", ratio(0.5), ratio(0.4), -0.1, 0),
    ],
)
def test_exact_numbers_have_a_tolerance(
    metric: str, before: Score, after: Score, least: float, tolerance: float
) -> None:
    found = subtract(BUILT_IN.get(metric, PLAIN), before, after)
    assert found.least == pytest.approx(least)
    assert found.tolerance == pytest.approx(tolerance)


@pytest.mark.parametrize(
    ("before", "after", "widened"),
    [
        (ratio(0.8, 0.02), ratio(0.8, 0.04), True),
        (ratio(0.8, 0.02), ratio(0.8, 0.025), False),
        (ratio(0.8), ratio(0.8, 0.5), False),
        (predicted(20, "ms", 1.3), predicted(200, "ms", 1.3), False),
        (predicted(20, "ms", 1.3), predicted(20, "ms", 2.5), True),
    ],
)
def test_a_wider_interval_is_seen(before: Score, after: Score, widened: bool) -> None:
    assert is_widened(before, after) == widened


@given(before=st.floats(0.1, 1e4), after=st.floats(0.1, 1e4), factor=st.floats(1.01, 4))
def test_a_predicted_change_never_changes_its_sign(before: float, after: float, factor: float) -> None:
    found = subtract(BUILT_IN["latency_ms"], predicted(before, "ms", factor), predicted(after, "ms", factor))
    assert found.least * (after - before) >= 0
    assert abs(found.least) <= abs(after - before)
