from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from evaluators.evaluation import Evaluation
from reports.errors import ReportError
from reports.judging.acceptance import Acceptance, Entry, name_file, read_acceptance
from reports.judging.budgets import Budget
from reports.judging.comparison import Comparison, compare
from reports.judging.proposals import Wish, propose
from tests.reports.judging.test_regressions import GENEROUS, bend, forbid, lower_clips, scale_phone, scale_score

TODAY = dt.date(2027, 1, 15)


def accept(*entries: dict[str, object]) -> Acceptance:
    made = (Entry.model_validate({"why": "meant", **entry}) for entry in entries)
    return Acceptance(tuple(made), "testpress.accept.toml", TODAY)


def judge(now: Evaluation, before: Evaluation, *entries: dict[str, object]) -> Comparison:
    return compare(now, before, budgets=GENEROUS, acceptance=accept(*entries))


def broken(report: Comparison) -> list[str]:
    return [verdict.reason for verdict in report.verdicts if verdict.blocks and "baseline" in verdict.rule]


@pytest.fixture
def sound(evaluation: Evaluation) -> Evaluation:
    """Without bundles that fail by themselves."""
    chosen = [one for one in evaluation.variants[:5] if one.precision != "dynamic_wi8_afp32"]
    return evaluation.model_copy(update={"variants": tuple(chosen)})


LARGER = {"bundle": "tflite-float32", "metric": "size_bytes"}


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({**LARGER, "by": "5%"}, None),
        ({**LARGER, "by": "13kB"}, None),
        ({**LARGER, "by": 12326.0}, None),
        ({**LARGER, "by": "5%", "until": "2027-01-15"}, None),
        ({**LARGER, "by": "4%"}, "only 4% (9.86 kB) was accepted (meant), not 12.3 kB"),
        ({**LARGER, "by": "5%", "until": "2027-01-14"}, "it was accepted until 2027-01-14 only (meant)"),
        ({**LARGER, "bundle": "tflite-float16", "by": "5%"}, "247 kB before, 259 kB now: +12.3 kB, +5 %"),
        ({**LARGER, "by": "gone"}, "247 kB before, 259 kB now: +12.3 kB, +5 %"),
    ],
)
def test_a_number_is_accepted_up_to_its_limit_and_its_last_day(
    sound: Evaluation, entry: dict[str, object], said: str | None
) -> None:
    report = judge(bend(sound, scale_score("size_bytes", 1.05)), sound, entry)
    if said is None:
        assert (broken(report), report.outcome.status) == ([], "pass")
        until = f", until {entry['until']}" if "until" in entry else ""
        assert report.accepted == (f"tflite-float32 (size_bytes): accepted: meant{until}",)
        (verdict,) = [verdict for verdict in report.verdicts if verdict.accepted]
        assert verdict.reason.startswith(f"accepted: meant{until} (")
    else:
        (reason,) = broken(report)
        assert said in reason
        assert report.accepted == ()


def test_a_phone_of_many_is_accepted_alone_and_without_one_all_are(sound: Evaluation) -> None:
    slower = bend(sound, scale_phone("latency_ms", 1.4))
    entry = {"bundle": "tflite-float32", "metric": "latency_ms", "by": "45%"}
    assert len(broken(judge(slower, sound, {**entry, "phone": "pixel-8"}))) == 1
    report = judge(slower, sound, entry)
    assert broken(report) == []
    assert report.accepted == ("tflite-float32 (latency_ms on Pixel 8, latency_ms on Galaxy A14): accepted: meant",)


def test_what_is_gone_is_accepted_as_gone(sound: Evaluation) -> None:
    fewer = sound.model_copy(update={"variants": sound.variants[1:]})
    assert len(broken(judge(fewer, sound))) == 1
    assert broken(judge(fewer, sound, {"bundle": "tflite-float32", "by": "gone"})) == []
    no_phone = bend(sound, lambda one: one.model_copy(update={"devices": one.devices[:1]}))
    assert len(broken(judge(no_phone, sound))) == 1
    assert broken(judge(no_phone, sound, {"phone": "galaxy-a14", "by": "gone"})) == []
    assert len(broken(judge(no_phone, sound, {"phone": "pixel-8", "by": "gone"}))) == 1
    cannot = bend(sound, forbid)
    kept = [{"bundle": "tflite-float32", "phone": phone, "by": "gone"} for phone in ("pixel-8", "galaxy-a14")]
    assert broken(judge(cannot, sound, *kept)) == []


