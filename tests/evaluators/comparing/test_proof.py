from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("ai_edge_litert")
from evaluators.comparing.proof import prove
from evaluators.targets import open_model
from packager.proving.lengths import LengthTrial
from packager.proving.trials import Trials
from tests.one_pole import write_leaking
from tests.testpress.tiny_tflite import GAIN, WINDOW_SAMPLES, Writer, write_features, write_gain

pytestmark = pytest.mark.tflite

CALLS = [
    {"audio": np.random.default_rng(seed).normal(size=(1, WINDOW_SAMPLES)).astype(np.float32)} for seed in (1, 2, 3)
]
TOLERANCE_DB = 60.0


def _trials(name: str, references: list[np.ndarray]) -> Trials:
    return Trials(CALLS, [{name: one} for one in references], (), "noise")


def test_a_faithful_file_is_identical_and_holds(tmp_path: Path) -> None:
    trials = _trials("scaled", [np.float32(GAIN) * call["audio"] for call in CALLS])
    proof = prove(write_gain(tmp_path / "m.tflite"), trials, TOLERANCE_DB)
    (output,) = proof.outputs
    assert (output.output, output.snr_db, output.max_abs_error, output.reason) == ("scaled", None, 0.0, "identical")
    assert (proof.holds, proof.calls, proof.inputs, proof.streaming) == (True, 3, "noise", None)
    assert proof.reset is not None and proof.reset.holds
    assert proof.runtime.startswith("LiteRT ")


@pytest.mark.parametrize(("error_db", "holds"), [(-61.0, True), (-59.0, False)])
def test_the_promise_is_kept_to_the_decibel(error_db: float, holds: bool, tmp_path: Path) -> None:
    factor = GAIN / (1 + 10 ** (error_db / 20))
    proof = prove(
        write_gain(tmp_path / "m.tflite"), _trials("scaled", [factor * call["audio"] for call in CALLS]), TOLERANCE_DB
    )
    assert proof.outputs[0].snr_db == pytest.approx(-error_db, abs=0.01)
    assert proof.holds == holds


def test_outputs_of_another_shape_or_not_finite_are_reasons_not_numbers(tmp_path: Path) -> None:
    for reference, words in (
        (np.ones((1, 3), np.float32), "the variant gives shape (1, 64) where the source model gives (1, 3)"),
        (np.full((1, WINDOW_SAMPLES), np.nan, np.float32), "the source model's value at (0, 0) is nan"),
    ):
        proof = prove(write_gain(tmp_path / "m.tflite"), _trials("scaled", [reference] * 3), TOLERANCE_DB)
        (output,) = proof.outputs
        assert (output.snr_db, output.max_abs_error, proof.holds) == (None, None, False)
        assert words in str(output.reason)


def test_an_output_that_the_file_has_not_breaks_the_proof(tmp_path: Path) -> None:
    trials = _trials("scaled", [GAIN * call["audio"] for call in CALLS])
    references = [{**reference, "other": reference["scaled"]} for reference in trials.references]
    proof = prove(write_gain(tmp_path / "m.tflite"), replace(trials, references=references), TOLERANCE_DB)
    assert [(one.output, one.reason) for one in proof.outputs] == [
        ("other", "the model file has no such output"),
        ("scaled", "identical"),
    ]
    assert not proof.holds


def test_hidden_memory_breaks_a_proof_whose_every_output_is_right(tmp_path: Path) -> None:
    """The references are what the file itself gives in this order: only the other order gives it away."""
    path = write_leaking(tmp_path / "m.tflite")
    emulator = open_model(path)
    proof = prove(path, _trials("level", [emulator.run(call)["level"] for call in CALLS]), TOLERANCE_DB)
    assert [one.reason for one in proof.outputs] == ["identical"]
    assert proof.reset is not None
    assert (proof.holds, proof.reset.holds) == (False, False)


def test_a_number_without_dimensions_is_compared_with_one_of_one(tmp_path: Path) -> None:
    w = Writer()
    audio, total = w.tensor("audio", (1, WINDOW_SAMPLES)), w.tensor("total", (1, 1))
    w.op(
        "FULLY_CONNECTED", [audio, w.tensor("w", (1, WINDOW_SAMPLES), values=np.ones((1, WINDOW_SAMPLES))), -1], [total]
    )
    w.sign("serving_default", {"audio": audio}, {"total": total})
    path = w.write(tmp_path / "m.tflite", [audio], [total])
    proof = prove(path, _trials("total", [np.float32(call["audio"].sum()).reshape(()) for call in CALLS]), TOLERANCE_DB)
    assert proof.holds


@pytest.mark.parametrize(
    ("write", "name", "holds"), [(write_gain, "scaled", True), (write_features, "features", False)]
)
def test_other_lengths_are_run_and_one_that_cannot_be_breaks_the_proof(
    write: Callable[[Path], Path], name: str, holds: bool, tmp_path: Path
) -> None:
    """LiteRT resizes the gain; a matrix product has its length built in."""
    path = write(tmp_path / "m.tflite")
    longer = {"audio": np.ones((1, 100), np.float32)}
    trial = LengthTrial([longer], [{name: GAIN * longer["audio"]}])
    trials = _trials(name, [open_model(path).run(call)[name] for call in CALLS])
    proof = prove(path, replace(trials, lengths=[trial]), TOLERANCE_DB)
    (length,) = proof.lengths
    assert (length.inputs, length.output_shapes) == ({"audio": (1, 100)}, {name: (1, 100)})
    assert (length.holds, proof.holds) == (holds, holds)
    assert holds or "refused the call" in str(length.outputs[0].reason)
