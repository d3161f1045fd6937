from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from device_profiles.profile import read_profile
from evaluators.errors import EvaluationError
from evaluators.evaluate import EvaluationRequest, check_outputs, evaluate
from evaluators.playing.candidates import Candidate, from_packaged, from_path
from packager.bundle import AudioContract
from packager.model import ModelSpec, find_source
from packager.package import PackageRequest, Variant, package
from tests.benches import OUTPUTS, TASK_INFO
from tests.specimens import CACHE, make_notes_job
from tests.testpress.tiny_tflite import write_gain

NOTES_AUDIO = AudioContract(sample_rate_hz=8000, window_samples=2048, hop_samples=2048)


def _spec(**changes: Any) -> ModelSpec:
    given = {"name": "m", "version": "1", "license": "Apache-2.0", "source": "m", "outputs": OUTPUTS}
    return ModelSpec(**{**given, **changes})


@pytest.mark.parametrize(
    ("outputs", "missing"),
    [({}, "note, onset"), ({"note": OUTPUTS["note"]}, "onset"), ({"onset": OUTPUTS["note"]}, "note")],
)
def test_a_task_whose_outputs_are_not_named(outputs: dict[str, Any], missing: str) -> None:
    check_outputs(TASK_INFO, _spec())
    with pytest.raises(EvaluationError) as caught:
        check_outputs(TASK_INFO, _spec(outputs=outputs))
    assert str(caught.value) == (
        f"task note_transcription reads the outputs note, onset; model.outputs does not name {missing}"
    )


def _assignment(saved_models: Path, folder: Path, candidates: list[Candidate]) -> EvaluationRequest:
    job = make_notes_job(folder / "job", saved_models / "notes")
    job.write()
    spec = _spec(outputs=OUTPUTS, source=str(saved_models / "notes"))
    return EvaluationRequest(
        source=find_source(spec, folder),
        audio=NOTES_AUDIO,
        dataset=folder / "job" / "clips.jsonl",
        task=TASK_INFO,
        candidates=candidates,
        devices=(read_profile("pixel-8"), read_profile("iphone-12")),
        out=folder / "out",
    )


@pytest.mark.slow
@pytest.mark.tensorflow
@pytest.mark.tflite
@pytest.mark.coreml
def test_good_broken_and_missing_side_by_side(saved_models: Path, tmp_path: Path) -> None:
    """All on one setup: the rows come in the candidates' order, and a fault is told in its own row alone."""
    order = PackageRequest(
        source=find_source(_spec(source=str(saved_models / "notes")), tmp_path),
        audio=NOTES_AUDIO,
        variants=(Variant("tflite", "float32"), Variant("coreml", "float32"), Variant("coreml", "float16")),
        out=CACHE / "notes",
    )
    candidates = [from_packaged(outcome, CACHE / "notes") for outcome in package(order)]
    assert [candidate.failure for candidate in candidates] == [None] * 3
    (tmp_path / "broken.tflite").write_bytes(b"\0\0\0\0TFL3" + bytes(64))
    candidates.append(from_path(tmp_path / "broken.tflite"))
    candidates.append(from_path(write_gain(tmp_path / "other.tflite")))  # a good file, of another contract
    told: list[tuple[str, int, int]] = []
    findings = evaluate(
        _assignment(saved_models, tmp_path, candidates), lambda stage, done, total: told.append((stage, done, total))
    )
    rows = {row.variant: row for row in findings.variants}
    assert list(rows) == [candidate.variant for candidate in candidates]
    for name, row in rows.items():
        assert (row.failure is None) == name.startswith(("tflite-", "coreml-")), row.failure
    assert rows["broken.tflite"].failure is not None
    assert "broken.tflite: " in rows["broken.tflite"].failure.reason
    assert rows["other.tflite"].failure is not None
    assert "does not hold one window of 2048 samples" in rows["other.tflite"].failure.reason
    for name in ("tflite-float32", "coreml-float32"):  # a convolution of 128 terms of about 1, then a sigmoid
        assert max(parity.max_abs_error.value or 0.0 for parity in rows[name].parity) < 1e-5
    assert 1e-5 < max(parity.max_abs_error.value or 0.0 for parity in rows["coreml-float16"].parity) < 0.05
    assert rows["coreml-float16"].drift is not None
    assert rows["coreml-float16"].drift.reference == "coreml-float32"
    assert [clip.clip for clip in findings.dataset.clips] == ["a", "b"]
    _check_progress(told)


def _check_progress(told: list[tuple[str, int, int]]) -> None:
    """Each stage runs from somewhere to its total, never back, and none comes twice."""
    stages = list(dict.fromkeys(stage for stage, _, _ in told))
    assert stages == ["run the source model", "play the clips", "time the calls", "locate drift", "predict the phones"]
    assert [stage for stage, _, _ in told] == sorted((stage for stage, _, _ in told), key=stages.index)
    for stage in stages:
        counts = [(done, total) for name, done, total in told if name == stage]
        assert len({total for _, total in counts}) == 1
        assert [done for done, _ in counts] == sorted(done for done, _ in counts)
        assert counts[-1][0] == counts[-1][1]


@pytest.mark.slow
@pytest.mark.tensorflow
def test_a_source_that_gives_no_number_ends_the_evaluation(saved_models: Path, tmp_path: Path) -> None:
    """Without the reference nothing can be compared."""
    spec = _spec(outputs={"note": OUTPUTS["note"], "onset": OUTPUTS["onset"]}, source=str(saved_models / "gain"))
    request = _assignment(saved_models, tmp_path, [])
    with pytest.raises(EvaluationError) as caught:
        evaluate(replace(request, source=find_source(spec, tmp_path)))
    assert str(caught.value).startswith("the source model cannot be run: ")
    assert "model.outputs: note, onset: not among the outputs of" in str(caught.value)
