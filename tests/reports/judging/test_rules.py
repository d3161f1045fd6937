from __future__ import annotations

import pytest

from evaluators.score import Score
from reports.judging.rules import judge_bound, judge_change


def score(value: float, low: float | None = None, high: float | None = None, **more: str) -> Score:
    fields = {"unit": "ms", "direction": "lower", "basis": "predicted", **more}
    confidence = None if low is None else 0.8
    return Score.model_validate({"value": value, "low": low, "high": high, "confidence": confidence, **fields})


@pytest.mark.parametrize(
    ("found", "bound", "upper", "holds", "margin"),
    [
        (score(50), 60, True, True, 10),
        (score(60), 60, True, True, 0),
        (score(61), 60, True, False, -1),
        (score(50, 40, 62), 60, True, False, -2),  # by the high end, though the value is within
        (score(50, 40, 60), 60, True, True, 0),
        (score(50), 40, False, True, 10),
        (score(50, 38, 70), 40, False, False, -2),  # by the low end
    ],
)
def test_bounds_are_judged_by_the_far_end(found: Score, bound: float, upper: bool, holds: bool, margin: float) -> None:
    judgement = judge_bound(found, bound, upper=upper)
    assert (judgement.holds, judgement.margin) == (holds, margin)


def test_a_bounds_sentence_names_basis_and_end() -> None:
    assert judge_bound(score(50, 40, 72), 60, upper=True).reason == (
        "72.0 ms (predicted, high end of the 80 % interval) is 12.0 ms over the limit of 60 ms"
    )
    assert judge_bound(score(60), 60, upper=True).reason == "60.0 ms (predicted) is exactly the limit"
    assert judge_bound(score(30), 40, upper=False, detail="output note").reason == (
        "30.0 ms (output note, predicted) is 10.0 ms under the least allowed of 40 ms"
    )


@pytest.mark.parametrize(
    ("value", "low", "high", "direction", "holds", "margin"),
    [
        (-0.005, -0.0125, 0.0025, "higher", False, -0.0025),  # the interval does not exclude a drop of 0.0125
        (-0.005, -0.01, 0.0, "higher", True, 0.0),
        (-0.005, -0.0075, 0.0, "higher", True, 0.0025),
        (0.02, 0.01, 0.03, "higher", True, 0.02),
        (0.005, -0.0025, 0.0125, "lower", False, -0.0025),  # a rise is what hurts here
        (0.005, 0.0, 0.0075, "lower", True, 0.0025),
        (-0.05, -0.06, -0.04, "lower", True, 0.05),
    ],
)
def test_changes_hold_when_the_interval_excludes_a_larger_one(
    value: float, low: float, high: float, direction: str, holds: bool, margin: float
) -> None:
    difference = score(value, low, high, unit="ratio", direction=direction, basis="emulated")
    judgement = judge_change(difference, 0.01)
    assert judgement.holds is holds
    assert judgement.margin == pytest.approx(margin, abs=1e-12)


def test_a_changes_sentence_names_the_interval() -> None:
    worse = score(-0.005, -0.012, 0.002, unit="ratio", direction="higher", basis="emulated")
    assert judge_change(worse, 0.01).reason == (
        "a drop of up to 0.012 cannot be excluded (80 % interval −0.012 to +0.002, emulated); 0.01 is allowed"
    )
    better = score(0.02, 0.01, 0.03, unit="ratio", direction="higher", basis="emulated")
    assert judge_change(better, 0.01).reason.startswith("no drop (80 % interval +0.010 to +0.030")
