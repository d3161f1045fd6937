from __future__ import annotations

import pytest

from evaluators.evaluation import Evaluation
from evaluators.score import Score
from reports.judging.budgets import Budget
from reports.judging.comparison import Comparison, compare
from reports.renderers.shipping import describe_line, format_share, format_speed, list_ship_lines
from reports.renderers.summary import find_main_metric


def _ratio(value: float | None) -> Score:
    reason = None if value is not None else "silence"
    return Score(value=value, unit="ratio", direction="lower", basis="predicted", reason=reason)


@pytest.mark.parametrize(
    ("factor", "words"),
    [
        (0.05, "20 times"),
        (2.0, "0.5 times"),
        (1 / 253.4, "253 times"),
        (1e-4, "10\u202f000 times"),
        (None, ""),
        (0, ""),
    ],
)
def test_a_real_time_factor_is_how_many_times_faster(factor: float | None, words: str) -> None:
    assert format_speed(_ratio(factor)) == words
    assert format_speed(None) == ""


def test_a_share_is_in_per_cent_and_an_absence_has_its_reason() -> None:
    assert [format_share(_ratio(value)) for value in (1.0, 0.786, 0.0, None)] == [
        "100 %",
        "78.6 %",
        "0 %",
        "none: silence",
    ]
    assert format_share(None) == ""


def test_lines_hold_the_numbers_of_the_chosen_bundle_on_that_phone(comparison: Comparison) -> None:
    main = find_main_metric(comparison)
    assert main is not None
    lines = list_ship_lines(comparison)
    assert [line.choice for line in lines] == list(comparison.choices)
    variants = {variant.variant: variant for variant in comparison.evaluation.variants}
    chosen = [line for line in lines if line.choice.variant is not None]
    assert chosen
    for line in chosen:
        variant = variants[line.choice.variant or ""]
        (result,) = (one for one in variant.devices if one.device == line.choice.device)
        assert line.size == variant.scores["size_bytes"]
        assert line.real_time == result.scores["real_time_factor"]
        words = describe_line(line, main)
        assert words.startswith(variant.variant)
        assert f"{main} " in words
        assert "real time" in words


def test_a_phone_without_a_bundle_says_why(evaluation: Evaluation) -> None:
    report = compare(evaluation, budgets=(Budget(metric="size_bytes", max=1),))
    words = {describe_line(line, None).partition(":")[0] for line in list_ship_lines(report)}
    assert words == {"nothing"}
