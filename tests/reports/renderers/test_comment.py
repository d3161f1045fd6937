from __future__ import annotations

import re

import pytest

from device_profiles.naming import marker_name
from evaluators.evaluation import Evaluation
from reports.judging.comparison import Comparison, compare
from reports.renderers.comment import MAX_BYTES, marker, render
from tests.reports.example_evaluation import HOSTILE


def many(evaluation: Evaluation, count: int, index: int = 4) -> Comparison:
    first = evaluation.variants[index].model_copy(update={"clips": (), "timing": None})
    variants = tuple(first.model_copy(update={"variant": f"coreml-{number}"}) for number in range(count))
    return compare(evaluation.model_copy(update={"variants": variants}))


def test_the_first_line_is_the_marker_that_ci_looks_for(comparison: Comparison) -> None:
    lines = render(comparison).splitlines()
    assert lines[0] == marker("basic-pitch") == "<!-- testpress: basic-pitch -->"
    assert lines[1] == "## ✗ Fail"


@pytest.mark.parametrize("name", ["--> <b>", "a--!>b", "a\nb", HOSTILE, "-", ">", "n" * 500, "@all #1"])
def test_no_name_closes_the_marker(evaluation: Evaluation, name: str) -> None:
    model = evaluation.model.model_copy(update={"name": name})
    text = render(compare(evaluation.model_copy(update={"model": model})))
    assert text.splitlines()[0] == f"<!-- testpress: {marker_name(name)} -->"
    assert text.count("<!--") == text.count("-->") == 1


def test_two_models_have_two_comments() -> None:
    assert len({marker(name) for name in ("a b", "a/b", "a-b", "日本", "音")}) == 5


def test_reasons_come_first_then_what_to_ship_then_the_folded_tables(comparison: Comparison) -> None:
    text = render(comparison)
    parts = ("\n- coreml-float16", "### Ship this", "What did not pass", "Bundles and phones", "\nMade ")
    places = [text.index(part) for part in parts]
    assert places == sorted(places)
    ship = text[places[1] : places[2]]
    assert ship.count("\n| ") == 2 + len(comparison.choices)
    failed = text[places[2] : places[3]]
    assert "✗ failed" in failed
    assert "✓ passed" not in failed
    matrix = text[places[3] : places[4]]
    assert matrix.count("\n| ") == 2 + len(comparison.rows)
    assert "\n\n|  | bundle" in matrix  # Markdown within HTML starts after an empty line
    assert text.count("<details>") == text.count("</details>") == 2


def test_a_good_evaluation_is_short(evaluation: Evaluation) -> None:
    report = compare(evaluation.model_copy(update={"variants": evaluation.variants[:1]}), budgets=())
    text = render(report)
    assert "What did not pass" not in text
    assert "Since the baseline" not in text


def test_what_changed_since_the_baseline_is_a_table(evaluation: Evaluation) -> None:
    variant = evaluation.variants[0]
    size = variant.scores["size_bytes"]
    bigger = size.model_copy(update={"value": (size.value or 0) * 2})
    new = variant.model_copy(update={"scores": {**variant.scores, "size_bytes": bigger}})
    text = render(compare(evaluation.model_copy(update={"variants": (new, *evaluation.variants[1:])}), evaluation))
    assert "| ▼ worse | tflite-float32 | size\\_bytes |" in text
    assert "### Since the baseline of 2026-11-23T09:30:00Z" in text


@pytest.mark.parametrize("limit", [40_000, 20_000, 8_000, 3_000, 1_200])
def test_the_matrix_goes_first_and_the_reasons_last(evaluation: Evaluation, limit: int) -> None:
    report = many(evaluation, 30)
    text = render(report, max_bytes=limit)
    assert len(text.encode()) <= limit
    reasons = text.count("\n- ")
    before, _, matrix_text = text.partition("Bundles and phones")
    failed, matrix = before.count("\n| ✗"), matrix_text.count("\n| ✗")
    if reasons < len(report.outcome.reasons):
        assert "more reasons: see report.html." in text
        assert failed == matrix == 0
    if matrix:
        assert failed == report.outcome.failed
    assert limit - len(text.encode()) < 800 or matrix == len(report.rows)  # no room is given away


@pytest.mark.parametrize("count", [1, 200, 1000])
def test_any_evaluation_fits_a_comment(evaluation: Evaluation, count: int) -> None:
    assert len(render(many(evaluation, count)).encode()) <= MAX_BYTES


def test_hostile_text_is_neither_markup_nor_a_mention(evaluation: Evaluation, hostile: Comparison) -> None:
    text = render(hostile)
    assert len(text.encode()) <= MAX_BYTES
    own = {"<!--", "<details>", "<summary>", "</summary>", "</details>"}
    assert set(re.findall(r"<[^ >]*>?", text)) <= own
    assert "](" not in re.sub(r"^`[^`]*`$", "", text, flags=re.MULTILINE).replace("\\](", "")
    failure = evaluation.variants[-1].failure
    assert failure is not None
    calling = evaluation.variants[-1].model_copy(
        update={"failure": failure.model_copy(update={"reason": "@octo/team #12 a@b"})}
    )
    text = render(compare(evaluation.model_copy(update={"variants": (calling,)})))
    assert not re.search(r"@\w|#\d", text)
    assert "@\u200bocto/team #\u200b12" in text
