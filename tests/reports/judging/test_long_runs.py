"""What a long run says, and what of it speaks against a bundle."""

from __future__ import annotations

import json

import pytest

from device_profiles.record import dump_json
from evaluators.evaluation import Evaluation
from evaluators.long_run_records import AfterSilence, LongRun, Repeat
from reports.judging.budgets import Budget
from reports.judging.comparison import compare
from reports.judging.long_runs import (
    RULE,
    describe_decisions,
    describe_growth,
    describe_repeats,
    describe_silence,
    find_faults,
    summarize,
)
from reports.judging.verdicts import judge
from tests.reports.example_evaluation import make_evaluation
from tests.reports.example_long_runs import BROKEN, DRIFTER, make_long_runs, make_run, number


@pytest.fixture
def evaluation() -> Evaluation:
    return make_long_runs(make_evaluation())


def test_a_run_without_a_fault_is_told_in_plain_words() -> None:
    run = make_run()
    assert find_faults(run) == []
    assert describe_growth(run.outputs[0]) == "does not grow, +0.0100 dB a minute (95 %: −0.0500 to +0.0700 dB)"
    assert describe_silence(run) == "back after 1.25 s"
    assert describe_repeats(run) == "the same bits, 2 ways"
    assert describe_decisions(run) == (
        "in the same frame as its source, the latest by +96.0 ms (31 decisions; 1 of its source's missing)"
    )


def test_each_fault_is_a_sentence() -> None:
    silence = AfterSilence(silence_s=10.0, loss=number(30.0, "db", "lower"))
    repeats = (
        Repeat(name="after a reset", windows=20, max_abs_error=0.0),
        Repeat(name="in pieces of 160 samples", windows=20, max_abs_error=0.25),
        Repeat(name="in pieces of 4096 samples", windows=20, max_abs_error=None, reason="a value is not finite"),
    )
    assert find_faults(make_run(drifts=True, silence=silence, repeats=repeats)) == [
        "the error of output speech grows by 7.20 dB a minute (95 %: +7.14 to +7.26 dB)",
        "after 10 s of silence it does not come back to what its source gives",
        "heard again in pieces of 160 samples, its start is not the same, by up to 0.250",
        "heard again in pieces of 4096 samples, its start is not the same, (a value is not finite)",
        "it decides 64.0 ms (2 frames) later than its source (median of 31)",
    ]


def test_a_reset_that_is_none_is_told_alone() -> None:
    names = ("after a reset", "in pieces of 160 samples")
    repeats = tuple(Repeat(name=name, windows=20, max_abs_error=0.5) for name in names)
    (fault,) = find_faults(make_run(repeats=repeats))
    assert fault.startswith("heard again after a reset")


def test_a_bundle_is_not_blamed_for_what_its_source_does() -> None:
    silence = AfterSilence(silence_s=10.0, loss=number(0.0, "db", "lower"), stuck="so", source_stuck="so")
    assert find_faults(make_run(silence=silence)) == []
    assert describe_silence(make_run(silence=silence)) == "hangs: so; its source hangs too: so"


def test_a_long_run_warns_and_does_not_block(evaluation: Evaluation) -> None:
    found = {verdict.variant: verdict for verdict in judge(evaluation, ()) if verdict.rule == RULE}
    assert (found[DRIFTER].status, found[DRIFTER].level, found[DRIFTER].blocks) == ("warned", "warn", False)
    assert found[BROKEN].reason == "the long run has no result: the worker was killed"
    assert {name for name, verdict in found.items() if verdict.status == "passed"} == set(found) - {DRIFTER, BROKEN}
    assert summarize(evaluation).startswith(f"{DRIFTER}: the error of output speech grows by 7.20 dB a minute")


@pytest.mark.parametrize(
    ("metric", "limit", "broken"),
    [
        ("long_run_growth_db_per_minute", "0.1dB", {DRIFTER}),
        ("decision_delay_ms", "32ms", {DRIFTER}),
        ("repeat_max_abs_error", 0, set()),
    ],
)
def test_budgets_name_its_numbers(evaluation: Evaluation, metric: str, limit: float | str, broken: set[str]) -> None:
    budget = Budget(metric=metric, max=limit)
    found = [verdict for verdict in judge(evaluation, (budget,)) if verdict.rule == budget.text]
    failed = {verdict.variant for verdict in found if verdict.status == "failed"}
    assert failed == broken
    (missing,) = (verdict for verdict in found if verdict.variant == BROKEN)
    assert (missing.status, missing.reason) == ("error", "it has no value: the worker was killed")


def test_identical_output_keeps_any_budget(evaluation: Evaluation) -> None:
    same = make_run().outputs[0].snr.model_copy(update={"value": None, "reason": "identical"})
    first = evaluation.variants[0]
    changed = first.model_copy(update={"scores": {**first.scores, "long_run_snr_db": same}})
    budget = Budget(metric="long_run_snr_db", min=100)
    verdicts = judge(evaluation.model_copy(update={"variants": (changed,)}), (budget,))
    (found,) = (verdict for verdict in verdicts if verdict.rule == budget.text)
    assert (found.status, found.reason) == ("passed", "identical to the source model's")


def test_its_numbers_are_compared_with_a_baselines(evaluation: Evaluation) -> None:
    before = evaluation.model_copy(
        update={
            "variants": tuple(
                one.model_copy(update={"scores": {**one.scores, "decision_delay_ms": number(0.0, "ms", "lower")}})
                for one in evaluation.variants
            )
        }
    )
    changes = compare(evaluation, before).changes
    (worse,) = (one for one in changes if one.metric == "decision_delay_ms" and one.state == "worse")
    assert worse.variant == DRIFTER


def test_it_is_the_same_after_writing_and_reading(evaluation: Evaluation) -> None:
    assert Evaluation.model_validate_json(dump_json(evaluation)) == evaluation


@pytest.mark.parametrize(
    "change", [{"plan": None}, {"outputs": 2}, {"plan": {"round_windows": 1000}}], ids=["no plan", "twice", "too long"]
)
def test_a_run_that_cannot_be_is_refused(change: dict[str, object]) -> None:
    data = json.loads(dump_json(make_run()))
    if change == {"outputs": 2}:
        change = {"outputs": data["outputs"] * 2}
    elif change["plan"] is not None:
        change = {"plan": {**data["plan"], "round_windows": 1000}}
    with pytest.raises(ValueError, match="long run"):
        LongRun.model_validate_json(json.dumps({**data, **change}))
