"""Loops do no more than they must: what stays the same is computed once, and buffers nobody else has are written to.

Every program here is also computed by numpy, or says by a number of rounds what it must give.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from evaluators.emulators.coreml import CoreMLModel, plan
from evaluators.errors import EvaluationError

from .programs import Op, Program, Text, add_loop, add_op, write_package

X = np.arange(1, 7, dtype=np.float32).reshape(2, 3)
BUFFER = np.zeros((5, 2, 3), np.float32)
ZERO, ONE = np.int32(0), np.int32(1)

Variables = Mapping[str, tuple[Any, str, tuple[int, ...]]]


def looped(
    tmp_path: Path,
    body: Sequence[Op],
    *,
    variables: Variables,
    ends: Sequence[str],
    before: Sequence[Op] = (),
    after: Sequence[Op] = (),
    outputs: Mapping[str, tuple[str, tuple[int, ...]]] | None = None,
    **changes: Any,
) -> CoreMLModel:
    """A program that runs `body` for i = 0 … n - 1; `variables` are as for `add_loop`, `name_end` is one after it."""
    inputs = {"x": ("float32", (2, 3)), "n": ("int32", (1,))}
    shown = outputs or {f"{name}_end": (dtype, shape) for name, (_, dtype, shape) in variables.items()}
    opset = changes.get("opset", "CoreML5")
    message = Program([], shown, inputs, **changes).message()
    block = message.mlProgram.functions["main"].block_specializations[opset]
    for op in (Op("squeeze", {"x": "n"}, "limit", "int32"), *before):
        add_op(block, op)
    add_loop(
        block,
        {"i": (ZERO, "int32", ()), **variables},
        [Op("less", {"x": "i", "y": "limit"}, "more", "bool")],
        [*body, Op("add", {"x": "i", "y": ONE}, "next", "int32")],
        ["next", *ends],
        ["i_end", *(f"{name}_end" for name in variables)],
    )
    for op in after:
        add_op(block, op)
    return CoreMLModel(write_package(tmp_path, message))


def run(model: CoreMLModel, rounds: int, x: np.ndarray = X) -> dict[str, np.ndarray]:
    return model.predict({"x": x, "n": np.array([rounds], np.int32)})


CUMSUM = np.cumsum
"""as it is before it is watched"""


@pytest.fixture
def sums(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What numpy's cumsum was called with."""
    calls: list[Any] = []

    def counted(x: np.ndarray, *arguments: Any, **more: Any) -> np.ndarray:
        calls.append(x)
        return CUMSUM(x, *arguments, **more)

    monkeypatch.setattr(np, "cumsum", counted)
    return calls


VALUE: Variables = {"value": ("x", "float32", (2, 3))}
RUNNING = Op("cumsum", {"x": "x", "axis": ONE}, "running", shape=(2, 3))
HALVED = Op("mul", {"x": "running", "y": np.float32(0.5)}, "halved", shape=(2, 3))
GROWN = Op("add", {"x": "value", "y": "halved"}, "grown", shape=(2, 3))


@pytest.mark.parametrize(("rounds", "times"), [(0, 0), (1, 1), (7, 1)])
def test_what_a_round_does_not_change_is_computed_once(
    tmp_path: Path, sums: list[Any], rounds: int, times: int
) -> None:
    model = looped(tmp_path, [RUNNING, HALVED, GROWN], variables=VALUE, ends=["grown"])
    for run_number in (1, 2):  # and once more in the next run, whose x may be another
        x = X * run_number
        np.testing.assert_array_equal(run(model, rounds, x)["value_end"], x + rounds * 0.5 * CUMSUM(x, 1))
        assert len(sums) == times * run_number


def test_what_a_round_changes_is_computed_each_time(tmp_path: Path, sums: list[Any]) -> None:
    summed = Op("cumsum", {"x": "value", "axis": ONE}, "summed", shape=(2, 3))
    found = run(looped(tmp_path, [summed], variables=VALUE, ends=["summed"]), 3)["value_end"]
    np.testing.assert_array_equal(found, CUMSUM(CUMSUM(CUMSUM(X, 1), 1), 1))
    assert len(sums) == 3


