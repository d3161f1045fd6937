from __future__ import annotations

import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from device_profiles.profile import read_profile
from evaluators.drift_records import Drift
from evaluators.playing.candidates import Candidate, from_path
from evaluators.playing.predictions import Prediction, PredictionRequest, predict
from evaluators.playing.schedule import Outcome, TrialSetup, _trial_request
from evaluators.playing.trial import WARMUP_CALLS, TimingResult, TrialResult, play
from evaluators.results import Context, Trials, source_result, variant_result
from evaluators.target_records import Failure
from packager.model import ModelSource, ModelSpec
from tests.benches import AUDIO, TASK_INFO, make_bench, write_model
from tests.reports.example_charts import make_charts

pytestmark = pytest.mark.tflite

TIMES_NS = tuple(range(1_000_000, 11_000_001, 1_000_000))
"""1 ms to 11 ms: the median is 6 ms, the 90th percentile 10 ms"""


@pytest.fixture(scope="module")
def setup(tmp_path_factory: pytest.TempPathFactory) -> TrialSetup:
    return make_bench(tmp_path_factory.mktemp("setup"))


@pytest.fixture(scope="module")
def model(setup: TrialSetup) -> Path:
    return write_model(setup.out / "m.tflite", onset=(1.0, 0.25))


def _trial(setup: TrialSetup, model: Path | None) -> TrialResult:
    *_, last = play(_trial_request(model, setup).model_dump(mode="json"))
    return TrialResult.model_validate(last["result"], strict=False)


@pytest.fixture(scope="module")
def trial(setup: TrialSetup, model: Path) -> TrialResult:
    return _trial(setup, model)


@pytest.fixture(scope="module")
def context(setup: TrialSetup) -> Context:
    spec = ModelSpec(name="m", version="1", license="Apache-2.0", source="m", outputs=setup.outputs)
    trial, groups = _trial(setup, None), (None,) * len(setup.clips)
    model = ModelSource(spec=spec, path=Path("m"), framework="tensorflow", sha256="1" * 64)
    return Context(source_result(model, trial, TASK_INFO, groups), trial, TASK_INFO, groups, setup.out)


def _trials(
    played: Outcome,
    *,
    timed: Outcome | None = None,
    drift: Outcome | None = None,
    predicted: Outcome | None = None,
) -> Trials:
    return Trials(
        {"m.tflite": played},
        {"m.tflite": timed} if timed else {},
        {"m.tflite": drift} if drift else {},
        {"m.tflite": predicted} if predicted else {},
    )


def _prediction(model: Path) -> Outcome:
    request = PredictionRequest(model=str(model), precision=None, audio=AUDIO, devices=(read_profile("pixel-8"),))
    (event,) = predict({"requests": [request.model_dump(mode="json")]})
    return Outcome(Prediction.model_validate(event["result"], strict=False))


def test_a_bundle_is_held_against_its_source_and_the_source_against_nothing(
    setup: TrialSetup, trial: TrialResult, context: Context, model: Path
) -> None:
    row = variant_result(from_path(model), _trials(Outcome(trial)), context)
    assert {*TASK_INFO.metrics, *TASK_INFO.agreements, "clips_not_worse"} <= set(row.scores)
    assert not {*TASK_INFO.agreements, "clips_not_worse"} & {*context.source.scores, *row.differences}
    assert [row.scores[name].value for name in (*TASK_INFO.agreements, "clips_not_worse")] == [1.0, 1.0, 1.0]


def test_a_bundle_that_finds_nothing_agrees_with_no_source_that_does(
    setup: TrialSetup, context: Context, model: Path
) -> None:
    deaf = _trial(setup, write_model(setup.out / "deaf.tflite", note=(0.0, 0.0), onset=(0.0, 0.0)))
    row = variant_result(from_path(model), _trials(Outcome(deaf)), context)
    for name in TASK_INFO.agreements:
        values = [clip.scores[name].value for clip in deaf.clips]
        assert 0.0 in values
        assert row.scores[name].value == 0.0


@pytest.mark.slow
def test_the_sources_scores_are_means_over_clips(context: Context, setup: TrialSetup) -> None:
    trial = _trial(setup, None)
    assert context.source.clips == trial.clips
    assert list(context.source.scores) == list(TASK_INFO.metrics)
    for metric, score in context.source.scores.items():
        values = [clip.scores[metric].value for clip in trial.clips]
        present = [value for value in values if value is not None]
        assert score.value == (pytest.approx(np.mean(present)) if present else None)


def test_a_row_holds_all_that_was_found(trial: TrialResult, context: Context, model: Path) -> None:
    timing = Outcome(TimingResult(threads=1, samples_ns=TIMES_NS, peak_memory_bytes=12345, machine="a machine"))
    charts = make_charts(0.4, ("dog", "cat"))
    played = Outcome(trial.model_copy(update={"charts": charts}))
    row = variant_result(from_path(model), _trials(played, timed=timing, predicted=_prediction(model)), context)
    assert row.charts == charts
    assert (row.variant, row.origin, row.format, row.path) == ("m.tflite", "file", "tflite", "m.tflite")
    assert row.failure is None
    assert row.parity == trial.parity
    assert row.clips == trial.clips
    assert row.timing is not None
    assert (row.timing.p50_ms.value, row.timing.p90_ms.value) == (6.0, 10.0)
    assert (row.timing.samples_ns, row.timing.warmup_calls) == (TIMES_NS, WARMUP_CALLS)
    assert row.scores["peak_memory_bytes"].value == 12345
    assert row.scores["size_bytes"].value == model.stat().st_size
    assert row.scores["compressed_bytes"].value == len(zlib.compress(model.read_bytes(), 9))
    assert [device.device for device in row.devices] == ["pixel-8"]
    assert row.floor is not None
    assert row.floor.minimum_runtime is not None
    assert row.precision == "float32"  # told from the graph
    assert row.notices[0] == f"run by {trial.runtime}"


