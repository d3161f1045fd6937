from __future__ import annotations

import re
from pathlib import Path

import pytest

from evaluators.evaluation import Evaluation
from reports.judging.comparison import Comparison, compare
from reports.renderers.markdown import MAX_BYTES, render
from tests.reports.example_evaluation import ratio

GOLDEN = Path(__file__).parents[1] / "golden" / "report.md"


def test_the_golden_comparison_renders_as_stored(small: Comparison) -> None:
    assert render(small) == GOLDEN.read_text(encoding="utf-8")


def test_hostile_names_neither_break_the_table_nor_become_markup(hostile: Comparison) -> None:
    text = render(hostile)
    assert "<" not in text.replace("&lt;", "")
    outside_code = re.sub(r"^`[^`]*`$", "", text, flags=re.MULTILINE)
    assert "](" not in outside_code.replace("\\](", "")
    assert "\u202e" not in text
    assert "\x00" not in text
    width = {}
    for line in text.splitlines():
        if line.startswith("|"):
            cells = len(re.findall(r"(?<!\\)\|", line))
            width.setdefault(cells, line)
    assert set(width) == {5, 8, 9}  # budgets, what to ship, bundles and phones


@pytest.mark.parametrize("limit", [20_000, 8_000, 3_000])
def test_rows_are_left_out_with_a_note_until_it_fits(comparison: Comparison, limit: int) -> None:
    whole = render(comparison)
    text = render(comparison, max_bytes=limit)
    assert len(text.encode()) <= limit
    assert text.startswith("# ✗ Fail")
    assert ("more rows: see report.html." in text) == (len(whole.encode()) > limit)


@pytest.mark.slow
def test_a_summary_of_thousands_of_bundles_fits(evaluation: Evaluation) -> None:
    first = evaluation.variants[1].model_copy(update={"clips": (), "timing": None})
    many = tuple(first.model_copy(update={"variant": f"tflite-{number}"}) for number in range(800))
    report = compare(evaluation.model_copy(update={"variants": many}))
    assert len(render(report).encode()) <= MAX_BYTES


def test_an_absent_score_shows_its_reason(evaluation: Evaluation) -> None:
    absent = ratio(0.5).model_copy(update={"value": None, "reason": "no notes to find"})
    variant = evaluation.variants[0].model_copy(update={"scores": {"note_f1": absent}})
    report = compare(evaluation.model_copy(update={"variants": (variant,)}), budgets=())
    assert "none: no notes to find" in render(report)


def test_what_changed_since_the_baseline_is_a_table(evaluation: Evaluation) -> None:
    variant = evaluation.variants[0]
    size = variant.scores["size_bytes"]
    scores = {**variant.scores, "size_bytes": size.model_copy(update={"value": (size.value or 0) / 2})}
    smaller = (variant.model_copy(update={"scores": scores}), *evaluation.variants[1:])
    text = render(compare(evaluation.model_copy(update={"variants": smaller}), evaluation))
    assert "| ▲ better | tflite-float32 | size\\_bytes | 247 kB before, 123 kB now: −123 kB, −50 % |" in text
    assert "Since the baseline" not in render(compare(evaluation, evaluation))


def test_reasons_stay_when_rows_must_go(comparison: Comparison) -> None:
    text = render(comparison, max_bytes=3_000)
    assert text.count("\n- ") == len(comparison.outcome.reasons)
    assert "## Bundles and phones" in text