def test_a_variable_may_take_a_value_that_stays(tmp_path: Path) -> None:
    model = looped(tmp_path, [RUNNING], variables=VALUE, ends=["running"])
    np.testing.assert_array_equal(run(model, 0)["value_end"], X)
    np.testing.assert_array_equal(run(model, 4)["value_end"], CUMSUM(X, 1))


BROKEN = Op("matmul", {"x": "x", "y": "x"}, "broken", shape=(2, 3))


def test_an_op_in_a_body_that_never_runs_does_not_fail(tmp_path: Path) -> None:
    model = looped(tmp_path, [BROKEN], variables=VALUE, ends=["broken"])
    np.testing.assert_array_equal(run(model, 0)["value_end"], X)
    with pytest.raises(EvaluationError, match=r"block 1: op matmul \(op_broken\) failed"):
        run(model, 1)


def test_the_first_op_to_fail_is_named(tmp_path: Path) -> None:
    earlier = Op("reshape", {"x": "value", "shape": np.array([5])}, "shaped", shape=(5,))
    with pytest.raises(EvaluationError, match=r"block 1: op reshape \(op_shaped\) failed"):
        run(looped(tmp_path, [earlier, BROKEN], variables=VALUE, ends=["broken"]), 1)


def test_random_numbers_are_drawn_each_round(tmp_path: Path) -> None:
    draw = Op("random_normal", {"shape": np.array([2, 3])}, "draw", shape=(2, 3))
    change = Op("sub", {"x": "draw", "y": "value"}, "change", shape=(2, 3))
    model = looped(tmp_path, [draw, change], variables=VALUE, ends=["change"])
    assert np.abs(run(model, 2, X * 0)["value_end"]).min() > 0


def test_state_is_read_and_written_each_round(tmp_path: Path) -> None:
    body = [
        Op("read_state", {"input": "s"}, "held", shape=(2, 3)),
        Op("add", {"x": "held", "y": "x"}, "more_held", shape=(2, 3)),
        Op("write_state", {"input": "s", "data": "more_held"}, ""),
    ]
    states = {"s": ("float16", (2, 3))}
    model = looped(tmp_path, body, variables=VALUE, ends=["more_held"], opset="CoreML8", states=states)
    state, inputs = model.make_state(), {"x": X, "n": np.array([4], np.int32)}
    np.testing.assert_array_equal(model.predict(inputs, state)["value_end"], 4 * X)
    np.testing.assert_array_equal(model.predict(inputs, state)["value_end"], 8 * X)
    np.testing.assert_array_equal(state.read("s"), 8 * X)


def test_an_inner_loop_sees_each_value_of_the_outer_one(tmp_path: Path, sums: list[Any]) -> None:
    """Two rounds inside, each adding a sum over the outer variable, which stays the same inside only."""
    inputs = {"x": ("float32", (2, 3)), "n": ("int32", (1,))}
    message = Program([], {"y": ("float32", (2, 3))}, inputs).message()
    block = message.mlProgram.functions["main"].block_specializations["CoreML5"]
    add_op(block, Op("squeeze", {"x": "n"}, "limit", "int32"))
    outer = add_loop(
        block,
        {"i": (ZERO, "int32", ()), **VALUE},
        [Op("less", {"x": "i", "y": "limit"}, "more", "bool")],
        [Op("add", {"x": "i", "y": ONE}, "next", "int32")],
        ["next", "part_end"],
        ["i_end", "y"],
    )
    add_loop(
        outer.blocks[1],
        {"j": (ZERO, "int32", ()), "part": ("value", "float32", (2, 3))},
        [Op("less", {"x": "j", "y": np.int32(2)}, "more_inside", "bool")],
        [
            Op("cumsum", {"x": "value", "axis": ONE}, "summed", shape=(2, 3)),
            Op("add", {"x": "part", "y": "summed"}, "part_next", shape=(2, 3)),
            Op("add", {"x": "j", "y": ONE}, "next_inside", "int32"),
        ],
        ["next_inside", "part_next"],
        ["j_end", "part_end"],
    )
    expected = X
    for _ in range(3):
        expected = expected + 2 * CUMSUM(expected, 1)
    np.testing.assert_array_equal(run(CoreMLModel(write_package(tmp_path, message)), 3)["y"], expected)
    assert len(sums) == 3


