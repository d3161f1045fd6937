"""What cores say of a bundle on a phone, as verdicts, causes and text."""

from __future__ import annotations

from typing import Any

import pytest

from evaluators.core_records import CoreResult, Flips, NotFinite, OpDeparture, OpTrace
from evaluators.evaluation import Evaluation
from evaluators.score import Score
from evaluators.target_records import Failure, OutputParity, Target
from reports.judging.comparison import compare
from reports.judging.cores import RULE, describe_flips
from reports.page.cores import list_cores
from reports.page.sections import make_keys
from reports.renderers.junit import render
from tests.reports.example_evaluation import make_evaluation

A76 = Target(name="arm_cortex_a76", runtime="LiteRT", version="LiteRT 2.3.0 on QEMU 7.2", core="Cortex-A76")


def _parity(error: float) -> tuple[OutputParity, ...]:
    def score(value: float | None, unit: str, direction: Any) -> Score:
        reason = "identical" if value is None else None
        return Score(value=value, unit=unit, direction=direction, basis="emulated", reason=reason)

    snr = score(90.0 if error else None, "db", "higher")
    off, cosine = score(error, "dimensionless", "lower"), score(1.0, "dimensionless", "higher")
    return (OutputParity(output="note", snr_db=snr, max_abs_error=off, cosine=cosine),)


def _core(**changes: Any) -> CoreResult:
    given = {
        "target": A76,
        "windows": (0, 3),
        "n_windows": 90,
        "parity": _parity(1e-7),
        "flips": Flips(decisions=40, gained=0, lost=0),
        "counts_reason": "no C compiler",
    }
    return CoreResult(**{**given, **changes})


def _evaluation(core: CoreResult) -> tuple[Evaluation, str, str]:
    """The example with the core on the first TFLite bundle that has a phone."""
    evaluation = make_evaluation()
    row = next(one for one in evaluation.variants if one.format == "tflite" and one.failure is None and one.devices)
    first, *others = row.devices
    first = first.model_copy(update={"cores": ("arm_cortex_a76",), "runs": True})
    changed = row.model_copy(update={"cores": (core,), "devices": (first, *others)})
    rows = tuple(changed if one.variant == row.variant else one for one in evaluation.variants)
    return evaluation.model_copy(update={"variants": rows}), row.variant, first.device


NAN = NotFinite(output="note", windows=2, values=9)
LOG = OpDeparture(op="LOG", tensor="model/log")


@pytest.mark.parametrize(
    ("changes", "status", "reason"),
    [
        ({}, "passed", "Cortex-A76: 2 of 90 windows: at most 1.00e-7 off"),
        ({"parity": _parity(0.0)}, "passed", "Cortex-A76: 2 of 90 windows: the same bits"),
        ({"flips": Flips(decisions=200, gained=1, lost=1)}, "passed", "Cortex-A76: 2 of 90 windows"),
        (
            {"flips": Flips(decisions=40, gained=1, lost=2, examples=("a.wav: + C4",))},
            "warned",
            "Cortex-A76: 1 gained and 2 lost of 40 decisions, for example a.wav: + C4",
        ),
        (
            {"parity": (), "not_finite": (NAN,), "flips": None, "flips_reason": "x"},
            "failed",
            "Cortex-A76: note is not finite there, and finite here",
        ),
        (
            {"parity": (), "not_finite": (NAN,), "trace": OpTrace(window=0, first_not_finite=LOG)},
            "failed",
            "Cortex-A76: note is not finite there, and finite here; it starts at LOG, which makes model/log",
        ),
        (
            {"parity": (), "flips": None, "failure": Failure(stage="evaluate", reason="crashed (signal SIGSEGV)")},
            "failed",
            "Cortex-A76: it does not run there: crashed (signal SIGSEGV)",
        ),
    ],
)
def test_a_core_is_a_verdict_of_its_phone(changes: dict[str, Any], status: str, reason: str) -> None:
    evaluation, variant, device = _evaluation(_core(**changes))
    report = compare(evaluation)
    (verdict,) = [one for one in report.verdicts if one.rule == RULE]
    assert (verdict.variant, verdict.device, verdict.status) == (variant, device, status)
    assert verdict.reason.startswith(reason)
    assert verdict.blocks == (status == "failed")
    junit = render(report)
    assert ("not finite there" in junit) == ("not_finite" in changes)
    section = list_cores(evaluation, None, make_keys(evaluation))
    assert section is not None and [line.core for line in section.lines] == ["Cortex-A76"]
    chosen = {choice.device: choice.variant for choice in report.choices if choice.format == "tflite"}
    assert status != "failed" or chosen[device] != variant


def test_without_cores_nothing_is_said_but_why() -> None:
    evaluation = make_evaluation()
    assert list_cores(evaluation, None, {}) is None
    told = evaluation.model_copy(update={"cores_reason": "not set up"})
    section = list_cores(told, None, {})
    assert section is not None and (section.lines, section.reason) == ((), "not set up")


def test_flips_that_were_not_counted_say_why() -> None:
    assert (
        describe_flips(_core(flips=None, flips_reason="the task takes no decisions")) == "the task takes no decisions"
    )
