from __future__ import annotations

import re
import shlex

import pytest

from evaluators.evaluation import Evaluation
from evaluators.score import Score
from reports.judging.comparison import Comparison, compare
from reports.renderers.openmetrics import render
from tests.reports.example_evaluation import lower, ratio

parser = pytest.importorskip("prometheus_client.openmetrics.parser")


def families(text: str) -> dict[str, object]:
    found = list(parser.text_string_to_metric_families(text))
    return {family.name: family for family in found}


def with_variant(evaluation: Evaluation, **changes: object) -> Comparison:
    variant = evaluation.variants[1].model_copy(update=changes)
    return compare(evaluation.model_copy(update={"variants": (variant,)}), budgets=())


def test_every_number_with_a_value_is_a_sample(comparison: Comparison) -> None:
    found = families(render(comparison))
    for variant in comparison.evaluation.variants:
        if variant.failure is None:
            f1 = {s.labels["bundle"]: s.value for s in found["testpress_note_f1_ratio"].samples}
            assert f1[variant.variant] == pytest.approx(variant.scores["note_f1"].value)
    assert "tflite-static_wi8_ai8" not in render(comparison)
    samples = sum(len(family.samples) for family in found.values())
    scores = sum(
        len(v.scores) + len(v.differences) + 3 + 2 + sum(len(d.scores) for d in v.devices)
        for v in comparison.evaluation.variants
        if v.failure is None
    )
    assert samples == scores


def test_families_are_named_by_base_units(comparison: Comparison) -> None:
    found = families(render(comparison))
    assert {name: family.unit for name, family in found.items()} == {
        "testpress_compressed_bytes": "bytes",
        "testpress_cosine": "",
        "testpress_host_latency_p50_seconds": "seconds",
        "testpress_host_latency_p90_seconds": "seconds",
        "testpress_latency_p90_seconds": "seconds",
        "testpress_latency_seconds": "seconds",
        "testpress_max_abs_error": "",
        "testpress_memory_bytes": "bytes",
        "testpress_note_f1_difference_ratio": "ratio",
        "testpress_note_f1_ratio": "ratio",
        "testpress_note_precision_ratio": "ratio",
        "testpress_note_recall_ratio": "ratio",
        "testpress_peak_memory_bytes": "bytes",
        "testpress_real_time_factor_ratio": "ratio",
        "testpress_size_bytes": "bytes",
        "testpress_snr_decibels": "decibels",
    }
    assert {family.type for family in found.values()} == {"gauge"}


def test_a_number_of_a_phone_says_which_and_what_it_rests_on(comparison: Comparison) -> None:
    (sample,) = (
        sample
        for sample in families(render(comparison))["testpress_latency_seconds"].samples
        if (sample.labels["bundle"], sample.labels["phone"]) == ("coreml-float16", "iphone-12")
    )
    assert sample.labels == {
        "model": "basic-pitch",
        "bundle": "coreml-float16",
        "phone": "iphone-12",
        "precision": "float16",
        "basis": "predicted",
    }
    assert sample.value == pytest.approx(66.5 * 0.42 / 1000)


def test_what_has_no_value_is_left_out(evaluation: Evaluation) -> None:
    absent = ratio(0.5).model_copy(update={"value": None, "reason": "no notes to find"})
    report = with_variant(evaluation, scores={"note_f1": absent}, differences={}, parity=(), timing=None, devices=())
    assert render(report) == "# EOF\n"


def test_hostile_names_are_escaped(hostile: Comparison) -> None:
    bundles = {s.labels["bundle"] for family in families(render(hostile)).values() for s in family.samples}
    assert len(bundles) == 7
    assert any("<img src=x onerror=alert(1)>" in bundle for bundle in bundles)


@pytest.mark.parametrize("name", ['a"b', "a\\", "a\nb", 'a",phone="x', "\\n", "a # b", "}", "", "é 音", "a\r\x85b"])
def test_any_name_can_be_read_back(evaluation: Evaluation, name: str) -> None:
    text = render(with_variant(evaluation, variant=name, precision=name))
    labels = [s.labels for family in families(text).values() for s in family.samples]
    shown = re.sub("[\r\x85]", "\ufffd", name.replace("#", "_"))
    assert {label["bundle"] for label in labels} == {label["precision"] for label in labels} == {shown}


@pytest.mark.parametrize("name", ['a"b', "a\\", "a # b", "it's", "a b", "\\n"])
def test_gitlab_reads_every_line(evaluation: Evaluation, name: str) -> None:
    """GitLab: `name, *values = line.gsub(/#.*$/, '').shellsplit`; one line that fails spoils the file."""
    text = render(with_variant(evaluation, variant=name))
    found = [shlex.split(re.sub("#.*$", "", line)) for line in text.splitlines()]
    samples = [words for words in found if words]
    assert all(len(words) == 2 for words in samples)
    assert len({words[0] for words in samples}) == len(samples)
    assert all(float(words[1]) is not None for words in samples)


def test_names_that_become_one_stay_two(evaluation: Evaluation) -> None:
    scores = {"é": ratio(0.25), "ü": ratio(0.75)}
    twins = with_variant(evaluation, scores=scores, differences={}, parity=(), timing=None, devices=())
    (family,) = families(render(twins)).values()
    assert {sample.labels["metric"]: sample.value for sample in family.samples} == {"é": 0.25, "ü": 0.75}
    first = twins.evaluation.variants[0].model_copy(update={"scores": {"f1": ratio(0.5)}, "variant": "a#"})
    second = first.model_copy(update={"variant": "a_"})
    report = compare(twins.evaluation.model_copy(update={"variants": (first, second)}), budgets=())
    (family,) = families(render(report)).values()
    assert [sample.labels["bundle"] for sample in family.samples] == ["a_", "a_ (2)"]


@pytest.mark.parametrize(
    ("scores", "names"),
    [
        (
            {"a": ratio(0.5), "a_ratio": lower(1, "dimensionless")},
            {"testpress_a_ratio": 1.0, "testpress_a_2_ratio": 0.5},
        ),
        (
            {"a": lower(1, "s"), "a_seconds": lower(2, "dimensionless"), "a_2": lower(3, "s")},
            {"testpress_a_seconds": 2.0, "testpress_a_2_seconds": 3.0, "testpress_a_3_seconds": 1.0},
        ),
    ],
)
def test_families_of_one_name_stay_two(
    evaluation: Evaluation, scores: dict[str, Score], names: dict[str, float]
) -> None:
    bare = with_variant(evaluation, scores=scores, differences={}, parity=(), timing=None, devices=())
    assert {name: family.samples[0].value for name, family in families(render(bare)).items()} == names
