from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evaluators.errors import EvaluationError
from evaluators.playing.schedule import TrialSetup, _trial_request
from evaluators.playing.trial import MAX_CALLS, TimingResult, TrialResult, play, time_calls
from packager.model import OutputSpec
from tests.benches import AUDIO, NOTE_GAINS, make_bench, write_model

pytestmark = pytest.mark.tflite


@pytest.fixture(scope="module")
def setup(tmp_path_factory: pytest.TempPathFactory) -> TrialSetup:
    return make_bench(tmp_path_factory.mktemp("setup"))


def _request(setup: TrialSetup, model: Path | None, **changes: Any) -> dict[str, Any]:
    return {**_trial_request(model, setup).model_dump(mode="json"), **changes}


def _play(setup: TrialSetup, model: Path | None, **changes: Any) -> tuple[list[str], TrialResult]:
    *events, last = play(_request(setup, model, **changes))
    return [event["clip"] for event in events], TrialResult.model_validate(last["result"], strict=False)


def _errors(result: TrialResult) -> dict[str, float]:
    return {parity.output: parity.max_abs_error.value or 0.0 for parity in result.parity}


@pytest.mark.slow
def test_a_model_that_is_the_source_is_identical(setup: TrialSetup, tmp_path: Path) -> None:
    clips, result = _play(setup, write_model(tmp_path / "m.tflite"))
    assert clips == ["a", "b"]
    assert [scores.clip for scores in result.clips] == ["a", "b"]
    assert _errors(result) == {"note": 0.0, "onset": 0.0}
    assert {parity.snr_db.reason for parity in result.parity} == {"identical"}
    assert result.runtime.startswith("LiteRT ")
    assert result.notices == ()


@pytest.mark.slow
def test_a_gain_that_is_off_is_off_by_as_much_as_the_loudest_sample(setup: TrialSetup, tmp_path: Path) -> None:
    _, result = _play(setup, write_model(tmp_path / "m.tflite", note=(0.5, 0.75)))
    windows = np.load(setup.windows.path)
    loudest = float(np.abs(windows).max())
    assert _errors(result)["note"] == pytest.approx(0.5 * loudest, rel=1e-6)
    assert _errors(result)["onset"] == 0.0
    assert result.worst_window == int(np.abs(windows).max(axis=(1, 2)).argmax())
    (note,) = (parity for parity in result.parity if parity.output == "note")
    signal, error = sum(gain**2 for gain in NOTE_GAINS), (0.75 - NOTE_GAINS[1]) ** 2
    assert note.snr_db.value == pytest.approx(10 * np.log10(signal / error), abs=1e-4)


def test_outputs_are_bound_by_alias_and_it_is_said(setup: TrialSetup, tmp_path: Path) -> None:
    _, result = _play(setup, write_model(tmp_path / "m.tflite", onset_name="attack"))
    assert _errors(result) == {"note": 0.0, "onset": 0.0}
    assert result.notices == ("output onset is bound to attack, its alias in the recipe",)


def test_the_source_itself_is_scored_from_what_is_stored(setup: TrialSetup, tmp_path: Path) -> None:
    _, source = _play(setup, None)
    _, same = _play(setup, write_model(tmp_path / "m.tflite"))
    assert source.parity == ()
    assert source.runtime == "source"
    for mine, its in zip(source.clips, same.clips, strict=True):
        assert mine.pictures == its.pictures
        for name, score in mine.scores.items():
            assert (score.value, score.reason) == (its.scores[name].value, its.scores[name].reason)
            assert (score.basis, its.scores[name].basis) == ("measured_host", "emulated")


def test_other_shapes_than_the_sources_are_refused(setup: TrialSetup, tmp_path: Path) -> None:
    for name in ("note", "onset"):
        stored = np.load(setup.reference / f"{name}.npy")
        np.save(tmp_path / f"{name}.npy", stored[:, :1])
    with pytest.raises(
        EvaluationError, match=r"output 'note', clip a, window 0: the variant gives shape \(2, 88\) where"
    ):
        _play(setup, write_model(tmp_path / "m.tflite"), reference=str(tmp_path))


def test_outputs_that_cannot_be_scored_name_the_clip(setup: TrialSetup, tmp_path: Path) -> None:
    for name in ("note", "onset"):
        stored = np.load(setup.reference / f"{name}.npy")
        stored[-1] = np.nan
        np.save(tmp_path / f"{name}.npy", stored)
    with pytest.raises(EvaluationError, match=r"^clip b: output 'note' is not finite, first at 0\.1\d\d s$"):
        _play(setup, None, reference=str(tmp_path))


def test_a_missing_output_names_those_there_are(setup: TrialSetup, tmp_path: Path) -> None:
    with pytest.raises(EvaluationError) as caught:
        _play(setup, write_model(tmp_path / "m.tflite", onset_name="strike"))
    assert str(caught.value) == (
        "output 'onset' is not in the model; it has note [1, 2, 88], strike [1, 2, 88]. "
        'Say which one it is in the recipe: model.outputs.onset.aliases = ["…"]'
    )


def test_calls_are_timed_one_by_one(setup: TrialSetup, tmp_path: Path) -> None:
    (event,) = time_calls(_request(setup, write_model(tmp_path / "m.tflite")))
    result = TimingResult.model_validate(event["result"], strict=False)
    assert result.threads == 1
    assert len(result.samples_ns) == MAX_CALLS  # each takes microseconds, so that the number ends it, not the time
    assert min(result.samples_ns) > 0
    assert result.peak_memory_bytes >= 0


def test_the_contract_is_the_models(setup: TrialSetup, tmp_path: Path) -> None:
    other = AUDIO.model_copy(update={"window_samples": 80, "hop_samples": 80}).model_dump(mode="json")
    with pytest.raises(EvaluationError, match=r"input 'x' has shape \[1, 88\], which does not hold one window of 80"):
        _play(setup, write_model(tmp_path / "m.tflite"), audio=other)


def test_a_request_is_json_and_back(setup: TrialSetup, tmp_path: Path) -> None:
    request = _trial_request(tmp_path / "m.tflite", setup)
    assert type(request).model_validate_json(request.model_dump_json()) == request
    assert OutputSpec(axes=("frame", "pitch")) == request.outputs["note"]  # type: ignore[attr-defined]


def test_every_clip_of_a_model_says_its_own_largest_error(setup: TrialSetup, tmp_path: Path) -> None:
    _, source = _play(setup, None)
    _, result = _play(setup, write_model(tmp_path / "m.tflite", note=(0.5, 0.75)))
    errors = [clip.scores["max_abs_error"].value or 0.0 for clip in result.clips]
    assert max(errors) == _errors(result)["note"]
    assert len(set(errors)) == 2
    assert not any("max_abs_error" in clip.scores for clip in source.clips)
