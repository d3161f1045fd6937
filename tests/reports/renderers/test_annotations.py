from __future__ import annotations

import re

import pytest

from device_profiles.text import clean_text
from evaluators.evaluation import Evaluation
from reports.judging.budgets import Budget
from reports.judging.comparison import Comparison, compare
from reports.renderers.annotations import MOST, annotate
from tests.reports.example_evaluation import HOSTILE

_LINE = re.compile(r"::(?P<kind>error|warning|notice) (?P<properties>[^:\r\n]+)::(?P<message>[^\r\n]*)")


def read(line: str) -> tuple[str, dict[str, str], str]:
    """What GitHub's runner makes of a line."""
    found = _LINE.fullmatch(line)
    assert found is not None, line
    pairs = dict(pair.split("=", 1) for pair in found["properties"].split(","))
    return found["kind"], {name: unescape(value) for name, value in pairs.items()}, unescape(found["message"])


def unescape(text: str) -> str:
    for code, sign in (("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%")):
        text = text.replace(code, sign)
    return text


def kinds(lines: tuple[str, ...]) -> list[str]:
    return [read(line)[0] for line in lines]


def test_what_blocks_is_an_error_at_the_recipe(comparison: Comparison) -> None:
    lines = annotate(comparison, file="examples/a,b/testpress.toml")
    found = [read(line) for line in lines]
    errors = [(properties, message) for kind, properties, message in found if kind == "error"]
    assert all(properties["file"] == "examples/a,b/testpress.toml" for properties, _ in errors)
    assert errors[0][0]["title"] == "tflite-dynamic_wi8_afp32"
    assert errors[0][1].startswith("note_f1 at most 0.01 below the source model: a drop of up to 0.01")
    assert any(message.startswith("has a result: packaging it failed: ") for _, message in errors)
    assert [message for kind, _, message in found if kind == "notice"] == [
        "Fail: 7 failed, 6 not judged, 53 passed, 1 not applicable"
    ]


def test_a_pass_is_one_notice(evaluation: Evaluation) -> None:
    good = evaluation.model_copy(update={"variants": evaluation.variants[:1]})
    report = compare(good, budgets=(Budget(metric="size_bytes", max="1MB"),))
    (line,) = annotate(report)
    assert line == "::notice title=testpress%3A basic-pitch 0.4.0::Pass: 3 passed"


def test_a_broken_warning_and_a_worse_number_warn(evaluation: Evaluation) -> None:
    old = evaluation.model_copy(update={"variants": evaluation.variants[:1]})
    size = old.variants[0].scores["size_bytes"].model_copy(update={"value": 1e6})
    variant = old.variants[0].model_copy(update={"scores": {**old.variants[0].scores, "size_bytes": size}})
    budgets = (Budget(metric="size_bytes", max=1, level="warn"),)
    lines = annotate(compare(old.model_copy(update={"variants": (variant,)}), old, budgets=budgets))
    assert kinds(lines)[-3:] == ["error", "warning", "notice"]  # the worse number once, by its verdict
    assert "no worse than the baseline: size_bytes: 247 kB before, 1.00 MB now" in lines[-3]


def test_a_verdict_without_a_budget_is_never_silent(evaluation: Evaluation) -> None:
    assert kinds(annotate(compare(evaluation.model_copy(update={"variants": ()}), budgets=()))) == [
        "error",
        "error",
        "notice",
    ]
    unjudged = compare(evaluation.model_copy(update={"variants": evaluation.variants[:1]}), budgets=())
    assert kinds(annotate(unjudged)) == ["warning", "notice"]


@pytest.mark.parametrize("count", [9, 10, 11, 300])
def test_ten_of_a_kind_and_the_last_says_how_many_more(evaluation: Evaluation, count: int) -> None:
    failed = evaluation.variants[-1]
    variants = tuple(failed.model_copy(update={"variant": f"v{number}"}) for number in range(count))
    lines = annotate(compare(evaluation.model_copy(update={"variants": variants}), budgets=()))
    errors = [line for line in lines if line.startswith("::error ")]
    assert len(errors) == min(count, MOST)
    assert errors[-1].endswith(f"::{count - 9} more of this kind: see report.html") == (count > MOST)


@pytest.mark.parametrize("text", ["a\n::error::b", "a\r\n::set-output name=x::y", "100%0A", "a:b,c=d", HOSTILE])
def test_no_text_becomes_a_command_of_its_own(evaluation: Evaluation, text: str) -> None:
    failed = evaluation.variants[-1]
    assert failed.failure is not None
    variant = failed.model_copy(update={"variant": text, "failure": failed.failure.model_copy(update={"reason": text})})
    lines = annotate(compare(evaluation.model_copy(update={"variants": (variant,)}), budgets=()), file=text)
    assert all("\n" not in line and "\r" not in line and "\x00" not in line for line in lines)
    assert {read(line)[1]["file"] for line in lines} == {clean_text(text)}
