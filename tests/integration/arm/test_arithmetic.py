"""What cores of several types compute, with the runtime that phones ship, against this machine's run of the same."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from evaluators.emulators.arm.emulator import ArmEmulator
from evaluators.emulators.arm.installation import Installation
from evaluators.errors import EvaluationError
from evaluators.formats.tflite.exposing import expose
from evaluators.formats.tflite.interpreter import TFLiteEmulator
from evaluators.playing.core_trace import find_departures
from evaluators.playing.core_trial import CoreTrial, play_on_core
from evaluators.playing.host_calls import CoreRequest
from evaluators.targets import get_player
from evaluators.task_loading import TaskReference
from packager.bundle import AudioContract
from packager.model import OutputSpec
from tests.testpress.tiny_tflite import Writer

pytestmark = [pytest.mark.slow, pytest.mark.tflite, pytest.mark.tensorflow]

MACS = 32 * 64 * 9 * (1 * 16 + 16 * 16)
"""of `convolutions`, by hand: frames x bands x kernel x (channels in x out, of both layers)"""
NOTED = 440e6
"""instructions of a window of Spotify's nmp.tflite on a Cortex-A76, counted in another session by another program"""


def _inputs(emulator: TFLiteEmulator) -> dict[str, np.ndarray]:
    random = np.random.default_rng(1)
    (name, tensor), *_ = emulator.inputs.items()
    if tensor.dtype == "int8":
        return {name: random.integers(-128, 128, tensor.shape).astype(np.int8)}
    values = random.normal(size=tensor.shape).astype(np.float32)
    values.reshape(-1)[: values.size // 4] = 0.0  # silence
    return {name: values}


def _play(path: Path, core: str) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    here = TFLiteEmulator(path, threads=1)
    there = ArmEmulator(path, core)
    try:
        assert (there.inputs, there.outputs) == (here.inputs, here.outputs)
        inputs = _inputs(here)
        return here.run(inputs), there.run(inputs)
    finally:
        there.close()


@pytest.mark.parametrize("core", ["cortex_a53", "cortex_a76", "cortex_a710"])
@pytest.mark.parametrize("model", ["energy", "convolutions"])
def test_float32_is_the_same_to_rounding(model: str, core: str, models: Path) -> None:
    here, there = _play(models / f"{model}.tflite", core)
    for name, value in here.items():
        np.testing.assert_allclose(there[name], value, rtol=0, atol=1e-6)


@pytest.mark.parametrize("core", ["cortex_a53", "cortex_a55", "cortex_a72", "cortex_a76", "cortex_a710"])
def test_full_integers_are_the_same_bits(core: str, models: Path) -> None:
    here, there = _play(models / "convolutions_int8.tflite", core)
    for name, value in here.items():
        np.testing.assert_array_equal(there[name], value)


def test_float16_arithmetic_shows_on_cores_that_have_it_alone(models: Path) -> None:
    here, old = _play(models / "energy_float16.tflite", "cortex_a53")
    assert np.abs(here["scores"] - old["scores"]).max() < 1e-6
    here, new = _play(models / "energy_float16.tflite", "cortex_a76")
    assert np.isfinite(here["scores"]).all()
    assert not np.isfinite(new["scores"]).all() or np.abs(here["scores"] - new["scores"]).max() > 1e-4


def test_the_op_that_makes_infinity_is_named(models: Path, tmp_path: Path) -> None:
    data, ops, names = expose(models / "energy_float16.tflite")
    path = tmp_path / "exposed.tflite"
    path.write_bytes(data)
    here = TFLiteEmulator(path, threads=1)
    original = TFLiteEmulator(models / "energy_float16.tflite", threads=1)
    inputs = {names[name]: value for name, value in _inputs(original).items()}
    there = ArmEmulator(path, "cortex_a76")
    try:
        trace = find_departures(0, ops, here.run(inputs), there.run(inputs))
    finally:
        there.close()
    assert trace.first_not_finite is not None
    assert trace.first_not_finite.op == "LOG"


def test_instructions_are_those_of_the_products_and_repeat(installation: Installation, models: Path) -> None:
    if installation.installed.counts:
        pytest.skip(f"instructions are not counted: {installation.installed.counts}")
    path = models / "convolutions.tflite"
    inputs = _inputs(TFLiteEmulator(path, threads=1))
    found = []
    for _ in range(2):
        emulator = ArmEmulator(path, "cortex_a76", counts=True)
        try:
            found.append(emulator.count(inputs))
        finally:
            emulator.close()
    first, second = found
    assert first.threads == 1
    assert first.fma_float32 * 4 == pytest.approx(MACS, rel=0.05)
    assert second.instructions == pytest.approx(first.instructions, rel=1e-3)
    assert first.l1d_misses is not None and 0 < first.l1d_misses < first.instructions


def test_a_published_model_costs_what_was_noted(installation: Installation) -> None:
    found = importlib.util.find_spec("basic_pitch")
    if found is None or not found.submodule_search_locations or installation.installed.counts:
        pytest.skip("basic_pitch is not installed, or instructions are not counted")
    path = Path(found.submodule_search_locations[0]) / "saved_models/icassp_2022/nmp.tflite"
    host = TFLiteEmulator(path, threads=1)
    emulator = ArmEmulator(path, "cortex_a76", counts=True)
    ((name, tensor),) = host.inputs.items()
    shape = tuple(43844 if size == 1 and axis == 1 else size for axis, size in enumerate(tensor.shape))
    try:
        counted = emulator.count({name: np.random.default_rng(0).normal(size=shape).astype(np.float32) * 0.1})
    finally:
        emulator.close()
    assert counted.instructions == pytest.approx(NOTED, rel=0.02)


def test_what_the_runtime_refuses_is_its_own_message(models: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "half.tflite"
    data = (models / "convolutions.tflite").read_bytes()
    damaged.write_bytes(data[: len(data) // 2])
    with pytest.raises(EvaluationError, match="cannot load it"):
        ArmEmulator(damaged, "cortex_a53")
    emulator = ArmEmulator(models / "energy.tflite", "cortex_a53")
    try:
        with pytest.raises(EvaluationError, match="refused the call"):
            emulator.run({"samples": np.zeros((3, 3, 3), np.float32)})
    finally:
        emulator.close()


def test_a_model_that_keeps_state_is_played_where_clips_begin(installation: Installation, tmp_path: Path) -> None:
    """A sum of all that was heard: in the middle of a clip it would be another number, for no fault of the core's."""
    writer = Writer()
    audio, made = writer.tensor("audio", (1, 64)), writer.tensor("made", (1, 64))
    handle, value = writer.tensor("handle", (), "RESOURCE"), writer.tensor("value", (1, 64))
    options = schema.VarHandleOptionsT()
    options.sharedName = "sum"
    writer.op("VAR_HANDLE", [], [handle], options=options)
    writer.op("ASSIGN_VARIABLE", [handle, audio], [])
    writer.op("READ_VARIABLE", [handle], [value])
    writer.op("ADD", [audio, value], [made], options=schema.AddOptionsT())
    model = writer.write(tmp_path / "m.tflite", [audio], [made])
    windows = np.random.default_rng(0).normal(size=(6, 1, 64)).astype(np.float32)
    np.save(tmp_path / "windows.npy", windows)
    (tmp_path / "calls").mkdir()
    request = CoreRequest(
        model=str(model),
        audio=AudioContract(sample_rate_hz=8000, channels=1, window_samples=64, hop_samples=64),
        outputs={"made": OutputSpec()},
        task=TaskReference(kind="parity"),
        windows=str(tmp_path / "windows.npy"),
        clips=("a", "b"),
        spans=((0, 3, 192), (3, 3, 192)),
        chosen=(1, 2, 5),
        target=get_player("arm_cortex_a76").find(),
        kept=str(tmp_path / "nothing"),
    )
    *_, said = play_on_core(request.model_dump(mode="json"), tmp_path)
    result = CoreTrial.model_validate(said["result"], strict=False)  # type: ignore[index]
    assert (result.windows, result.keeps_state) == ((0, 3), True)