def swap(evaluation: Evaluation) -> Evaluation:
    """The first bundle under another name."""
    first = evaluation.variants[0].model_copy(update={"variant": "tflite-mixed_float16"})
    return evaluation.model_copy(update={"variants": (first, *evaluation.variants[1:])})


def test_a_bundle_that_was_replaced_needs_the_one_that_took_its_place(sound: Evaluation) -> None:
    entry = {"bundle": "tflite-float32", "replaced_by": "tflite-mixed_float16"}
    report = judge(swap(sound), sound, entry)
    assert (broken(report), report.outcome.status) == ([], "pass")
    assert report.accepted == (
        "tflite-float32 (no result any more): accepted: tflite-mixed_float16 takes its place; meant",
    )
    (reason,) = broken(judge(swap(sound), sound, {**entry, "replaced_by": "tflite-int4"}))
    assert "tflite-int4, which was to take its place, has no result here" in reason


def test_an_entry_that_matches_nothing_can_be_removed_and_fails_nothing(sound: Evaluation) -> None:
    report = judge(sound, sound, {**LARGER, "by": "5%"})
    assert report.outcome.status == "pass"
    assert report.removable == (
        "testpress.accept.toml: the entry for tflite-float32, size_bytes matches nothing any more and can be removed",
    )
    assert compare(sound, budgets=GENEROUS, acceptance=accept({**LARGER, "by": "5%"})).removable == ()


