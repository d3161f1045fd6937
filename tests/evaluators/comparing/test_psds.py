from __future__ import annotations

import numpy as np
import pytest

from evaluators.comparing.psds import POINTS, SCENARIOS, THRESHOLDS, ByClass, ClipCounts, Counts, PsdsRules, count_clip
from evaluators.task import Absent
from tests.evaluators.comparing.psds_eval_numbers import RULES, SEEDS, Rows, draw_dataset

# What psds_eval 0.5.3 says, with pandas 2.3.3; psds_eval_numbers.py prints it.
PSDS_EVAL = {
    (1, "dcase_scenario1"): 0.21370141179615232,
    (1, "dcase_scenario2"): 0.5714285714285714,
    (1, "short curve"): 0.7483203898402564,
    (2, "dcase_scenario1"): 0.536435406365142,
    (2, "dcase_scenario2"): 0.571657532490365,
    (2, "short curve"): 0.967645239609647,
    (3, "dcase_scenario1"): 0.4122286884975523,
    (3, "dcase_scenario2"): 0.40008463492976054,
    (3, "short curve"): 0.8927246817539456,
}
PLAIN = PsdsRules()


def _by_class(rows: Rows) -> ByClass:
    return {column: tuple(sorted(row[:2] for row in rows if row[2] == column)) for column in {row[2] for row in rows}}


def _clips(seed: int, rules: PsdsRules) -> list[ClipCounts]:
    dataset = draw_dataset(seed)
    clips = zip(dataset.durations_s, dataset.labels, zip(*dataset.points, strict=True), strict=True)
    return [
        count_clip(_by_class(rows), duration_s, [_by_class(found) for found in points], dataset.classes, rules)
        for duration_s, rows, points in clips
    ]


def _score(labels: Rows, points: list[Rows], rules: PsdsRules = PLAIN, duration_s: float = 3600.0) -> float | Absent:
    points = points + points[-1:] * (POINTS - len(points))
    counted = count_clip(_by_class(labels), duration_s, [_by_class(found) for found in points], 3, rules)
    return Counts([counted]).score(np.ones(1), rules)


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("seed", SEEDS)
def test_scores_are_psds_evals(seed: int, name: str) -> None:
    rules = PsdsRules(**RULES[name])
    assert rules == SCENARIOS.get(name, rules)  # type: ignore[call-overload]
    assert Counts(_clips(seed, rules)).score(np.ones(6), rules) == pytest.approx(PSDS_EVAL[seed, name], abs=1e-12)


def test_thresholds_are_dcases() -> None:
    assert np.allclose(THRESHOLDS, np.arange(1 / (POINTS * 2), 1, 1 / POINTS), atol=1e-12, rtol=0)


def test_a_draw_is_the_dataset_of_its_clips() -> None:
    rules = SCENARIOS["dcase_scenario2"]
    drawn = np.array([2.0, 0, 1, 0, 0, 1])
    clips = _clips(2, rules)
    whole = Counts(clips)
    again = Counts([clip for clip, times in zip(clips, drawn, strict=True) for _ in range(int(times))])
    assert whole.score(drawn, rules) == pytest.approx(again.score(np.ones(4), rules), abs=1e-12)
    assert whole.score(drawn, rules) != pytest.approx(whole.score(np.ones(6), rules), abs=1e-3)


LABELS: Rows = [(10, 20, 0), (30, 50, 1)]
TIMID: Rows = [(10, 20, 0)]
BOLD: Rows = [*LABELS, *((100.0 + 10 * place, 105.0 + 10 * place, 0) for place in range(50))]


# By hand, of an hour in which class 0 and class 1 have an event each.
@pytest.mark.parametrize(
    ("points", "rules", "expected"),
    [
        ([LABELS], PLAIN, 1),
        ([[]], PLAIN, 0),
        ([TIMID], PLAIN, 0.5),  # a mean of 1 and 0
        ([TIMID], PsdsRules(alpha_st=1), 0),  # whose spread is 0.5
        ([[(10, 14.9, 0), (30, 50, 1)]], PLAIN, 0.5),  # less than half of the event is covered
        ([[(10, 15, 0), (30, 50, 1)]], PLAIN, 1),
        ([[(10, 12, 0), (14, 17, 0), (30, 50, 1)]], PLAIN, 1),  # two pieces cover it
        ([[(10, 31, 0), (30, 50, 1)]], PLAIN, 0.5),  # too little of the detection is an event
        # Class 0's event is found with nothing wrong, class 1's with 50 false ones of class 0, which are its own alone.
        ([TIMID, BOLD], PLAIN, 1),
        # Class 0's event is found only with 50 false ones an hour: half of the curve.
        ([[(30, 50, 1)], BOLD], PLAIN, 0.75),
        ([[(30, 50, 1)], BOLD], PsdsRules(max_efpr=200), 0.875),
        ([[(30, 50, 1)], BOLD], PsdsRules(max_efpr=50), 0.5),
        # A false one of class 0 in the event of class 1, 20 s of the hour: 1 and 180 cross-triggers an hour.
        ([[*LABELS, (35, 40, 0)]], PsdsRules(alpha_ct=0.1, max_efpr=100), (0.5 * 19 + 81) / 100),
        ([[*LABELS, (35, 40, 2)]], PsdsRules(alpha_ct=1), 1),  # there is no event of class 2
    ],
)
def test_by_hand(points: list[Rows], rules: PsdsRules, expected: float) -> None:
    assert _score(LABELS, points, rules) == pytest.approx(expected, abs=1e-12)


def test_one_class_has_no_cross_triggers_and_none_has_no_score() -> None:
    assert _score(TIMID, [[*TIMID, (30, 40, 0)]], PsdsRules(alpha_ct=1)) == pytest.approx(0.99)
    assert _score([], [TIMID]) == Absent("no labelled event")