FRAMES: Variables = {"frames": ("buffer", "float32", (5, 2, 3))}
START = Op("const", {"val": BUFFER}, "buffer", shape=(5, 2, 3))
TAKE = Op("gather", {"x": "frames", "indices": "i", "axis": ZERO}, "taken", shape=(2, 3))
STEP = Op("add", {"x": "taken", "y": "x"}, "stepped", shape=(2, 3))
AFTER = Op("add", {"x": "i", "y": ONE}, "place", "int32")


def put(data: str = "frames", output: str = "placed", updates: str = "stepped") -> Op:
    inputs = {"data": data, "indices": "place", "updates": updates, "axis": ZERO, "mode": Text("add")}
    return Op("scatter", inputs, output, shape=(5, 2, 3))


def filled(rounds: int, x: np.ndarray = X, start: np.ndarray = BUFFER) -> np.ndarray:
    """Frame i + 1 grows by frame i and x."""
    frames = start.copy()
    for i in range(rounds):
        frames[i + 1] += frames[i] + x
    return frames


@pytest.fixture
def reuses(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether each op that could write into its input did."""
    found: list[bool] = []
    is_alone = plan.is_alone

    def noted(slots: Sequence[Any], slot: int) -> bool:
        found.append(is_alone(slots, slot))
        return found[-1]

    monkeypatch.setattr(plan, "is_alone", noted)
    return found


def test_a_loop_fills_one_buffer(tmp_path: Path, reuses: list[bool]) -> None:
    """The constant it begins with is copied once, in each run."""
    model = looped(tmp_path, [TAKE, STEP, AFTER, put()], variables=FRAMES, ends=["placed"], before=[START])
    for _ in range(2):
        np.testing.assert_array_equal(run(model, 4)["frames_end"], filled(4))
    assert reuses == [False, True, True, True] * 2


def test_what_a_buffer_began_as_is_left_as_it_was(tmp_path: Path) -> None:
    """Both a value used after the loop and the caller's own array."""
    before = [
        Op("stack", {"values": ["x"] * 5, "axis": ZERO}, "stacked", shape=(5, 2, 3)),
        Op("mul", {"x": "stacked", "y": np.float32(2)}, "buffer", shape=(5, 2, 3)),
    ]
    after = [Op("sub", {"x": "frames_end", "y": "buffer"}, "difference", shape=(5, 2, 3))]
    outputs = dict.fromkeys(("difference", "buffer"), ("float32", (5, 2, 3)))
    given = {"variables": FRAMES, "ends": ["placed"], "before": before, "after": after, "outputs": outputs}
    found = run(looped(tmp_path, [TAKE, STEP, AFTER, put()], **given), 4)
    start = np.stack([2 * X] * 5)
    np.testing.assert_array_equal(found["buffer"], start)
    np.testing.assert_array_equal(found["difference"], filled(4, start=start) - start)


def test_the_callers_array_is_never_written_to(tmp_path: Path) -> None:
    ops = [
        Op("reshape", {"x": "x", "shape": np.array([6])}, "flat", shape=(6,)),
        Op("identity", {"x": "flat"}, "same", shape=(6,)),
        Op("slice_by_index", {"x": "same", "begin": np.array([0]), "end": np.array([6])}, "whole", shape=(6,)),
        Op("scatter", {"data": "whole", "indices": np.array([1]), "updates": np.ones(1, np.float32)}, "y", shape=(6,)),
    ]
    model, x = CoreMLModel(write_package(tmp_path, Program(ops, {"y": ("float32", (6,))}))), X.copy()
    np.testing.assert_array_equal(model.predict({"x": x})["y"], [1, 3, 3, 4, 5, 6])
    np.testing.assert_array_equal(x, X)


def test_what_a_round_kept_of_the_buffer_stays_as_it_was(tmp_path: Path, reuses: list[bool]) -> None:
    """`seen` is frame 0 before the round changes it: a view of the buffer, unless the buffer is left alone."""
    body = [
        Op("gather", {"x": "frames", "indices": ZERO, "axis": ZERO}, "first", shape=(2, 3)),
        Op("mul", {"x": "i", "y": ZERO}, "place", "int32"),
        put(updates="x"),
    ]
    variables = {**FRAMES, "seen": ("x", "float32", (2, 3))}
    model = looped(tmp_path, body, variables=variables, ends=["placed", "first"], before=[START])
    found = run(model, 4)
    np.testing.assert_array_equal(found["frames_end"][0], 4 * X)
    np.testing.assert_array_equal(found["seen_end"], 3 * X)
    assert not any(reuses)


@pytest.mark.parametrize("between", ["identity", "reshape"])
def test_a_buffer_under_two_names_is_not_written_to(tmp_path: Path, between: str) -> None:
    """`old` becomes the buffer as it was before the round."""
    more = {"shape": np.array([5, 2, 3])} if between == "reshape" else {}
    body = [TAKE, STEP, AFTER, Op(between, {"x": "frames", **more}, "before", shape=(5, 2, 3)), put()]
    variables = {**FRAMES, "old": ("buffer", "float32", (5, 2, 3))}
    model = looped(tmp_path, body, variables=variables, ends=["placed", "before"], before=[START])
    found = run(model, 4)
    np.testing.assert_array_equal(found["frames_end"], filled(4))
    np.testing.assert_array_equal(found["old_end"], filled(3))


def test_two_variables_of_one_value(tmp_path: Path) -> None:
    """Both take the same new buffer; one of them then changes."""
    variables = {**FRAMES, "other": ("buffer", "float32", (5, 2, 3))}
    model = looped(tmp_path, [TAKE, STEP, AFTER, put()], variables=variables, ends=["placed"] * 2, before=[START])
    found = run(model, 4)
    for name in ("frames_end", "other_end"):
        np.testing.assert_array_equal(found[name], filled(4))


def test_a_value_that_stays_is_not_written_to(tmp_path: Path) -> None:
    """A sum is computed once and changed in a copy, each round from the same start."""
    body = [
        Op("cumsum", {"x": "buffer", "axis": ZERO}, "fixed", shape=(5, 2, 3)),
        AFTER,
        put(data="fixed", updates="x"),
    ]
    before = [Op("stack", {"values": ["x"] * 5, "axis": ZERO}, "buffer", shape=(5, 2, 3))]
    model = looped(tmp_path, body, variables=FRAMES, ends=["placed"], before=before)
    expected = CUMSUM(np.stack([X] * 5), 0)
    expected[3] += X
    np.testing.assert_array_equal(run(model, 3)["frames_end"], expected)


def test_what_an_observer_keeps_is_not_written_to(tmp_path: Path) -> None:
    ops = [
        Op("exp", {"x": "x"}, "a", shape=(2, 3)),
        Op(
            "scatter",
            {"data": "a", "indices": np.array([0]), "updates": np.ones((1, 3), np.float32)},
            "y",
            shape=(2, 3),
        ),
    ]
    model, kept = CoreMLModel(write_package(tmp_path, Program(ops, {"y": ("float32", (2, 3))}))), {}
    model.run({"x": X}, lambda op, value: kept.update({op.output: value.clone(), f"{op.output} itself": value}))
    assert torch.equal(kept["a"], kept["a itself"])
    assert not torch.equal(kept["a"], kept["y"])


def list_loop(tmp_path: Path, extra: Sequence[Op], wanted: str, after: Sequence[Op] = ()) -> CoreMLModel:
    body = [
        Op("mul", {"x": "value", "y": np.float32(2)}, "doubled", shape=(2, 3)),
        *extra,
        Op("list_write", {"ls": "ls", "index": "i", "value": "doubled"}, "written"),
    ]
    before = [Op("make_list", {"elem_shape": [np.int32(2), np.int32(3)], "init_length": ONE}, "empty")]
    gathered = [
        Op("list_gather", {"ls": "ls_end", "indices": np.arange(3, dtype=np.int32)}, "all", shape=(3, 2, 3)),
        *after,
    ]
    variables = {**VALUE, "ls": ("empty", "float32", ()), "old": ("empty", "float32", ())}
    outputs = {"all": ("float32", (3, 2, 3)), **({"past": ("float32", (1,))} if after else {})}
    given = {"variables": variables, "before": before, "after": gathered, "outputs": outputs}
    return looped(tmp_path, body, ends=["doubled", "written", wanted], **given)


def test_a_list_nobody_else_has_is_written_to(tmp_path: Path, reuses: list[bool]) -> None:
    found = run(list_loop(tmp_path, [], "empty"), 3)
    np.testing.assert_array_equal(found["all"], np.stack([2 * X, 4 * X, 8 * X]))
    assert reuses == [False, True, True]


def test_a_list_that_is_kept_is_not(tmp_path: Path, reuses: list[bool]) -> None:
    """`old` is the list before the last round: one element shorter."""
    after = [
        Op("list_length", {"ls": "old_end"}, "length", "int32"),
        Op("cast", {"x": "length", "dtype": Text("fp32")}, "float_length"),
        Op("expand_dims", {"x": "float_length", "axes": np.array([0])}, "past", shape=(1,)),
    ]
    found = run(list_loop(tmp_path, [Op("identity", {"x": "ls"}, "before")], "before", after), 3)
    np.testing.assert_array_equal(found["all"], np.stack([2 * X, 4 * X, 8 * X]))
    assert found["past"] == 2
    assert not any(reuses)


def half_loop(tmp_path: Path, start: float, end: str) -> CoreMLModel:
    """`value` is cast to float16, has 1 added there, and is cast back; `end` is what it becomes; `seen` is the sum."""
    body = [
        Op("cast", {"x": "value", "dtype": Text("fp16")}, "half", "float16", (3,)),
        Op("add", {"x": "half", "y": np.float16(1)}, "more_half", "float16", (3,)),
        Op("cast", {"x": "more_half", "dtype": Text("fp32")}, "wide", shape=(3,)),
        Op("add", {"x": "value", "y": np.float32(0.1)}, "beyond", shape=(3,)),
    ]
    before = [Op("const", {"val": np.full(3, start, np.float32)}, "start", shape=(3,))]
    variables: Variables = {"value": ("start", "float32", (3,)), "seen": ("start", "float32", (3,))}
    return looped(tmp_path, body, variables=variables, ends=[end, "wide"], before=before)


@pytest.mark.parametrize("start", [0.0, 0.1, 0.25, 2049.0])
@pytest.mark.parametrize("end", ["wide", "beyond"])
@pytest.mark.parametrize("rounds", [0, 1, 2, 3])
def test_casts_to_float16_round_what_needs_it(tmp_path: Path, start: float, end: str, rounds: int) -> None:
    value = seen = np.full(3, start, np.float32)
    for _ in range(rounds):
        seen = (value.astype(np.float16) + np.float16(1)).astype(np.float32)
        value = seen if end == "wide" else value + np.float32(0.1)
    found = run(half_loop(tmp_path, start, end), rounds)
    np.testing.assert_array_equal(found["value_end"], value)
    np.testing.assert_array_equal(found["seen_end"], seen)


def roundings(monkeypatch: pytest.MonkeyPatch, act: Callable[[], Any]) -> int:
    from evaluators.emulators.coreml import planner

    calls: list[int] = []
    round_to_half = planner.round_to_half
    monkeypatch.setattr(planner, "round_to_half", lambda value: calls.append(1) or round_to_half(value))
    act()
    return len(calls)


@pytest.mark.parametrize(("start", "end", "each"), [(0.25, "wide", 1), (0.1, "wide", 2), (0.25, "beyond", 2)])
def test_what_is_known_to_be_float16_is_not_rounded_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, start: float, end: str, each: int
) -> None:
    model = half_loop(tmp_path, start, end)
    assert roundings(monkeypatch, lambda: run(model, 4)) == 4 * each
