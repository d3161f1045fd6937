from __future__ import annotations

import random
import re
from pathlib import Path

import numpy as np
import pytest

from evaluators.emulators import Tensor
from evaluators.errors import EvaluationError
from evaluators.formats import format_of, read_signatures
from evaluators.targets import open_model
from packager.bundle import Bundle
from packager.jobs.workers import Job, Limits, run_jobs
from tests.evaluators.formats.tflite.test_arena import lstm
from tests.testpress.tiny_tflite import GAIN, WINDOW_SAMPLES, Writer, write_chain, write_features, write_gain

pytestmark = [pytest.mark.tflite, pytest.mark.usefixtures("own_draws")]

RNG = np.random.default_rng(1123)


def _noise(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape).astype(np.float32)


def test_a_gain_in_closed_form(tmp_path: Path) -> None:
    emulator = open_model(write_gain(tmp_path / "g.tflite"))
    assert re.fullmatch(r"LiteRT \d+\.\d+\.\d+", emulator.runtime)
    assert emulator.inputs == {"audio": Tensor((1, WINDOW_SAMPLES), "float32")}
    assert emulator.outputs == {"scaled": Tensor((1, WINDOW_SAMPLES), "float32")}
    samples = _noise(1, WINDOW_SAMPLES)
    kept = samples.copy()
    outputs = emulator.run({"audio": samples})
    assert set(outputs) == {"scaled"}
    assert outputs["scaled"].dtype == np.float32
    np.testing.assert_array_equal(outputs["scaled"], samples * np.float32(GAIN))  # a power of two: exact
    np.testing.assert_array_equal(samples, kept)


def test_a_matrix_in_closed_form(tmp_path: Path) -> None:
    emulator = open_model(write_features(tmp_path / "f.tflite"))
    samples = _noise(1, WINDOW_SAMPLES)
    outputs = emulator.run({"audio": samples})
    expected = np.arange(16) * samples.astype(np.float64).sum()
    np.testing.assert_allclose(outputs["features"][0], expected, atol=1e-4)  # 64 values of about 1, times 15
    np.testing.assert_array_equal(outputs["half"], outputs["features"] * np.float32(0.5))


def test_outputs_of_one_call_outlive_the_next(tmp_path: Path) -> None:
    """A view of the interpreter's memory would change under the reader."""
    emulator = open_model(write_gain(tmp_path / "g.tflite"))
    first = emulator.run({"audio": np.ones((1, WINDOW_SAMPLES), np.float32)})["scaled"]
    emulator.run({"audio": np.zeros((1, WINDOW_SAMPLES), np.float32)})
    np.testing.assert_array_equal(first, np.full((1, WINDOW_SAMPLES), GAIN, np.float32))


def test_same_input_same_output(tmp_path: Path) -> None:
    samples = _noise(1, WINDOW_SAMPLES)
    path = write_features(tmp_path / "f.tflite")
    emulator = open_model(path)
    first = emulator.run({"audio": samples})
    assert set(first) == {"features", "half"}
    for again in (emulator.run({"audio": samples}), open_model(path, threads=2).run({"audio": samples})):
        for name, values in first.items():
            np.testing.assert_array_equal(again[name], values)


def _two_outputs(path: Path, *, swapped: bool) -> Path:
    """`double` and `half` of one shape, in one order of tensors or the other."""
    w = Writer()
    audio = w.tensor("audio", (1, 4))
    names = ["half", "double"] if swapped else ["double", "half"]
    tensors = {name: w.tensor(name, (1, 4)) for name in names}
    for name, factor in (("double", 2.0), ("half", 0.5)):
        w.op("MUL", [audio, w.tensor(f"by_{name}", (1,), values=np.array([factor]))], [tensors[name]])
    w.sign("serving_default", {"audio": audio}, dict(reversed(tensors.items())))
    return w.write(path, [audio], list(tensors.values()))


@pytest.mark.parametrize("swapped", [False, True])
def test_outputs_are_bound_by_name_whatever_their_order(swapped: bool, tmp_path: Path) -> None:
    outputs = open_model(_two_outputs(tmp_path / "m.tflite", swapped=swapped)).run(
        {"audio": np.ones((1, 4), np.float32)}
    )
    assert (outputs["double"][0, 0], outputs["half"][0, 0]) == (2.0, 0.5)


