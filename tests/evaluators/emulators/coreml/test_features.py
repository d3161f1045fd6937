"""What goes into a model and comes out of it: arrays, pictures, labels, dictionaries; shapes that may change."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evaluators.emulators.coreml import CoreMLModel
from evaluators.errors import EvaluationError
from evaluators.targets import open_model
from tests.evaluators.emulators.coreml.programs import Op, Program, gain, leave_open, write_package

RNG = np.random.default_rng(5)
pytestmark = pytest.mark.usefixtures("own_draws")
SPACES = {"GRAYSCALE": (10, 1), "RGB": (20, 3), "BGR": (30, 3), "GRAYSCALE_FLOAT16": (40, 1)}

Image = pytest.importorskip("PIL.Image")


def image_program(space: str, *, rank: int = 4, outputs: bool = False) -> Any:
    """`y = x`, where x, or y, is a picture of 5 x 4 pixels."""
    code, channels = SPACES[space]
    shape = (1, channels, 4, 5)[4 - rank :]
    op = Op("identity", {"x": "x"}, "y", shape=shape)
    message = Program([op], {"y": ("float32", shape)}, inputs={"x": ("float32", shape)}).message()
    features = message.description.output if outputs else message.description.input
    image = features[0].type.imageType
    image.width, image.height, image.colorSpace = 5, 4, code
    return message


def load(folder: Path, message: Any) -> CoreMLModel:
    return CoreMLModel(write_package(folder, message))


def pixels(channels: int) -> np.ndarray:
    shape = (4, 5) if channels == 1 else (4, 5, channels)
    return RNG.integers(0, 256, shape).astype(np.uint8)


class TestPictures:
    @pytest.mark.parametrize("rank", [3, 4])
    def test_channels_come_first_and_in_the_declared_order(self, tmp_path: Path, rank: int) -> None:
        colour = pixels(3)
        for space, order in (("RGB", [0, 1, 2]), ("BGR", [2, 1, 0])):
            y = load(tmp_path / space, image_program(space, rank=rank)).predict({"x": Image.fromarray(colour)})["y"]
            expected = colour.transpose(2, 0, 1)[order].astype(np.float32)
            np.testing.assert_array_equal(y, expected.reshape((1, 3, 4, 5)[4 - rank :]))

    def test_grey_is_one_channel(self, tmp_path: Path) -> None:
        grey = pixels(1)
        y = load(tmp_path, image_program("GRAYSCALE")).predict({"x": Image.fromarray(grey)})["y"]
        np.testing.assert_array_equal(y, grey[None, None].astype(np.float32))

    def test_half_float_grey_is_rounded_to_float16(self, tmp_path: Path) -> None:
        grey = RNG.random((4, 5), np.float32)
        y = load(tmp_path, image_program("GRAYSCALE_FLOAT16")).predict({"x": Image.fromarray(grey)})["y"]
        np.testing.assert_array_equal(y[0, 0], grey.astype(np.float16).astype(np.float32))

    @pytest.mark.parametrize("space", ["RGB", "BGR"])
    def test_a_colour_output_is_rounded_cut_off_and_opaque(self, tmp_path: Path, space: str) -> None:
        model = load(tmp_path, image_program(space, outputs=True))
        x = np.zeros((1, 3, 4, 5), np.float32)
        x[0, :, 0, 0], x[0, :, 1, 2] = (300, -4, 12.6), (np.nan, np.inf, 254.4)
        image = model.predict({"x": x})["y"]
        first, second = (image.getpixel((0, 0)), image.getpixel((2, 1)))
        assert (image.mode, image.size) == ("RGBA", (5, 4))
        order = [0, 1, 2] if space == "RGB" else [2, 1, 0]
        assert first == (*(np.array([255, 0, 13])[order]), 255)
        assert second == (*(np.array([0, 255, 254])[order]), 255)

    def test_grey_outputs_keep_their_modes(self, tmp_path: Path) -> None:
        x = RNG.random((1, 1, 4, 5), np.float32) * 200
        level = load(tmp_path / "a", image_program("GRAYSCALE", outputs=True)).predict({"x": x})["y"]
        half = load(tmp_path / "b", image_program("GRAYSCALE_FLOAT16", outputs=True)).predict({"x": x})["y"]
        assert (level.mode, half.mode) == ("L", "F")
        np.testing.assert_array_equal(np.asarray(level), np.rint(x[0, 0]).astype(np.uint8))
        np.testing.assert_array_equal(np.asarray(half), x[0, 0].astype(np.float16).astype(np.float32))

    def test_an_output_that_is_no_picture_is_refused(self, tmp_path: Path) -> None:
        message = leave_open(image_program("RGB", outputs=True))
        message.description.output[0].type.imageType.colorSpace = 10
        with pytest.raises(EvaluationError, match=r"output 'y': has shape \[1, 3, 4, 5\], expected \[1, 1, height"):
            load(tmp_path, message).predict({"x": np.zeros((1, 3, 4, 5), np.float32)})

    @pytest.mark.parametrize(
        ("given", "message"),
        [
            (np.zeros((4, 5, 3), np.uint8), "input 'x': is ndarray, expected a PIL image of mode RGB"),
            (Image.new("L", (5, 4)), r"input 'x': has mode L, expected RGB \(RGB\)"),
            (Image.new("RGB", (4, 5)), r"input 'x': is 4 x 5 pixels \(width x height\), expected 5 x 4"),
        ],
    )
    def test_a_wrong_picture_is_refused(self, tmp_path: Path, given: Any, message: str) -> None:
        with pytest.raises(EvaluationError, match=message):
            load(tmp_path, image_program("RGB")).predict({"x": given})

    def test_sizes_may_be_a_range_or_a_list(self, tmp_path: Path) -> None:
        ranged, listed = (leave_open(image_program("GRAYSCALE")) for _ in range(2))
        sizes = ranged.description.input[0].type.imageType.imageSizeRange
        sizes.widthRange.lowerBound, sizes.widthRange.upperBound = 5, -1
        sizes.heightRange.lowerBound, sizes.heightRange.upperBound = 1, 4
        for width, height in ((5, 4), (7, 3)):
            size = listed.description.input[0].type.imageType.enumeratedSizes.sizes.add()
            size.width, size.height = width, height
        flexible, fixed = load(tmp_path / "a", ranged), load(tmp_path / "b", listed)
        assert flexible.predict({"x": Image.new("L", (9, 2))})["y"].shape == (1, 1, 2, 9)
        assert fixed.predict({"x": Image.new("L", (7, 3))})["y"].shape == (1, 1, 3, 7)
        with pytest.raises(EvaluationError, match=r"is 4 x 4 pixels .*, expected 5… x 1…4"):
            flexible.predict({"x": Image.new("L", (4, 4))})
        with pytest.raises(EvaluationError, match=r"is 5 x 3 pixels .*, expected one of 5 x 4, 7 x 3"):
            fixed.predict({"x": Image.new("L", (5, 3))})

    def test_a_missing_picture_is_asked_for_by_kind_and_size(self, tmp_path: Path) -> None:
        with pytest.raises(EvaluationError, match=r"input 'x' is missing \(image BGR 5 x 4\)"):
            load(tmp_path, image_program("BGR")).predict({})


class TestArrays:
    @pytest.mark.parametrize("dtype", [np.float16, np.float64, np.int32, np.int64, np.bool_])
    def test_what_a_multi_array_holds_is_converted(self, tmp_path: Path, dtype: Any) -> None:
        x = np.array([[0, 1, 1], [1, 0, 1]], dtype)
        np.testing.assert_array_equal(load(tmp_path, gain()).predict({"x": x})["y"], 2.0 * x)

    @pytest.mark.parametrize("dtype", [np.int16, np.int8, np.uint8, np.uint16])
    def test_narrow_integers_are_not_taken_for_floats(self, tmp_path: Path, dtype: Any) -> None:
        with pytest.raises(EvaluationError, match=f"has dtype {np.dtype(dtype)}, expected float32"):
            load(tmp_path, gain()).predict({"x": np.ones((2, 3), dtype)})

    def test_rows_of_several_lengths_are_refused(self, tmp_path: Path) -> None:
        with pytest.raises(EvaluationError, match="input 'x': is no array: its rows differ in length"):
            load(tmp_path, gain()).predict({"x": [[1.0], [2.0, 3.0]]})

    def test_a_number_without_dimensions_comes_and_goes_as_one_element(self, tmp_path: Path) -> None:
        op = Op("mul", {"x": "x", "y": np.float32(3)}, "y", shape=())
        program = Program([op], {"y": ("float32", ())}, inputs={"x": ("float32", ())}).message()
        program.description.input[0].type.multiArrayType.shape.append(1)
        y = load(tmp_path, program).predict({"x": np.array([2.0], np.float32)})["y"]
        assert (y.shape, y.tolist()) == ((1,), [6.0])


def convert(coremltools: Any, folder: Path, labels: list[Any]) -> Path:
    torch = pytest.importorskip("torch")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # coremltools warns of every version
        traced = torch.jit.trace(torch.nn.Softmax(dim=-1).eval(), torch.zeros(1, len(labels)))
        model = coremltools.convert(
            traced,
            inputs=[coremltools.TensorType(name="x", shape=(1, len(labels)))],
            classifier_config=coremltools.ClassifierConfig(labels),
            compute_precision=coremltools.precision.FLOAT32,
            skip_model_load=True,
        )
        path = folder / "classifier.mlpackage"
        model.save(str(path))
    return path


@pytest.mark.slow
class TestClassifiers:
    @pytest.mark.parametrize("labels", [["speech", "music", "</script>"], [7, -1, 2**40]], ids=["text", "number"])
    def test_label_and_probabilities(self, tmp_path: Path, coremltools: Any, labels: list[Any]) -> None:
        path = convert(coremltools, tmp_path, labels)
        x = np.array([[0.0, 1.0, -1.0]], np.float32)
        outputs = CoreMLModel(path).predict({"x": x})
        expected = np.exp(x[0].astype(np.float64)) / np.exp(x[0].astype(np.float64)).sum()
        label, probabilities = outputs["classLabel"], outputs["classLabel_probs"]
        assert label == labels[1]
        assert type(label) is type(labels[1])
        assert list(probabilities) == labels
        np.testing.assert_allclose(list(probabilities.values()), expected, rtol=1e-6)

    def test_evaluations_get_arrays_in_the_order_of_the_labels(self, tmp_path: Path, coremltools: Any) -> None:
        path = convert(coremltools, tmp_path, ["speech", "music"])
        outputs = open_model(path, threads=1).run({"x": np.array([[2.0, 0.0]], np.float32)})
        assert outputs["classLabel"].tolist() == ["speech"]
        assert outputs["classLabel_probs"].argmax() == 0

    def test_the_first_of_equals_wins(self, tmp_path: Path, coremltools: Any) -> None:
        path = convert(coremltools, tmp_path, ["a", "b", "c"])
        assert CoreMLModel(path).predict({"x": np.zeros((1, 3), np.float32)})["classLabel"] == "a"


@pytest.mark.slow
class TestFlexibleShapes:
    @pytest.fixture
    def make(self, tmp_path: Path, coremltools: Any) -> Callable[[Any], CoreMLModel]:
        torch = pytest.importorskip("torch")

        def convert_with(shape: Any) -> CoreMLModel:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                layer = torch.nn.Conv1d(1, 2, 3, padding=1).eval()
                torch.nn.init.constant_(layer.weight, 1.0)
                torch.nn.init.zeros_(layer.bias)
                traced = torch.jit.trace(layer, torch.zeros(1, 1, 10))
                model = coremltools.convert(
                    traced,
                    inputs=[coremltools.TensorType(name="x", shape=shape)],
                    outputs=[coremltools.TensorType(name="y")],
                    compute_precision=coremltools.precision.FLOAT32,
                    skip_model_load=True,
                )
                path = tmp_path / "flexible.mlpackage"
                model.save(str(path))
            return CoreMLModel(path)

        return convert_with

    @staticmethod
    def expected(x: np.ndarray) -> np.ndarray:
        return np.stack([np.convolve(x[0, 0], np.ones(3), "same")] * 2)[None].astype(np.float32)

    def test_a_range(self, make: Callable[[Any], CoreMLModel], coremltools: Any) -> None:
        model = make((1, 1, coremltools.RangeDim(4, 40, default=10)))
        for length in (4, 10, 40):
            x = RNG.standard_normal((1, 1, length)).astype(np.float32)
            np.testing.assert_allclose(model.predict({"x": x})["y"], self.expected(x), atol=1e-5)
        with pytest.raises(EvaluationError, match=r"has shape \[1, 1, 41\], expected \[1, 1, 4…40\]"):
            model.predict({"x": np.zeros((1, 1, 41), np.float32)})

    def test_a_list(self, make: Callable[[Any], CoreMLModel], coremltools: Any) -> None:
        model = make(coremltools.EnumeratedShapes(shapes=[(1, 1, 8), (1, 1, 16)], default=(1, 1, 8)))
        for length in (8, 16):
            x = RNG.standard_normal((1, 1, length)).astype(np.float32)
            np.testing.assert_allclose(model.predict({"x": x})["y"], self.expected(x), atol=1e-5)
        with pytest.raises(EvaluationError, match=r"expected one of \[1, 1, 8\], \[1, 1, 16\]"):
            model.predict({"x": np.zeros((1, 1, 9), np.float32)})


class TestFunctions:
    @staticmethod
    def message(default: str) -> Any:
        """Two functions: double doubles, triple trebles."""
        message = gain(2.0).message()
        function = message.mlProgram.functions.pop("main")
        message.mlProgram.functions["double"].CopyFrom(function)
        message.mlProgram.functions["triple"].CopyFrom(gain(3.0).message().mlProgram.functions["main"])
        for name in ("double", "triple"):
            described = message.description.functions.add()
            described.name = name
            described.input.extend(message.description.input)
            described.output.extend(message.description.output)
        del message.description.input[:], message.description.output[:]
        message.description.defaultFunctionName = default
        return message

    def test_each_runs_by_name_and_the_default_without(self, tmp_path: Path) -> None:
        path = write_package(tmp_path, self.message("triple"))
        x = np.ones((2, 3), np.float32)
        for name, factor in (("double", 2.0), ("triple", 3.0), ("main", 3.0)):
            np.testing.assert_array_equal(CoreMLModel(path, function_name=name).predict({"x": x})["y"], factor * x)
        assert CoreMLModel(path).function_name == "triple"

    def test_another_name_is_refused(self, tmp_path: Path) -> None:
        path = write_package(tmp_path, self.message("double"))
        with pytest.raises(EvaluationError, match="has no function 'half'; it has: double, triple"):
            CoreMLModel(path, function_name="half")
