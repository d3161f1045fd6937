"""ML Programs one after another in one file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evaluators.emulators.coreml import CoreMLModel
from evaluators.emulators.coreml.pipeline import MOST_STAGES, CoreMLPipeline, open_coreml
from evaluators.emulators.coreml.protobuf import load_schema
from evaluators.errors import EvaluationError
from evaluators.targets import open_model
from testpress.inspection.reading import inspect_model
from testpress.model_file import locate_model

from .programs import Op, Program, add_feature, gain, write_package

pytestmark = pytest.mark.coreml

SHAPE = (2, 3)
X = np.arange(6, dtype=np.float32).reshape(SHAPE)


def _added(first: str, second: str, name: str) -> Program:
    op = Op("add", {"x": first, "y": second}, name, shape=SHAPE)
    inputs = dict.fromkeys((first, second), ("float32", SHAPE))
    return Program([op], {name: ("float32", SHAPE)}, inputs)


def _pipeline(*stages: Program, inputs: tuple[str, ...] = ("x",), outputs: tuple[str, ...] = ("z",)) -> Any:
    message = load_schema().model.Model()
    message.specificationVersion = 6
    for name in inputs:
        add_feature(message.description.input, name, "float32", SHAPE)
    for name in outputs:
        add_feature(message.description.output, name, "float32", SHAPE)
    message.pipeline.SetInParent()
    for stage in stages:
        message.pipeline.models.add().CopyFrom(stage.message())
    return message


def test_each_stage_is_given_what_the_ones_before_it_made(tmp_path: Path) -> None:
    """`z = x + 3 x`: the second stage reads the first one's output and the pipeline's own input."""
    path = write_package(tmp_path, _pipeline(gain(3.0), _added("x", "y", "z"), outputs=("z", "y")))
    model = open_coreml(path)
    assert isinstance(model, CoreMLPipeline)
    found = model.predict({"x": X})
    assert list(found) == ["z", "y"]
    np.testing.assert_array_equal(found["z"], 4 * X)
    np.testing.assert_array_equal(found["y"], 3 * X)
    emulator = open_model(path)
    assert (emulator.inputs["x"].shape, list(emulator.outputs)) == (SHAPE, ["z", "y"])
    np.testing.assert_array_equal(emulator.run({"x": X})["z"], 4 * X)


def test_a_single_program_is_opened_as_before(tmp_path: Path) -> None:
    model = open_coreml(write_package(tmp_path, gain()))
    assert isinstance(model, CoreMLModel)
    np.testing.assert_array_equal(model.predict({"x": X})["y"], 2 * X)


def _stateful() -> Any:
    message = _pipeline(gain(), _added("x", "y", "z"))
    message.pipeline.models[0].CopyFrom(gain(states={"s": ("float16", SHAPE)}).message())
    return message


def _network() -> Any:
    message = _pipeline(gain(), _added("x", "y", "z"))
    message.pipeline.models[1].neuralNetwork.SetInParent()
    return message


@pytest.mark.parametrize(
    ("message", "fault"),
    [
        (lambda: _pipeline(_added("x", "y", "z"), gain()), "model 1 of the pipeline: reads 'y', which nothing before"),
        (lambda: _pipeline(gain(), outputs=("w",)), "promises output 'w', which no stage of the pipeline makes"),
        (_pipeline, f"is a pipeline of 0 models; right is 1 to {MOST_STAGES}"),
        (
            lambda: _pipeline(*[gain()] * (MOST_STAGES + 1), outputs=("y",)),
            f"is a pipeline of {MOST_STAGES + 1} models",
        ),
        (_stateful, "model 1 of the pipeline: has states, which a pipeline does not keep"),
        (_network, "model 2 of the pipeline: holds a model of type neuralNetwork; the emulator runs mlProgram"),
        (
            lambda: _pipeline(
                gain(), Program([Op("no_such_op", {"x": "y"}, "z", shape=SHAPE)], {"z": ("float32", SHAPE)})
            ),
            "model 2 of the pipeline: ",
        ),
    ],
)
def test_what_does_not_fit_together_is_refused_with_its_place(
    message: Callable[[], Any], fault: str, tmp_path: Path
) -> None:
    path = write_package(tmp_path, message())
    with pytest.raises(EvaluationError) as caught:
        open_coreml(path)
    assert str(caught.value).startswith(f"{path}: {fault}")
    assert str(caught.value).count(str(path)) == 1


@pytest.mark.parametrize(
    ("inputs", "message"),
    [({}, "input 'x' is missing"), ({"x": X, "q": X}, "has no input 'q'"), ({"x": X.T}, "has shape")],
)
def test_bad_inputs_are_named(inputs: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match=message):
        open_coreml(write_package(tmp_path, _pipeline(gain(), _added("x", "y", "z")))).predict(inputs)


def test_inspect_tries_a_pipeline_of_programs(tmp_path: Path) -> None:
    """Its ops are not counted; that it plays is known all the same."""
    found = inspect_model(locate_model(str(write_package(tmp_path, _pipeline(gain(3.0), _added("x", "y", "z"))))))
    assert (found.kind, found.macs) == ("pipeline of mlProgram, mlProgram", None)
    assert found.runtime is not None and found.not_playable is None
    other = inspect_model(locate_model(str(write_package(tmp_path, _network(), name="other.mlpackage"))))
    assert other.runtime is None
    assert str(other.not_playable).startswith("holds a pipeline of mlProgram, neuralNetwork; what is run")