def test_open_dimensions_are_taken_as_one(tmp_path: Path) -> None:
    emulator = open_model(write_gain(tmp_path / "g.tflite", open_=True))
    assert emulator.inputs["audio"].shape == (1, WINDOW_SAMPLES)


def _signed(path: Path, keys: list[str]) -> Path:
    w = Writer()
    audio, out = w.tensor("audio", (1, 4)), w.tensor("out", (1, 4))
    w.op("MUL", [audio, w.tensor("factor", (1,), values=np.array([0.5]))], [out])
    for key in keys:
        w.sign(key, {"audio": audio}, {"out": out})
    return w.write(path, [audio], [out])


@pytest.mark.parametrize("keys", [["only"], ["serving_default"], ["a", "serving_default"]])
def test_the_signature_meant_is_found(keys: list[str], tmp_path: Path) -> None:
    assert set(open_model(_signed(tmp_path / "m.tflite", keys)).inputs) == {"audio"}


def test_of_several_signatures_one_is_named(tmp_path: Path) -> None:
    path = _signed(tmp_path / "m.tflite", ["a", "b"])
    with pytest.raises(EvaluationError) as caught:
        open_model(path)
    found = "has 2 signatures and none is serving_default: a, b"
    assert str(caught.value) == f"{path}: {found}; name one of them, as with --signature a"
    assert set(open_model(path, signature="b").outputs) == {"out"}
    with pytest.raises(EvaluationError, match="has no signature 'c'; it has: a, b"):
        open_model(path, signature="c")


def test_a_file_without_a_signature_is_called_by_its_tensors_names(tmp_path: Path) -> None:
    samples = np.random.default_rng(5).normal(size=(1, WINDOW_SAMPLES)).astype(np.float32)
    signed = open_model(write_gain(tmp_path / "s.tflite")).run({"audio": samples})
    bare = open_model(write_gain(tmp_path / "b.tflite", signed=False))
    assert (set(bare.inputs), set(bare.outputs)) == ({"audio_tensor"}, {"scaled_tensor"})
    for _ in range(2):
        np.testing.assert_array_equal(bare.run({"audio_tensor": samples})["scaled_tensor"], signed["scaled"])
    with pytest.raises(EvaluationError, match="found the inputs audio; right is audio_tensor"):
        bare.run({"audio": samples})


def test_without_a_signature_an_open_dimension_takes_what_it_is_given(tmp_path: Path) -> None:
    bare = open_model(write_gain(tmp_path / "b.tflite", shape=(1, 1), signed=False, open_=True))
    assert bare.inputs["audio_tensor"].open_axes == (0, 1)
    for size in (7, 3):
        assert bare.run({"audio_tensor": np.ones((1, size), np.float32)})["scaled_tensor"].shape == (1, size)


@pytest.mark.parametrize(("names", "expected"), [(["", "y"], ["input_0", "y"]), (["x", "x"], ["input_0", "input_1"])])
def test_tensors_without_a_name_of_their_own_have_their_place(
    names: list[str], expected: list[str], tmp_path: Path
) -> None:
    w = Writer()
    inputs = [w.tensor(name, (1, 4)) for name in names]
    out = w.tensor("out", (1, 4))
    w.op("ADD", inputs, [out])
    path = w.write(tmp_path / "m.tflite", inputs, [out])
    emulator = open_model(path)
    assert list(emulator.inputs) == expected == [port.name for port in read_signatures(path)[0].inputs]
    found = emulator.run({name: np.full((1, 4), 2.0, np.float32) for name in expected})
    np.testing.assert_array_equal(found["out"], np.full((1, 4), 4.0))


@pytest.mark.parametrize(
    "inputs",
    [{}, {"sound": np.zeros((1, WINDOW_SAMPLES), np.float32)}, {"audio": np.zeros((1, WINDOW_SAMPLES), np.int32)}],
    ids=["no input", "another name", "another type"],
)
def test_a_call_that_does_not_fit_is_refused(inputs: dict[str, np.ndarray], tmp_path: Path) -> None:
    emulator = open_model(write_gain(tmp_path / "g.tflite"))
    with pytest.raises(EvaluationError, match=r"^LiteRT [\d.]+ refused the call: "):
        emulator.run(inputs)


