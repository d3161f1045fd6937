"""Choices and loops in whole programs: nested blocks, what they see, and loops that never end."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from evaluators.emulators.coreml import CoreMLModel
from evaluators.emulators.coreml.ops import find_op
from evaluators.emulators.coreml.ops.control_flow import fewer_iterations
from evaluators.errors import EvaluationError

from .programs import Op, Program, add_loop, add_op, write_package

X = np.arange(6, dtype=np.float32).reshape(2, 3)
OUT = {"y": ("float32", (2, 3))}
ONE, ZERO = np.int32(1), np.int32(0)


def loop(tmp_path: Path, limit: Any, body: Sequence[Op] | None = None, output: str = "twice") -> CoreMLModel:
    """`y`: x after the body, which doubles it unless told otherwise, was applied for i = 0 … limit - 1."""
    program = Program([], OUT, {"x": ("float32", (2, 3)), "n": ("int32", (1,))})
    message = program.message()
    block = message.mlProgram.functions["main"].block_specializations["CoreML5"]
    add_op(block, Op("squeeze", {"x": "n"}, "limit", "int32"))
    add_loop(
        block,
        {"i": (ZERO, "int32", ()), "value": ("x", "float32", (2, 3))},
        [Op("less", {"x": "i", "y": limit}, "more", "bool")],
        [
            *(body or [Op("add", {"x": "value", "y": "value"}, "twice", shape=(2, 3))]),
            Op("add", {"x": "i", "y": ONE}, "next", "int32"),
        ],
        ["next", output],
        ["rounds", "y"],
    )
    return CoreMLModel(write_package(tmp_path, message))


@pytest.mark.parametrize("rounds", [0, 1, 5])
def test_while_loop(tmp_path: Path, rounds: int) -> None:
    found = loop(tmp_path, "limit").predict({"x": X, "n": np.array([rounds], np.int32)})["y"]
    np.testing.assert_array_equal(found, X * 2**rounds)


def test_a_body_sees_what_is_around_the_loop(tmp_path: Path) -> None:
    """x is read in the body without being a variable of the loop."""
    model = loop(tmp_path, "limit", [Op("add", {"x": "value", "y": "x"}, "sum", shape=(2, 3))], "sum")
    np.testing.assert_array_equal(model.predict({"x": X, "n": np.array([3], np.int32)})["y"], 4 * X)


def test_an_endless_loop_ends_with_an_error(tmp_path: Path) -> None:
    model = loop(tmp_path, np.int32(2**31 - 1))
    message = r"model.mlpackage: op while_loop \(op_\): still loops after 1,000 iterations; it is taken for endless$"
    with fewer_iterations(1000), pytest.raises(EvaluationError, match=message):
        model.predict({"x": X * 0, "n": np.array([0], np.int32)})


def test_a_loop_may_take_all_the_rounds_there_are(tmp_path: Path) -> None:
    model = loop(tmp_path, "limit")
    for _ in range(3):  # each run has its own count, also after one that failed
        with fewer_iterations(10):
            np.testing.assert_array_equal(model.predict({"x": X, "n": np.array([10], np.int32)})["y"], X * 1024)
            with pytest.raises(EvaluationError, match="after 10 iterations"):
                model.predict({"x": X, "n": np.array([11], np.int32)})


def nested(tmp_path: Path) -> CoreMLModel:
    """`y = x + n²`, counted one by one in a loop inside a loop."""
    message = Program([], OUT, {"x": ("float32", (2, 3)), "n": ("int32", (1,))}).message()
    block = message.mlProgram.functions["main"].block_specializations["CoreML5"]
    add_op(block, Op("squeeze", {"x": "n"}, "limit", "int32"))
    outer = add_loop(
        block,
        {"i": (ZERO, "int32", ()), "value": ("x", "float32", (2, 3))},
        [Op("less", {"x": "i", "y": "limit"}, "more", "bool")],
        [Op("add", {"x": "i", "y": ONE}, "next", "int32")],
        ["next", "sum"],
        ["rounds", "y"],
    )
    add_loop(
        outer.blocks[1],
        {"j": (ZERO, "int32", ()), "part": ("value", "float32", (2, 3))},
        [Op("less", {"x": "j", "y": "limit"}, "more_inside", "bool")],
        [
            Op("add", {"x": "part", "y": np.float32(1)}, "grown", shape=(2, 3)),
            Op("add", {"x": "j", "y": ONE}, "next_inside", "int32"),
        ],
        ["next_inside", "grown"],
        ["rounds_inside", "sum"],
    )
    return CoreMLModel(write_package(tmp_path, message))


def test_loops_inside_loops(tmp_path: Path) -> None:
    model, inputs = nested(tmp_path), {"x": X, "n": np.array([4], np.int32)}
    np.testing.assert_array_equal(model.predict(inputs)["y"], X + 16)
    place = r"op 1 \(rounds\): block 1: op while_loop \(op_\): still loops after 19 iterations"
    with fewer_iterations(19), pytest.raises(EvaluationError, match=place):
        model.predict(inputs)  # 4 rounds outside and 16 inside count together
    with fewer_iterations(20):
        np.testing.assert_array_equal(model.predict(inputs)["y"], X + 16)


def choice(tmp_path: Path, pred: Any, extra: Sequence[Op] = (), first: Sequence[Op] | None = None) -> CoreMLModel:
    """`2 x` where `pred` holds, else `-x`."""
    yes = first or [Op("mul", {"x": "x", "y": np.float32(2)}, "a", shape=(2, 3))]
    no = [Op("mul", {"x": "x", "y": np.float32(-1)}, "b", shape=(2, 3))]
    ops = [*extra, Op("cond", {"pred": pred}, "y", shape=(2, 3), blocks=[(yes, ["a"]), (no, ["b"])])]
    return CoreMLModel(write_package(tmp_path, Program(ops, OUT)))


def test_cond(tmp_path: Path) -> None:
    extra = [
        Op("reduce_sum", {"x": "x"}, "sum"),
        Op("greater", {"x": "sum", "y": np.float32(0)}, "positive", "bool"),
    ]
    model = choice(tmp_path, "positive", extra)
    np.testing.assert_array_equal(model.predict({"x": X})["y"], 2 * X)
    np.testing.assert_array_equal(model.predict({"x": -X})["y"], X)


@pytest.mark.parametrize(("pred", "factor"), [(True, 2), (False, -1)])
def test_cond_on_a_constant(tmp_path: Path, pred: bool, factor: int) -> None:
    model = choice(tmp_path, np.bool_(pred))
    np.testing.assert_array_equal(model.predict({"x": X})["y"], factor * X)


def test_a_choice_between_constants_is_made_at_each_call(tmp_path: Path) -> None:
    """A block may draw random numbers, so the op is not folded although nothing goes in."""
    draws = [Op("random_normal", {"shape": np.array([2, 3])}, "a", shape=(2, 3))]
    model = choice(tmp_path, np.bool_(True), first=draws)
    assert not np.array_equal(model.predict({"x": X})["y"], model.predict({"x": X})["y"])


def test_a_fault_in_a_block_names_its_place(tmp_path: Path) -> None:
    faulty = [Op("matmul", {"x": "x", "y": "x"}, "a", shape=(2, 3))]
    model = choice(tmp_path, np.bool_(True), first=faulty)
    message = r"model.mlpackage: op 0 \(y\): block 0: op matmul \(op_a\) failed: RuntimeError: mat1 and mat2"
    with pytest.raises(EvaluationError, match=message):
        model.predict({"x": X})


def test_an_ops_own_complaint_names_its_place(tmp_path: Path) -> None:
    faulty = [
        Op("make_list", {"elem_shape": [np.int32(2), np.int32(3)]}, "ls"),
        Op("list_read", {"ls": "ls", "index": np.int32(4)}, "a", shape=(2, 3)),
    ]
    with pytest.raises(EvaluationError, match=r"op 0 \(y\): block 0: op list_read \(op_a\): reads element 4 of a list"):
        choice(tmp_path, np.bool_(True), first=faulty)


def test_select_broadcasts_and_takes_no_part_in_what_it_leaves() -> None:
    select = find_op("select", "CoreML5", where="test").function
    a, b = torch.tensor([[1.0], [float("nan")]]), torch.tensor([2.0, 3.0, 4.0])
    chosen = torch.tensor([[True, False, True], [False, False, False]])
    torch.testing.assert_close(select(chosen, a, b), torch.tensor([[1.0, 3.0, 1.0], [2.0, 3.0, 4.0]]))


@pytest.mark.coreml
@pytest.mark.slow
def test_cond_and_loop_as_coremltools_writes_them(run_mil: Any) -> None:
    """Halves x until its sum is below 1, then adds or subtracts 1 by the sign of the first element."""

    def body(mb: Any, x: Any) -> Any:
        small = mb.while_loop(
            _cond=lambda value: mb.greater(x=mb.reduce_sum(x=mb.abs(x=value)), y=1.0),
            _body=lambda value: (mb.mul(x=value, y=0.5),),
            loop_vars=(x,),
        )
        first = mb.slice_by_index(x=x, begin=[0], end=[1], squeeze_mask=[True])
        return mb.cond(
            pred=mb.greater(x=first, y=0.0),
            _true_fn=lambda: mb.add(x=small, y=1.0),
            _false_fn=lambda: mb.sub(x=small, y=1.0),
        )

    x = np.array([-3, 4, 0.5], np.float32)
    np.testing.assert_array_equal(run_mil(body, {"x": x})[0], x / 8 - 1)
