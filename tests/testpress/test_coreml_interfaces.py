"""Core ML models as strangers make them: pictures, optional inputs, shapes that a description leaves out, labels."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from evaluators.formats import read_signatures
from evaluators.formats.coreml.kinds import read_other_kind
from evaluators.targets import open_model
from testpress.inspection.reading import inspect_model, read_facts
from testpress.model_file import locate_model
from testpress.playing.contract import make_request
from testpress.playing.playing import Played, play
from tests.evaluators.emulators.coreml.programs import Op, Program, leave_open, write_package
from tests.evaluators.emulators.coreml.test_features import convert, image_program

pytestmark = [
    pytest.mark.coreml,
    pytest.mark.skipif(not find_spec("torch") or not find_spec("coremltools"), reason="needs torch and coremltools"),
]

WINDOW = 64
SHAPE = (1, WINDOW)


def gain_of_audio() -> Any:
    """`y = audio · gain`, where `gain` is optional and 0.25 if left out."""
    op = Op("mul", {"x": "audio", "y": "gain"}, "y", shape=SHAPE)
    inputs = {"audio": ("float32", SHAPE), "gain": ("float32", (1,))}
    message = Program([op], {"y": ("float32", SHAPE)}, inputs=inputs).message()
    gain = message.description.input[1].type
    gain.isOptional, gain.multiArrayType.floatDefaultValue = True, 0.25
    return message


def play_noise(folder: Path, model: Path) -> tuple[Played, np.ndarray]:
    samples = np.random.default_rng(3).normal(scale=0.1, size=3 * WINDOW).astype(np.float32)
    soundfile.write(folder / "x.wav", samples, 8000, subtype="FLOAT")
    return play(make_request(str(model), audio=folder / "x.wav", sample_rate=8000, window=WINDOW)), samples


@pytest.mark.parametrize("space", ["GRAYSCALE", "RGB", "BGR", "GRAYSCALE_FLOAT16"])
def test_a_model_of_pictures_plays_here(space: str, tmp_path: Path) -> None:
    found = inspect_model(locate_model(str(write_package(tmp_path, image_program(space)))))
    assert found.not_playable is None
    assert found.runtime is not None


@pytest.mark.parametrize("space", ["RGB", "BGR"])
def test_pictures_are_arrays_for_evaluators_in_and_out(space: str, tmp_path: Path) -> None:
    pixels = np.random.default_rng(4).integers(0, 256, (1, 3, 4, 5)).astype(np.uint8)
    order = [0, 1, 2] if space == "RGB" else [2, 1, 0]
    heard = open_model(write_package(tmp_path / "in", image_program(space)), threads=1).run({"x": pixels})["y"]
    np.testing.assert_array_equal(heard, pixels[:, order].astype(np.float32))
    made = open_model(write_package(tmp_path / "out", image_program(space, outputs=True)), threads=1)
    np.testing.assert_array_equal(made.run({"x": pixels[:, order].astype(np.float32)})["y"], pixels)


def test_what_a_model_fills_by_itself_is_left_out(tmp_path: Path) -> None:
    played, samples = play_noise(tmp_path, write_package(tmp_path, gain_of_audio()))
    np.testing.assert_allclose(played.outputs["y"].values, 0.25 * samples, rtol=1e-6)
    assert "gain is optional and left out: the model fills it with 0.25" in played.summary.notices


@pytest.mark.parametrize("program", [True, False])
def test_only_a_shape_that_nothing_tells_is_said_to_be_missing(program: bool, tmp_path: Path) -> None:
    op = Op("reduce_mean", {"x": "x", "keep_dims": np.False_}, "y", shape=())
    message = Program([op], {"y": ("float32", ())}, inputs={"x": ("float32", SHAPE)}).message()
    if not program:
        message.ClearField("mlProgram")
        message.neuralNetwork.layers.add()
    path = write_package(tmp_path, message)
    other = read_other_kind(path)
    (output,) = (read_signatures(path)[0] if other is None else other.signature).outputs
    assert (output.shape, output.note) == ((), "" if program else "of a shape that is not in the file")


def test_a_network_of_flexible_lengths_shows_them(tmp_path: Path) -> None:
    message = leave_open(gain_of_audio())
    message.ClearField("mlProgram")
    message.neuralNetwork.layers.add()
    array = message.description.input[0].type.multiArrayType
    array.ClearField("shapeRange")
    for low, high in ((1, 1), (16, 640)):
        one = array.shapeRange.sizeRanges.add()
        one.lowerBound, one.upperBound = low, high
    found = read_other_kind(write_package(tmp_path, message))
    assert found is not None
    assert [(port.shape, port.note) for port in found.signature.inputs] == [
        ((1, None), "default [1, 64]; allowed: [1, 16…640]"),
        ((1,), "optional, default 0.25"),
    ]


def test_functions_are_counted_in_the_order_in_which_they_are_shown(tmp_path: Path) -> None:
    message = gain_of_audio()
    for name in ("zoom", "amplify"):
        message.mlProgram.functions[name].CopyFrom(message.mlProgram.functions["main"])
        described = message.description.functions.add()
        described.name = name
        described.input.extend(message.description.input)
        described.output.extend(message.description.output)
    del message.mlProgram.functions["main"]
    del message.description.input[:], message.description.output[:]
    message.description.defaultFunctionName = "zoom"
    message.specificationVersion = 9
    found = read_facts(locate_model(str(write_package(tmp_path, message))))
    assert [one.name for one in found.signatures] == ["zoom", "amplify"] == [cost.signature for cost in found.costs]


def test_of_many_shapes_the_first_are_shown(tmp_path: Path) -> None:
    message = leave_open(gain_of_audio())
    array = message.description.input[0].type.multiArrayType
    array.ClearField("shapeRange")
    for length in range(64, 64 + 56):
        array.enumeratedShapes.shapes.add().shape.extend([1, length])
    note = read_signatures(write_package(tmp_path, message))[0].inputs[0].note
    assert note.startswith("default [1, 64]; allowed: one of [1, 64], [1, 65], ")
    assert note.endswith("[1, 71] … (56 in all)")


@pytest.mark.slow
def test_a_classifiers_label_is_one_text_a_window(tmp_path: Path) -> None:
    import coremltools

    path = convert(coremltools, tmp_path, [f"note {place}" for place in range(WINDOW)])
    played, samples = play_noise(tmp_path, path)
    assert played.outputs["classLabel"].values.tolist() == [
        f"note {place}" for place in samples.reshape(3, WINDOW).argmax(axis=1)
    ]
    assert played.summary.outputs[0].dtype == "string"
