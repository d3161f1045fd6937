from __future__ import annotations

from pathlib import Path

import pytest

from evaluators.evaluation import Evaluation
from evaluators.score import Score
from reports.judging.comparison import Comparison, compare
from reports.page.html import render
from reports.page.matrix import list_bundles, list_matrix, list_placements
from reports.page.sections import make_keys
from reports.renderers.markdown import render as render_markdown
from tests.reports.large_evaluation import enlarge


def _matrix(report: Comparison):  # type: ignore[no-untyped-def]
    return list_matrix(report, list_bundles(report, make_keys(report.evaluation)))


def test_there_is_a_line_for_each_bundle_and_phone(comparison: Comparison) -> None:
    matrix = _matrix(comparison)
    found = [(line.block.variant.variant, line.row.device) for line in matrix.lines]
    expected = [
        (variant.variant, result.device) for variant in comparison.evaluation.variants for result in variant.devices
    ]
    assert found == expected
    assert (matrix.left_out, matrix.brief) == (0, False)
    assert matrix.bases == {
        "main": "emulated",
        "error": "emulated",
        "latency": "predicted",
        "memory": "predicted",
        "size": "measured_host",
    }


def test_a_bundle_without_phones_has_a_line_too(evaluation: Evaluation) -> None:
    bare = evaluation.variants[0].model_copy(update={"devices": ()})
    (line,) = _matrix(compare(evaluation.model_copy(update={"variants": (bare,)}))).lines
    assert (line.result, line.row.device, line.unit) == (None, None, "")


@pytest.mark.slow
def test_too_many_lines_leave_out_some_of_the_best(evaluation: Evaluation, tmp_path: Path) -> None:
    report = compare(enlarge(evaluation, tmp_path, (60, 24, 12)))
    matrix = _matrix(report)
    assert (len(matrix.lines), matrix.left_out, matrix.brief) == (1200, 240, True)
    fine = ("passed", "not_applicable")
    broken = sum(row.status not in fine for row in report.rows)
    assert sum(line.row.status not in fine for line in matrix.lines) == min(broken, 1200)


@pytest.mark.slow
def test_the_largest_page_stays_small(evaluation: Evaluation, tmp_path: Path) -> None:
    text = render(compare(enlarge(evaluation, tmp_path, (50, 24, 200))))
    assert len(text.encode()) < 1_500_000
    assert "more clips, all with smaller losses, stand in evaluation.json" in text
    assert "none of them worse, stand in the table of bundles and phones" in text
    assert "smaller departures stand in evaluation.json" in text
    assert "42 more stand in evaluation.json" in text  # bundles without a column in the table of clips


def test_phones_with_the_same_place_and_reason_share_a_line(evaluation: Evaluation) -> None:
    first, second = evaluation.variants[4].devices
    moved = second.model_copy(update={"compute_unit": "cpu", "placement_reason": "the phone has no Neural Engine"})
    variant = evaluation.variants[4].model_copy(update={"devices": (first, moved)})
    keys = make_keys(evaluation)
    apart = list_placements(evaluation.model_copy(update={"variants": (variant,)}), keys)
    assert [(line.unit, len(line.phones), line.first, line.lines) for line in apart] == [
        ("NPU", 1, True, 2),
        ("CPU", 1, False, 2),
    ]
    together = list_placements(evaluation.model_copy(update={"variants": evaluation.variants[4:5]}), keys)
    assert [len(line.phones) for line in together] == [2]


def test_a_measured_time_stands_beside_the_predicted_one(evaluation: Evaluation) -> None:
    first = evaluation.variants[0]
    measured = Score(value=7.89, unit="ms", direction="lower", basis="measured_device")
    phone = first.devices[0].model_copy(update={"scores": {**first.devices[0].scores, "measured_latency_ms": measured}})
    bundle = first.model_copy(update={"devices": (phone, *first.devices[1:])})
    report = compare(evaluation.model_copy(update={"variants": (bundle, *evaluation.variants[1:])}))
    page = render(report)
    assert page.count("7.89 ms ■ measured on a phone") == 1
    assert "measured on a physical phone" in page  # the legend
    assert render_markdown(report).count("| 7.89 ms, measured on a phone; ") == 1
