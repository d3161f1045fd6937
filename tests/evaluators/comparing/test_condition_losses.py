"""Differences of differences: by hand, of planted bundles, and how often they cry wolf."""

from __future__ import annotations

import numpy as np
import pytest

from evaluators.comparing.condition_losses import (
    ClipPair,
    DatasetPair,
    adjust_losses,
    compare_clips,
    compare_dataset_scores,
    find_worst_clips,
)
from evaluators.comparing.dataset_scores import DatasetScore
from evaluators.evaluation import ExtraLoss
from evaluators.score import MetricInfo, Score

METRICS = {"f1": MetricInfo(unit="ratio", direction="higher", scope="clip")}


def make_score(value: float | None, direction: str = "higher") -> Score:
    reason = "nothing to score" if value is None else None
    return Score.model_validate(
        {"value": value, "unit": "ratio", "direction": direction, "basis": "emulated", "reason": reason}
    )


def make_pair(source: object, bundle: object, direction: str = "higher") -> ClipPair:
    sides = [[make_score(None if v is None else float(v), direction) for v in side] for side in (source, bundle)]  # type: ignore[attr-defined]
    return ClipPair(*sides)


def judge(losses: dict[tuple[str, str], ExtraLoss], tolerance: float = 0.0) -> dict[tuple[str, str], ExtraLoss]:
    metrics = {"f1": METRICS["f1"].model_copy(update={"tolerance": tolerance})}
    return {
        key: one["f1"]
        for key, one in adjust_losses({key: {"f1": loss} for key, loss in losses.items()}, metrics).items()
    }


def test_by_hand() -> None:
    clean = make_pair([0.9, 0.8, 0.7, None], [0.9, 0.7, 0.7, 0.5])
    here = make_pair([0.6, 0.5, 0.4, 0.3], [0.5, 0.2, 0.4, 0.1])
    found = compare_clips(clean, here)
    assert found.change.value == pytest.approx((-0.1 - 0.2 + 0) / 3)
    assert found.change.low is not None
    assert found.p_value is not None
    assert find_worst_clips(clean, here, 5) == (1, 0)
    assert find_worst_clips(clean, here, 1) == (1,)


def test_losing_alike_is_no_loss_however_much_it_is() -> None:
    random = np.random.default_rng(0)
    source = random.uniform(0.5, 1, 30)
    clean, here = make_pair(source, source - 0.1), make_pair(source * 0.3, source * 0.3 - 0.1)
    found = compare_clips(clean, here)
    assert found.change.value == 0
    assert found.p_value == 1
    assert find_worst_clips(clean, make_pair(source, source), 3) == ()


def test_nothing_to_compare_has_no_p_value() -> None:
    one = compare_clips(make_pair([0.5], [0.5]), make_pair([0.4], [0.1]))
    assert (one.change.value, one.p_value) == (pytest.approx(-0.3), None)
    none = compare_clips(make_pair([None, None], [0.5, 0.4]), make_pair([0.4, 0.2], [0.1, 0.1]))
    assert (none.change.value, none.p_value) == (None, None)
    assert none.change.reason is not None
    judged = judge({("a", "x"): one, ("a", "y"): none})
    assert [loss.loses_more for loss in judged.values()] == [False, False]


def test_a_planted_bundle_is_caught_here_and_not_by_its_clean_score() -> None:
    random = np.random.default_rng(7)
    source = random.beta(8, 2, 40)
    clean_bundle = source + random.normal(0, 0.002, 40)
    noisy = source - random.uniform(0.05, 0.3, 40)
    planted = noisy - random.uniform(0, 0.06, 40)
    clean = make_pair(source, clean_bundle)
    assert not judge({("planted", "clean"): compare_clips(make_pair(source, source), clean)})[
        "planted", "clean"
    ].loses_more
    losses = {("planted", f"other {n}"): compare_clips(clean, make_pair(noisy, noisy)) for n in range(5)}
    losses["planted", "10 dB"] = compare_clips(clean, make_pair(noisy, planted))
    judged = judge(losses)
    assert [key[1] for key, loss in judged.items() if loss.loses_more] == ["10 dB"]
    assert not judge(losses, tolerance=0.1)["planted", "10 dB"].loses_more


def test_where_lower_is_better_and_where_a_bundle_loses_less() -> None:
    random = np.random.default_rng(8)
    source = random.uniform(0.1, 0.2, 25)
    for sign, loses in ((1, True), (-1, False)):
        here = make_pair(source + 0.1, source + 0.1 + sign * random.uniform(0.02, 0.05, 25), "lower")
        (found,) = judge({("b", "c"): compare_clips(make_pair(source, source, "lower"), here)}).values()
        assert found.p_value is not None
        assert found.p_value < 0.001
        assert found.loses_more is loses


def test_holm_over_bundles_and_conditions() -> None:
    change = make_score(-0.1)
    raw = [0.04, 0.01, 0.03, None]
    losses = {("b", str(n)): ExtraLoss(change=change, p_value=p) for n, p in enumerate(raw)}
    judged = judge(losses)
    assert [loss.p_value for loss in judged.values()] == pytest.approx([0.06, 0.03, 0.06, None])
    assert [loss.loses_more for loss in judged.values()] == [False, True, False, False]


def test_groups_are_drawn_together() -> None:
    random = np.random.default_rng(9)
    source = random.uniform(0.4, 0.9, 40)
    drop = np.repeat(random.normal(0.01, 0.05, 4), 10)
    pairs = make_pair(source, source), make_pair(source, source - drop)
    alone, grouped = compare_clips(*pairs), compare_clips(*pairs, [str(n // 10) for n in range(40)])
    assert alone.p_value is not None
    assert grouped.p_value is not None
    assert grouped.p_value > alone.p_value


def test_a_metric_of_the_whole_dataset_is_compared_draw_by_draw() -> None:
    random = np.random.default_rng(10)
    drawn = random.normal(0, 0.05, 1000)

    def make(value: float, spread: float = 0.0) -> DatasetScore:
        own = value + drawn + random.normal(0, spread, 1000) if spread else value + drawn
        return DatasetScore(score=make_score(value), drawn=tuple(own), units=30)

    clean = DatasetPair(make(0.9), make(0.89))
    same = compare_dataset_scores(clean, DatasetPair(make(0.5), make(0.49)))
    assert same.change.value == pytest.approx(0, abs=1e-12)
    worse = compare_dataset_scores(clean, DatasetPair(make(0.5), make(0.4, 0.01)))
    assert worse.change.value == pytest.approx(-0.09)
    judged = judge(
        {("a", "x"): worse, ("b", "x"): compare_dataset_scores(clean, DatasetPair(make(0.5), make(0.489, 0.01)))}
    )
    assert [loss.loses_more for loss in judged.values()] == [True, False]


@pytest.mark.slow
def test_unchanged_bundles_are_seldom_accused() -> None:
    """Three bundles that depart from their source by chance alone, under four conditions: 200 evaluations."""
    random = np.random.default_rng(2026)
    alarms = 0
    for _ in range(200):
        losses = {}
        source = random.beta(8, 2, 24)
        noisy = [source - random.uniform(0, 0.3, 24) for _ in range(4)]
        for bundle in range(3):
            clean = make_pair(source, source + random.normal(0, 0.01, 24))
            for number, one in enumerate(noisy):
                here = make_pair(one, one + random.normal(0, 0.02, 24))
                losses[str(bundle), str(number)] = compare_clips(clean, here)
        alarms += any(loss.loses_more for loss in judge(losses).values())
    assert alarms <= 10
