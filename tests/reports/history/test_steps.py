from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import mannwhitneyu

from benchmarks.history_steps import AT, make_history, name
from reports.history.runs import Run
from reports.history.steps import _sum_tails, find_levels
from reports.history.trends import find_trends


def test_the_step_is_found_named_and_alone(runs: list[Run]) -> None:
    ((trend, step),) = find_trends(runs).found
    assert (trend.bundle, trend.phone_name, trend.metric) == ("tflite-float16", "Pixel 8", "latency_ms")
    assert (step.at, step.after_run, step.commit) == (20, 19, f"{20:040x}"[:12])
    assert step.change == pytest.approx(0.08)
    assert (step.state, step.p_value, step.within_intervals) == ("worse", None, True)
    assert step.changed_too == ()


def test_what_else_changed_in_the_run_is_said(runs: list[Run]) -> None:
    after = [run.model_copy(update={"dataset_sha256": "f" * 64, "testpress_version": "9"}) for run in runs[20:]]
    ((_, step),) = find_trends([*runs[:20], *after]).found
    assert step.changed_too == ("other clips", f"testpress {runs[0].testpress_version} → 9")


def test_times_of_other_machines_are_other_trends(runs: list[Run]) -> None:
    moved = [run.model_copy(update={"machine": "another"}) for run in runs[15:]]
    trends = find_trends([*runs[:15], *moved]).trends
    timed = [t for t in trends if t.metric == "host_latency_p50_ms" and t.bundle == "tflite-float16"]
    assert sorted(len(trend.points) for trend in timed) == [15, 15]


@pytest.mark.parametrize("seed", range(2))
def test_in_noise_the_right_number_is_found(seed: int) -> None:
    random = np.random.default_rng(seed)
    history, there = make_history(random, "all noisy", stepped=True)
    ((trend, step),) = history.found
    assert name(trend) == there
    assert abs(step.at - AT) <= 2


def test_without_a_step_there_is_no_alarm() -> None:
    for seed in range(2):
        history, _ = make_history(np.random.default_rng(seed), "repeating", stepped=False)
        assert history.found == []


def levels(values: list[float], *, computed: bool = True) -> list[tuple[int, float, float]]:
    (found,) = find_levels([(values, computed)])
    return [(level.at, level.before, level.after) for level in found]


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ([1.0] * 10, []),
        ([1.0] * 8 + [2.0] * 2, [(8, 1.0, 2.0)]),
        ([1.0] * 9 + [2.0], []),  # one run may be an accident
        ([1.0] * 5 + [2.0] + [1.0] * 5, []),
        ([1.0] * 5 + [2.0] * 5 + [1.0] * 5, [(5, 1.0, 2.0), (10, 2.0, 1.0)]),
        ([1.0] * 8 + [1.004] * 4, []),  # too small
        ([0.0] * 8 + [0.1] * 4, [(8, 0.0, 0.1)]),
        ([1.0, 2.0], []),
        ([1.0], []),
    ],
)
def test_a_number_that_repeats_steps_where_its_level_lasts(values: list[float], found: list[object]) -> None:
    assert levels(values) == found


def test_an_outlier_is_no_step_and_hides_none() -> None:
    random = np.random.default_rng(3)
    values = list(100 + random.normal(size=30))
    values[7], values[12] = 140.0, 150.0
    assert levels(values, computed=False) == []
    stepped = [value + 8 * (place >= 20) for place, value in enumerate(values)]
    ((at, before, after),) = levels(stepped, computed=False)
    assert at == 20
    assert after - before == pytest.approx(8, abs=1)


def test_two_steps_of_a_noisy_number_are_both_found() -> None:
    random = np.random.default_rng(4)
    values = 100 + random.normal(size=60) + np.repeat([0.0, 8.0, 20.0], 20)
    assert [at for at, _, _ in levels(list(values), computed=False)] == [20, 40]


def test_long_histories_are_tested_too() -> None:
    random = np.random.default_rng(5)
    values = 100 + random.normal(size=200) + 4 * (np.arange(200) >= 150)
    ((at, _, _),) = levels(list(values), computed=False)
    assert abs(at - 150) <= 2
    assert levels(list(100 + random.normal(size=200)), computed=False) == []


@pytest.mark.parametrize("size", [3, 5, 8])
def test_the_exact_tails_are_those_of_the_rank_sum(size: int) -> None:
    """With ranks as scores the distribution is Mann and Whitney's, which scipy has."""
    values = np.random.default_rng(size).permutation(12) + 1
    lower, upper = _sum_tails(tuple(sorted(int(value) for value in values)))
    total = int(values[:size].sum())
    expected = mannwhitneyu(values[:size], values[size:], method="exact").pvalue
    assert min(1.0, 2 * min(lower[size, total], upper[size, total])) == pytest.approx(expected)