def test_differences_are_variant_minus_source(trial: TrialResult, context: Context, model: Path) -> None:
    row = variant_result(from_path(model), _trials(Outcome(trial)), context)
    assert set(row.differences) == set(TASK_INFO.metrics)
    for metric, difference in row.differences.items():
        pairs = [
            (mine.scores[metric].value, its.scores[metric].value)
            for mine, its in zip(trial.clips, context.source.clips, strict=True)
        ]
        both = [mine - its for mine, its in pairs if mine is not None and its is not None]
        assert difference.value == (pytest.approx(np.mean(both)) if both else None)
        assert difference.value is not None or difference.reason


def test_what_was_not_timed_has_no_times_but_a_reason(trial: TrialResult, context: Context, model: Path) -> None:
    for timed in (Outcome(None, "took longer than 10 s"), None):
        row = variant_result(from_path(model), _trials(Outcome(trial), timed=timed), context)
        assert row.timing is None
        assert "peak_memory_bytes" not in row.scores
        assert f"not timed: {timed.reason if timed else 'was not run'}" in row.notices


def test_drift_is_taken_over_or_its_absence_said(trial: TrialResult, context: Context, model: Path) -> None:
    drift = Drift(
        reference="coreml-float32", output_error=0.1, first_op="a", worst_op="b", explanation="because", steps=()
    )
    row = variant_result(from_path(model), _trials(Outcome(trial), drift=Outcome(drift)), context)
    assert row.drift == drift
    row = variant_result(from_path(model), _trials(Outcome(trial), drift=Outcome(None, "crashed")), context)
    assert row.drift is None
    assert "drift not located: crashed" in row.notices
    row = variant_result(from_path(model), _trials(Outcome(trial)), context)
    assert not [notice for notice in row.notices if "drift" in notice]


def test_a_play_that_failed_is_a_row_with_its_reason(context: Context, model: Path) -> None:
    outcome = Outcome(None, "the worker was ended by SIGSEGV", context.out / "logs" / "play-m.log")
    row = variant_result(from_path(model), _trials(outcome), context)
    assert row.failure == Failure(stage="evaluate", reason="the worker was ended by SIGSEGV", log="logs/play-m.log")
    assert (row.scores, row.differences, row.devices, row.parity) == ({}, {}, (), ())


def test_what_was_never_packaged_is_a_row_too(context: Context) -> None:
    failure = Failure(stage="package", reason="no such op", log=None)
    candidate = Candidate("coreml-float16", "bundle", None, "coreml", "float16", "", failure)
    row = variant_result(candidate, Trials({}, {}, {}, {}), context)
    assert (row.failure, row.path, row.precision) == (failure, "bundles/coreml-float16", "float16")


def test_a_bundles_precision_is_its_manifests(trial: TrialResult, context: Context, model: Path) -> None:
    candidate = replace(from_path(model), origin="bundle", precision="dynamic_wi8_afp32")
    assert variant_result(candidate, _trials(Outcome(trial)), context).precision == "dynamic_wi8_afp32"


def test_a_path_outside_the_output_folder_shows_its_name_alone(
    trial: TrialResult, context: Context, tmp_path: Path
) -> None:
    """A report that is passed on should not tell where somebody keeps files."""
    row = variant_result(from_path(write_model(tmp_path / "m.tflite")), _trials(Outcome(trial)), context)
    assert row.path == "m.tflite"


@pytest.mark.parametrize(
    ("origin", "format_", "precision", "told"),
    [
        ("bundle", "coreml", "float16", True),
        ("bundle", "coreml", "float32", False),
        ("bundle", "tflite", "float16", False),
        ("file", "coreml", None, False),
    ],
)
def test_drift_that_has_nothing_to_be_told_beside_says_so(
    origin: Any, format_: Any, precision: str | None, told: bool, trial: TrialResult, context: Context, model: Path
) -> None:
    candidate = replace(from_path(model), origin=origin, format=format_, precision=precision)
    notices = variant_result(candidate, _trials(Outcome(trial)), context).notices
    assert ("drift not located: it is told beside coreml-float32; name float32 in variants.coreml" in notices) is told


def test_a_graph_that_cannot_be_read_leaves_the_scores(trial: TrialResult, context: Context, model: Path) -> None:
    outcome = Outcome(None, "damaged TFLite model")
    row = variant_result(from_path(model), _trials(Outcome(trial), predicted=outcome), context)
    assert row.failure is None
    assert row.parity == trial.parity
    assert row.devices == ()
    assert "nothing predicted: damaged TFLite model" in row.notices
