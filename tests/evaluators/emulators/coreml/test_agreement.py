"""A model whose description and program disagree is refused when it is loaded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evaluators.emulators.coreml import CoreMLModel
from evaluators.errors import EvaluationError

from .op_calls import CALLS
from .programs import ARRAY_CODES, add_feature, gain, leave_open, set_type, write_package


def described_input(message: Any) -> Any:
    return message.description.input[0].type.multiArrayType


def declared_input(message: Any) -> Any:
    return message.mlProgram.functions["main"].inputs[0]


def resize(array: Any, *shape: int) -> None:
    del array.shape[:]
    array.shape.extend(shape)


def rename(message: Any) -> None:
    message.description.input[0].name = "z"


def add_input(message: Any) -> None:
    add_feature(message.description.input, "z", "float32", (2, 3))


def add_output(message: Any) -> None:
    add_feature(message.description.output, "z", "float32", (2, 3))


def change_size(message: Any) -> None:
    resize(described_input(message), 2, 4)


def change_rank(message: Any) -> None:
    resize(described_input(message), 2, 3, 1)


def lower_rank(message: Any) -> None:
    resize(described_input(message), 6)


def change_kind(message: Any) -> None:
    described_input(message).dataType = ARRAY_CODES["int32"]


def become_list(message: Any) -> None:
    declared_input(message).type.listType.SetInParent()


def become_state(message: Any) -> None:
    set_type(declared_input(message).type.stateType.wrappedType, "float32", (2, 3))


def change_output_size(message: Any) -> None:
    resize(message.description.output[0].type.multiArrayType, 3, 3)


def change_output_kind(message: Any) -> None:
    message.description.output[0].type.multiArrayType.dataType = ARRAY_CODES["int32"]


def range_elsewhere(message: Any) -> None:
    for low, high in ((2, 2), (4, 9)):
        size = described_input(message).shapeRange.sizeRanges.add()
        size.lowerBound, size.upperBound = low, high


def list_others(message: Any) -> None:
    for shape in ((2, 4), (3, 3)):
        described_input(message).enumeratedShapes.shapes.add().shape.extend(shape)


DIFFERENCES: list[tuple[Callable[[Any], None], str]] = [
    (rename, "the program's 'x' is not in the model's description"),
    (add_input, "the model's description has input 'z', which the program lacks"),
    (add_output, "the model's description has output 'z', which the program lacks"),
    (change_size, r"input 'x': has shape \[2, 4\] in the model's description and \[2, 3\] in the program"),
    (change_rank, r"input 'x': has shape \[2, 3, 1\] in the model's description and \[2, 3\] in the program"),
    (lower_rank, r"input 'x': has shape \[6\] in the model's description and \[2, 3\] in the program"),
    (change_kind, "input 'x': is int32 in the model's description and float32 in the program"),
    (become_list, "input 'x': is a list in the program; expected a tensor"),
    (become_state, "input 'x': is a state in the program; expected a tensor"),
    (change_output_size, r"output 'y': has shape \[3, 3\] in the model's description and \[2, 3\] in the program"),
    (change_output_kind, "output 'y': is int32 in the model's description and float32 in the program"),
    (range_elsewhere, r"input 'x': has shape \[2, 4…9\] in the model's description and \[2, 3\] in the program"),
    (list_others, r"input 'x': has shape one of \[2, 4\], \[3, 3\] in the model's description and \[2, 3\]"),
]


def test_what_a_program_returns_beyond_its_description_nobody_gets(tmp_path: Path) -> None:
    """coremltools' debugging tools have programs return values of their own."""
    message = gain().message()
    function = message.mlProgram.functions["main"]
    function.block_specializations[function.opset].outputs.append("x")
    x = np.ones((2, 3), np.float32)
    assert list(CoreMLModel(write_package(tmp_path, message)).predict({"x": x})) == ["y"]


@pytest.mark.parametrize(("change", "message"), DIFFERENCES)
def test_a_difference_is_named(tmp_path: Path, change: Callable[[Any], None], message: str) -> None:
    model = gain().message()
    CoreMLModel(write_package(tmp_path, model, name="good.mlpackage"))
    change(model)
    with pytest.raises(EvaluationError, match=message):
        CoreMLModel(write_package(tmp_path, model))


@pytest.mark.parametrize("part", ["size", "type"])
def test_a_state_is_exactly_what_the_program_declares(tmp_path: Path, part: str) -> None:
    made = CALLS["read_state"].message
    model = type(made).FromString(made.SerializeToString())
    array = model.description.state[0].type.stateType.arrayType
    if part == "size":
        array.shape[0] = 4
    else:
        array.dataType = ARRAY_CODES["float32"]
    with pytest.raises(EvaluationError, match="state 'total': "):
        CoreMLModel(write_package(tmp_path, model))


def test_what_a_range_allows_may_still_be_more_than_the_program_takes(tmp_path: Path) -> None:
    model = gain().message()
    for low, high in ((1, 4), (3, 3)):
        size = described_input(model).shapeRange.sizeRanges.add()
        size.lowerBound, size.upperBound = low, high
    loaded = CoreMLModel(write_package(tmp_path, model))
    assert loaded.predict({"x": np.ones((2, 3), np.float32)})["y"].shape == (2, 3)
    with pytest.raises(EvaluationError, match=r"input 'x': has shape \[4, 3\], the program takes \[2, 3\]"):
        loaded.predict({"x": np.ones((4, 3), np.float32)})


def test_unknown_sizes_agree_with_every_size(tmp_path: Path) -> None:
    loaded = CoreMLModel(write_package(tmp_path, leave_open(gain().message())))
    assert loaded.predict({"x": np.ones((2, 3), np.float32)})["y"].shape == (2, 3)


def test_a_number_without_dimensions_comes_as_one_element(tmp_path: Path) -> None:
    model = gain().message()
    set_type(declared_input(model).type, "float32", ())
    del declared_input(model).type.tensorType.dimensions[:]
    declared_input(model).type.tensorType.rank = 0
    resize(described_input(model), 1)
    block = model.mlProgram.functions["main"].block_specializations["CoreML5"]
    block.operations[0].outputs[0].type.Clear()
    set_type(block.operations[0].outputs[0].type, "float32", ())
    model.description.output[0].type.multiArrayType.ClearField("shape")
    loaded = CoreMLModel(write_package(tmp_path, model))
    np.testing.assert_array_equal(loaded.predict({"x": np.ones(1, np.float32)})["y"], [2.0])