def test_an_op_the_runtime_does_not_know_is_named(tmp_path: Path) -> None:
    emulator = open_model(write_gain(tmp_path / "g.tflite", custom="MyOwnFourier"))
    with pytest.raises(EvaluationError, match=r"(?s)^LiteRT [\d.]+ refused the call: .*MyOwnFourier"):
        emulator.run({"audio": np.ones((1, WINDOW_SAMPLES), np.float32)})


@pytest.mark.parametrize(
    ("content", "head"),
    [(b"", b""), (b"TFL", b""), (b"not a model, but text", b"a mo"), (b"PK\x03\x04 an archive", b" an ")],
)
def test_what_is_no_model_is_told_by_its_head(content: bytes, head: bytes, tmp_path: Path) -> None:
    path = tmp_path / "m.tflite"
    path.write_bytes(content)
    with pytest.raises(EvaluationError) as caught:
        open_model(path)
    assert str(caught.value) == f"{path}: not a TFLite model: bytes 4 to 8 are {head!r}, should be b'TFL3'"


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    path = tmp_path / "m.tflite"
    path.mkdir()
    with pytest.raises(EvaluationError) as caught:
        open_model(path)
    assert str(caught.value) == f"{path}: cannot be read: Is a directory"


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match=r"nothing\.tflite: no such file or folder$"):
        open_model(tmp_path / "nothing.tflite")


@pytest.mark.parametrize("name", ["m.onnx", "m", "m.TFLITE", "m.tflite.bak"])
def test_an_unknown_suffix_lists_the_known(name: str) -> None:
    with pytest.raises(EvaluationError) as caught:
        format_of(Path(name))
    assert str(caught.value) == f"{name}: not a model that can be played; known: .mlpackage, .mlmodel, .tflite"


@pytest.mark.slow
def test_damaged_files_end_in_a_reason(tmp_path: Path) -> None:
    """Cut short, the file is refused by name. With bits turned it may even crash the runtime: a reason all the same."""
    good = write_chain(tmp_path / "good.tflite", 4).read_bytes()
    generator = random.Random(1123)
    damaged = {f"cut{share}.tflite": good[: int(len(good) * share)] for share in (0.02, 0.3, 0.6, 0.95)}
    for number in range(8):
        content = bytearray(good)
        for _ in range(8):
            content[generator.randrange(8, len(content))] ^= 1 << generator.randrange(8)
        damaged[f"turned{number}.tflite"] = bytes(content)
    damaged["good.tflite"] = good
    jobs = []
    for name, content in damaged.items():
        (tmp_path / name).write_bytes(content)
        request, log = {"path": str(tmp_path / name)}, tmp_path / f"{name}.log"
        jobs.append(Job("tests.evaluators.emulators.tflite_jobs:open_and_run", request, log, Limits(time_s=60)))
    ran: set[int] = set()
    ended = dict(zip(damaged, run_jobs(jobs, lambda index, _: ran.add(index), parallel=2), strict=True))
    assert ended["good.tflite"].reason is None
    for index, (name, end) in enumerate(ended.items()):
        if name.startswith("cut"):
            assert end.reason is not None
            assert end.reason.startswith(f"{tmp_path / name}: ")
        assert (index in ran) == (end.reason is None)


@pytest.mark.slow
@pytest.mark.tensorflow
@pytest.mark.parametrize("name", ["tflite-float32", "tflite-float16"])
def test_a_converted_gain_in_closed_form(name: str, gain_bundles: dict[str, Bundle]) -> None:
    """0.5 x + 0.25, whose constants a float16 holds exactly: TensorFlow's converter and its quantizer lose nothing."""
    emulator = open_model(gain_bundles[name].model_path)
    samples = _noise(1, 2048)
    outputs = emulator.run({"audio": samples})
    expected = samples * np.float32(0.5) + np.float32(0.25)
    np.testing.assert_allclose(outputs["scaled"], expected, atol=2.4e-7, rtol=0)  # one rounding of a sum below 4


def test_what_a_model_keeps_is_forgotten_at_a_reset_before_and_after_the_first_call(tmp_path: Path) -> None:
    emulator = open_model(lstm(tmp_path / "lstm.tflite"))
    emulator.reset()
    inputs = {"x": np.full((5, 1, 8), 0.1, np.float32)}
    first, second = emulator.run(inputs), emulator.run(inputs)
    assert not np.array_equal(first["out"], second["out"])
    emulator.reset()
    np.testing.assert_array_equal(emulator.run(inputs)["out"], first["out"])
