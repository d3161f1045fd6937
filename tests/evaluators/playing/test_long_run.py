"""Minutes of a stream through TFLite files: one that is its source, and three with a planted fault each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evaluators.datasets.long_stream import plan_stream, store_stream
from evaluators.datasets.place import Place
from evaluators.datasets.preparation import prepare_dataset
from evaluators.long_run_records import LongRun, LongRunSpec
from evaluators.over_long_runs import score_long_run
from evaluators.playing.long_run import play_long
from evaluators.task_asking import ask_task
from evaluators.task_loading import find_task
from reports.judging.long_runs import find_faults
from tests.followers import AUDIO, OUTPUTS, STATE, Fault, follow, write_bursts, write_follower

pytestmark = pytest.mark.tflite

SPEC = LongRunSpec(minutes=0.4, silence_s=2.0)
TASK = ask_task(find_task("voice_activity", {"minimum_speech_ms": 50.0}))


@pytest.fixture(scope="module")
def request_(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("long")
    place = Place(folder / "out")
    prepared = prepare_dataset(write_bursts(folder / "data"), task=TASK, audio=AUDIO, place=place)
    windows = prepared.found.find_windows(place.out)
    plan = plan_stream(SPEC, windows.spans, AUDIO)
    stream = store_stream(windows, plan, audio=AUDIO, place=place)
    for name, values in follow(np.load(stream.path)).items():
        np.save(folder / f"{name}.npy", values)
    return {
        "audio": AUDIO.model_dump(mode="json"),
        "outputs": {name: spec.model_dump(mode="json") for name, spec in OUTPUTS.items()},
        "state": STATE,
        "task": TASK.reference.model_dump(mode="json"),
        "windows": str(stream.path),
        "samples": stream.spans[0][2],
        "plan": plan.model_dump(mode="json"),
        "chunks": [80, 100, 4096],
        "reference": str(folder),
    }


def _play(request_: dict[str, Any], folder: Path, fault: Fault = "") -> LongRun:
    model = write_follower(folder / "m.tflite", fault)
    (event,) = play_long({**request_, "model": str(model)})
    return LongRun.model_validate(event["result"], strict=False)


@pytest.mark.slow
def test_an_unchanged_bundle_raises_no_fault(request_: dict[str, Any], tmp_path: Path) -> None:
    found = _play(request_, tmp_path)
    assert find_faults(found) == []
    assert {one.output: one.verdict for one in found.outputs} == {
        "speech": "does not grow",
        "loudness": "does not grow",
    }
    assert all(one.snr.reason == "identical" or (one.snr.value or 0) > 90 for one in found.outputs)
    assert found.silence is not None and found.silence.back_after_s == 0
    assert [one.name for one in found.repeats] == [
        "after a reset",
        "in pieces of 80 samples",
        "in pieces of 100 samples",
        "in pieces of 4096 samples",
    ]
    assert all(one.holds for one in found.repeats)
    assert found.decisions is not None
    assert (found.decisions.median.value, found.decisions.worst.value) == (0.0, 0.0)
    assert found.decisions.matched > 10
    assert (found.decisions.source_alone, found.decisions.bundle_alone) == (0, 0)
    assert found.algorithmic_latency_ms == 8.0
    scores = score_long_run(found)
    assert scores["repeat_max_abs_error"].value == 0
    assert scores["decision_delay_ms"].value == 0


@pytest.mark.slow
def test_a_state_in_float16_that_stops_counting_grows(request_: dict[str, Any], tmp_path: Path) -> None:
    found = _play(request_, tmp_path, "drifts")
    verdicts = {one.output: one.verdict for one in found.outputs}
    assert verdicts == {"speech": "does not grow", "loudness": "grows"}
    faults = find_faults(found)
    assert faults[0].startswith("the error of output loudness grows by ")
    assert not any("decides" in fault or "heard again" in fault for fault in faults)
    growth = score_long_run(found)["long_run_growth_db_per_minute"]
    assert growth.low is not None and growth.low > 1


@pytest.mark.slow
def test_decisions_that_come_two_frames_late_are_told(request_: dict[str, Any], tmp_path: Path) -> None:
    found = _play(request_, tmp_path, "late")
    assert found.decisions is not None
    assert found.decisions.median.value == 16.0
    assert found.decisions.frame_ms == pytest.approx(8.0)
    assert find_faults(found) == [
        f"it decides 16.0 ms (2 frames) later than its source (median of {found.decisions.matched})"
    ]


@pytest.mark.slow
def test_what_a_reset_does_not_end_is_told(request_: dict[str, Any], tmp_path: Path) -> None:
    found = _play(request_, tmp_path, "keeps")
    reset = found.repeats[0]
    assert reset.max_abs_error is not None and reset.max_abs_error > 1e-4
    assert any(fault.startswith("heard again after a reset, its start is not the same") for fault in find_faults(found))
    assert score_long_run(found)["repeat_max_abs_error"].value == max(one.max_abs_error or 0 for one in found.repeats)