def test_a_broken_budget_against_the_baseline_can_be_accepted(sound: Evaluation) -> None:
    budget = Budget(metric="size_bytes", max_rise="3%", against="baseline")
    larger = bend(sound, scale_score("size_bytes", 1.05))
    entries = accept({**LARGER, "by": "5%"})
    assert compare(larger, sound, budgets=(budget,)).outcome.status == "fail"
    assert compare(larger, sound, budgets=(budget,), acceptance=entries).outcome.status == "pass"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('bundle = "b"\nwhy = "w"', "either by"),
        ('bundle = "b"\nby = "5%"\nwhy = "w"', "needs a metric"),
        ('metric = "m"\nby = "5%"\nwhy = "w"', "bundle is missing"),
        ('bundle = "b"\nmetric = "m"\nby = "-5%"\nwhy = "w"', "without its sign"),
        ('bundle = "b"\nmetric = "m"\nby = "5 apples"\nwhy = "w"', "unknown unit"),
        ('bundle = "b"\nby = "gone"\nwhy = " "', "why is empty"),
        ('bundle = "b"\nby = "gone"', "why: missing"),
        ('bundle = "b"\nby = "gone"\nwhy = "w"\nuntil = "soon"', "is no day"),
        ('bundle = "b"\nreplaced_by = "c"\nmetric = "m"\nwhy = "w"', "replaced_by is of a whole bundle"),
        ('bundel = "b"\nby = "gone"\nwhy = "w"', "did you mean 'bundle'"),
    ],
)
def test_faults_of_the_file_are_told_with_their_place(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "testpress.accept.toml"
    path.write_text(f'[[accept]]\nbundle = "a"\nby = "gone"\nwhy = "w"\n\n[[accept]]\n{text}\n')
    with pytest.raises(ReportError, match=message) as found:
        read_acceptance(path)
    assert str(found.value).startswith(f"{path}: accept[1]")


def test_a_toml_date_is_a_date(tmp_path: Path) -> None:
    path = tmp_path / "testpress.accept.toml"
    path.write_text('[[accept]]\nbundle = "a"\nby = "gone"\nwhy = "w"\nuntil = 2027-03-31\n')
    (entry,) = read_acceptance(path).entries
    assert (entry.until, entry.is_over(dt.date(2027, 3, 31)), entry.is_over(dt.date(2027, 4, 1))) == (
        "2027-03-31",
        False,
        True,
    )


def test_a_limit_in_the_wrong_unit_is_one_message(sound: Evaluation) -> None:
    with pytest.raises(ReportError, match="by = '5ms' is a time, but the metric's unit is bytes"):
        judge(bend(sound, scale_score("size_bytes", 1.05)), sound, {**LARGER, "by": "5ms"})


def test_files_stand_beside_their_recipes() -> None:
    assert name_file(Path("a/testpress.toml")) == Path("a/testpress.accept.toml")
    assert name_file(Path("digits.toml")) == Path("digits.accept.toml")


def make_worse(evaluation: Evaluation) -> Evaluation:
    """Larger, slower on two phones, less accurate; one bundle replaced, and a phone gone."""
    worse = bend(evaluation, scale_score("size_bytes", 1.0537), "tflite-float16")
    worse = bend(worse, scale_phone("latency_ms", 1.4), "tflite-float16")
    worse = bend(worse, lower_clips(0.0123), "coreml-float32")
    kept = tuple(
        one.model_copy(update={"devices": tuple(each for each in one.devices if each.device != "iphone-12")})
        for one in worse.variants
    )
    return swap(worse.model_copy(update={"variants": kept}))


def test_what_is_proposed_accepts_exactly_what_was_found(sound: Evaluation) -> None:
    now = make_worse(sound)
    wish = Wish(why="meant", until="2027-03-31", who="Ann")
    entries = propose(now, sound, GENEROUS, wish, accept())
    keys = {entry.key: entry.by or entry.replaced_by for entry in entries}
    assert keys == {
        ("tflite-float32", None, None): "tflite-mixed_float16",
        (None, None, "iphone-12"): "gone",
        ("coreml-float32", "note_f1", None): 0.0123,
        ("tflite-float16", "size_bytes", None): "5.371%",
        ("tflite-float16", "latency_ms", "pixel-8"): "40%",
        ("tflite-float16", "latency_ms", "galaxy-a14"): "40%",
    }
    report = compare(now, sound, budgets=GENEROUS, acceptance=Acceptance(entries, today=TODAY))
    assert (broken(report), report.outcome.status) == ([], "pass")
    assert propose(now, sound, GENEROUS, wish, Acceptance(entries, today=TODAY)) == ()


@pytest.mark.parametrize(
    ("wish", "keys"),
    [
        (Wish("w", bundles=("tflite-float32",)), [("tflite-float32", None, None)]),
        (Wish("w", metrics=("size_bytes",)), [("tflite-float16", "size_bytes", None)]),
        (Wish("w", metrics=("latency_ms",), by="50%"), [("tflite-float16", "latency_ms", None)]),
        (
            Wish("w", metrics=("latency_ms",), phones=("pixel-8",), by="50%"),
            [("tflite-float16", "latency_ms", "pixel-8")],
        ),
        (
            Wish("w", bundles=("coreml-float32",), metrics=("note_f1",), by="0.02"),
            [("coreml-float32", "note_f1", None)],
        ),
        (Wish("w", phones=("iphone-12",), by="gone"), [(None, None, "iphone-12")]),
    ],
)
def test_a_wish_names_what_is_accepted(sound: Evaluation, wish: Wish, keys: list[tuple[str | None, ...]]) -> None:
    assert [entry.key for entry in propose(make_worse(sound), sound, GENEROUS, wish, accept())] == keys


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        (Wish("w", bundles=("tflite-float61",)), "did you mean 'tflite-float16'"),
        (Wish("w", metrics=("size_bytes",), bundles=("coreml-float32",)), "worse are: "),
        (Wish("w", metrics=("size_bytes",), by="1%"), "only 1% .* was accepted"),
        (Wish("w", metrics=("size_bytes",), by="gone"), "has a number still"),
        (Wish("w", bundles=("tflite-float32",), by="5%"), "right is --by gone"),
        (Wish("w", metrics=("size_bytes",), by="much"), "is not a number"),
        (Wish("w", until="2027-02-30"), "is no day"),
    ],
)
def test_a_wish_that_cannot_be_is_one_message(sound: Evaluation, wish: Wish, message: str) -> None:
    with pytest.raises(ReportError, match=message):
        propose(make_worse(sound), sound, GENEROUS, wish, accept())


def test_three_causes_are_three_lines(sound: Evaluation) -> None:
    worse = bend(sound, scale_score("size_bytes", 1.3), "tflite-float16")
    worse = bend(worse, scale_score("compressed_bytes", 1.3), "tflite-float16")
    worse = bend(worse, lower_clips(0.05), "coreml-float32")
    now = worse.model_copy(update={"variants": worse.variants[1:]})
    reasons = judge(now, sound).outcome.reasons
    assert [reason.partition(":")[0] for reason in reasons] == ["coreml-float32", "tflite-float32", "tflite-float16"]
    assert "size_bytes" in reasons[2]
    assert "compressed_bytes" in reasons[2]
    assert len(broken(judge(now, sound))) > 3


def test_a_phone_that_no_bundle_has_any_more_is_one_line(sound: Evaluation) -> None:
    fewer = tuple(one.model_copy(update={"devices": one.devices[:1]}) for one in sound.variants)
    reasons = judge(sound.model_copy(update={"variants": fewer}), sound).outcome.reasons
    assert len(reasons) == 2  # one for each phone
    assert all("only the baseline has this phone" in reason for reason in reasons)
    assert reasons[0].startswith("tflite-float32 on Galaxy A14, tflite-float16 on Galaxy A14: ")
