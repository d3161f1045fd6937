"""Ops called with what does not fit: they run, or one error says what is wrong. No crash, and memory stays small."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from evaluators.emulators.coreml import CoreMLModel
from evaluators.emulators.coreml.ops import find_op, known_ops
from evaluators.emulators.coreml.ops.recurrent import gru, gru_18, lstm, rnn
from evaluators.emulators.coreml.sizes import MAX_ELEMENTS
from evaluators.errors import EvaluationError
from tests.specimens import ROOT

from .op_attack import ended_by, peak_bytes
from .op_calls import CALLS, HIDDEN, Call, call, f32, floats, program
from .op_changes import Changing
from .op_specimens import ints
from .programs import Text, write_package

INPUTS, BATCH, FRAMES = 3, 2, 5


def load(folder: Path, made: Call) -> CoreMLModel:
    return CoreMLModel(write_package(folder, made.message))


def given_to(model: CoreMLModel, made: Call) -> dict[str, np.ndarray]:
    """What a call is run on."""
    return {
        name: made.given.get(name, np.full(feature.shape, 1, feature.dtype.stored))
        for name, feature in model.inputs.items()
    }


def test_there_is_a_call_of_every_op_in_each_of_its_meanings() -> None:
    called = {
        (operation.type, find_op(operation.type, changing.function.opset, where="").since)
        for made in CALLS.values()
        for changing in [Changing(made.message, {})]
        for operation in changing.operations()
        if operation.type != "const"
    }
    assert called == {(kind, since) for kind, releases in known_ops().items() for since in releases}


@pytest.mark.parametrize("name", CALLS)
def test_every_call_gives_what_it_declares(tmp_path: Path, name: str) -> None:
    made = CALLS[name]
    model = load(tmp_path, made)
    found = model.run(given_to(model, made), state=model.make_state() if model.states else None)
    block = Changing(made.message, {}).block
    types = {output.name: output.type.tensorType for op in block.operations for output in op.outputs}
    for output, value in found.items():
        if isinstance(value, np.ndarray) and types[output].rank:
            assert value.shape == tuple(size.constant.size for size in types[output].dimensions)


def weights(gates: int, hidden: int = HIDDEN, inputs: int = INPUTS) -> dict[str, torch.Tensor]:
    rows = gates * hidden
    return {"weight_ih": torch.ones(rows, inputs), "weight_hh": torch.ones(rows, hidden), "bias": torch.ones(rows)}


LAYERS: dict[str, tuple[Callable[..., Any], int, dict[str, Any]]] = {
    "rnn": (rnn, 1, {}),
    "gru": (gru, 3, {}),
    "gru iOS18": (gru_18, 3, {"reset_after": True, "input_bias": torch.ones(3 * HIDDEN)}),
    "lstm": (lstm, 4, {}),
    "lstm peephole": (lstm, 4, {"peephole": torch.ones(3 * HIDDEN)}),
    "lstm bidirectional": (
        lstm,
        4,
        {"direction": "bidirectional", **{f"{name}_back": value for name, value in weights(4).items()}},
    ),
}


def run_layer(kind: str, changes: dict[str, tuple[int, ...]]) -> None:
    """Run a layer, with some of its arguments in other shapes; often enough to have spoilt memory seen."""
    function, gates, more = LAYERS[kind]
    width = HIDDEN * (2 if more.get("direction") == "bidirectional" else 1)
    operands = {"x": torch.ones(FRAMES, BATCH, INPUTS), "initial_h": torch.ones(BATCH, width)}
    operands |= {"initial_c": torch.ones(BATCH, width)} if function is lstm else {}
    parameters = {**weights(gates), **more}
    for name, shape in changes.items():
        (operands if name in operands else parameters)[name] = torch.ones(shape)
    with torch.inference_mode():
        for _ in range(5):
            function(**parameters)(*operands.values())


def wrong(shape: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Shapes that are not this one."""
    others = [(*shape[:i], size, *shape[i + 1 :]) for i in range(len(shape)) for size in (0, 1, 7, 1000)]
    return [other for other in [*others, (), shape[1:], (1, *shape), (*shape, 1)] if other != shape]


def wrong_layers() -> list[tuple[str, str, tuple[int, ...]]]:
    """Layer, argument, shape: all that must be refused."""
    cases = []
    for kind, (function, gates, more) in LAYERS.items():
        width = HIDDEN * (2 if more.get("direction") == "bidirectional" else 1)
        right: dict[str, tuple[int, ...]] = {name: tuple(value.shape) for name, value in weights(gates).items()}
        right |= {name: tuple(value.shape) for name, value in more.items() if isinstance(value, torch.Tensor)}
        right |= {"x": (FRAMES, BATCH, INPUTS), "initial_h": (BATCH, width)}
        right |= {"initial_c": (BATCH, width)} if function is lstm else {}
        free = {("x", shape) for shape in wrong(right["x"]) if shape[1:] == right["x"][1:]}  # any number of frames
        cases += [
            (kind, name, shape) for name, was in right.items() for shape in wrong(was) if (name, shape) not in free
        ]
    return cases


def test_recurrent_layers_refuse_every_wrong_shape() -> None:
    """In a fork, since torch's own lstm looks at no shape: it ended the process."""

    def refuse_all() -> None:
        for kind, name, shape in wrong_layers():
            op = kind.partition(" ")[0]
            with pytest.raises(EvaluationError, match=rf"^{op} has .*; expected "):
                run_layer(kind, {name: shape})

    assert len(wrong_layers()) > 300
    assert ended_by(refuse_all) == ""


@pytest.mark.parametrize("kind", LAYERS)
def test_wrong_states_are_refused_together(kind: str) -> None:
    """Every state in a wrong shape at once, of each pair of shapes."""

    def refuse_all() -> None:
        for first in wrong((BATCH, HIDDEN)):
            for second in wrong((BATCH, HIDDEN)):
                changes = {"initial_h": first, **({"initial_c": second} if kind.startswith("lstm") else {})}
                if kind == "lstm bidirectional" and first == second == (BATCH, 2 * HIDDEN):
                    continue
                with pytest.raises(EvaluationError, match=r"has initial_[hc] of shape"):
                    run_layer(kind, changes)

    assert ended_by(refuse_all) == ""


def test_a_state_of_another_batch_is_named(tmp_path: Path) -> None:
    made = CALLS["lstm forward"]
    model = load(tmp_path, call_with_batch(made, 3))
    with pytest.raises(EvaluationError, match=r"op lstm \(lstm\): lstm has initial_h of shape \[2, 4\].*\[3, 4\]"):
        model.predict({**made.given, "x": floats(FRAMES, 3, INPUTS)})


def call_with_batch(made: Call, batch: int) -> Call:
    """The call with frames of another batch, as its description says too."""
    changing = Changing(type(made.message).FromString(made.message.SerializeToString()), {})
    for named in changing.function.inputs:
        if named.name == "x":
            named.type.tensorType.dimensions[1].constant.size = batch
    changing.message.description.input[0].type.multiArrayType.shape[1] = batch
    return Call(changing.message, {})


def run_attack(count: int, seed: int, *more: str) -> dict[str, int]:
    """Odd calls in processes of their own; how many ran and how many were refused."""
    module = [sys.executable, "-m", "tests.evaluators.emulators.coreml.op_attack", str(count), "--seed", str(seed)]
    run = subprocess.run([*module, *more], capture_output=True, text=True, cwd=ROOT, timeout=900)
    assert run.returncode == 0, (run.stdout + run.stderr)[-4000:]
    counts: dict[str, int] = json.loads(run.stdout.splitlines()[-1])
    return counts


@pytest.mark.slow
def test_odd_calls_run_or_are_refused() -> None:
    counts = run_attack(2000, 7)
    assert sum(counts.values()) == 2000
    assert min(counts["ran"], counts["refused"]) > 500  # changes that change nothing, or all, would show nothing


BIG = math.isqrt(MAX_ELEMENTS) * 2
LARGE = {
    "fill": ("fill", {"shape": ints(BIG, BIG), "value": np.float32(1)}),
    "random_normal": ("random_normal", {"shape": ints(BIG, BIG)}),
    "random_uniform": ("random_uniform", {"shape": ints(BIG, BIG)}),
    "random_bernoulli": ("random_bernoulli", {"shape": ints(BIG, BIG)}),
    "random_categorical": ("random_categorical", {"x": "x", "size": np.int32(2**30)}),
    "range_1d": ("range_1d", {"start": np.float32(0), "end": np.float32(2**30), "step": np.float32(1)}),
    "tile": ("tile", {"x": "x", "reps": ints(BIG, BIG)}),
    "pad": ("pad", {"x": "x", "pad": ints(0, BIG, BIG, 0)}),
    "pad replicate": ("pad", {"x": "x", "pad": ints(0, BIG, BIG, 0), "mode": Text("replicate")}),
    "one_hot": ("one_hot", {"indices": ints(1, 2), "one_hot_vector_size": np.int32(2**30)}),
    "resize_bilinear": (
        "resize_bilinear",
        {"x": "x", "target_size_height": np.int32(BIG), "target_size_width": np.int32(BIG)},
    ),
    "resize_nearest_neighbor": (
        "resize_nearest_neighbor",
        {"x": "x", "target_size_height": np.int32(BIG), "target_size_width": np.int32(BIG)},
    ),
    "upsample_bilinear": (
        "upsample_bilinear",
        {"x": "x", "scale_factor_height": np.float32(BIG), "scale_factor_width": np.float32(BIG)},
    ),
    "max_pool": (
        "max_pool",
        {
            "x": "image",
            "kernel_sizes": ints(1, 1),
            "pad_type": Text("custom"),
            "pad": ints(BIG, BIG, BIG, BIG),
        },
    ),
    "conv": (
        "conv",
        {
            "x": "image",
            "weight": floats(1, 1, 1, 1),
            "pad_type": Text("custom"),
            "pad": ints(BIG, BIG, BIG, BIG),
        },
    ),
    "conv_transpose": (
        "conv_transpose",
        {"x": "image", "weight": floats(1, 1, 2, 2), "strides": ints(2**20, 2**20), "pad_type": Text("valid")},
    ),
    "add": ("add", {"x": "column", "y": "row"}),
    "equal": ("equal", {"x": "column", "y": "row"}),
    "select": ("select", {"cond": "column", "a": "row", "b": np.float32(1)}),
    "matmul": ("matmul", {"x": "column", "y": "row"}),
    "einsum": ("einsum", {"values": ["column", "row"], "equation": Text("ab,bc->ac")}),
    "linear": ("linear", {"x": "column", "weight": "column"}),
    "gather": ("gather", {"x": "column", "indices": np.zeros((BIG,), np.int32), "axis": np.int32(1)}),
    "concat": ("concat", {"values": ["column"] * (2 * MAX_ELEMENTS // BIG), "axis": np.int32(0)}),
    "stack": ("stack", {"values": ["column"] * (2 * MAX_ELEMENTS // BIG), "axis": np.int32(0)}),
    "sliding_windows": ("sliding_windows", {"x": "column", "axis": np.int32(0), "size": np.int32(BIG // 2)}),
    "scaled_dot_product_attention": (
        "scaled_dot_product_attention",
        {"query": "rows", "key": "rows", "value": "rows"},
    ),
}
MADE = {"column": (BIG, 1), "row": (1, BIG), "rows": (1, BIG, 1)}
"""tensors the programs make for themselves: no file needs to hold them"""


@pytest.mark.parametrize("name", LARGE)
def test_what_is_too_large_is_refused_before_memory_is_taken(tmp_path: Path, name: str) -> None:
    kind, bound = LARGE[name]
    fills = [("fill", {"shape": ints(*shape), "value": np.float32(1)}, (f32(*shape),)) for shape in MADE.values()]
    places = {made: f"step{i}" for i, made in enumerate(MADE)}

    def renamed(value: Any) -> Any:
        return [renamed(item) for item in value] if isinstance(value, list) else places.get(str(value), value)

    steps = [*fills, (kind, {key: renamed(value) for key, value in bound.items()}, (f32(2, 2),))]
    inputs = {"x": f32(2, 2), "image": f32(1, 1, 2, 2)}
    path = write_package(tmp_path, program(steps, {"out0": f32(2, 2)}, inputs).message)

    def refuse() -> None:
        with pytest.raises(EvaluationError, match=rf"op {kind} \({kind}\).*: would need a value of shape"):
            CoreMLModel(path).predict({name: floats(*shape) for name, (_, shape) in inputs.items()})
        assert peak_bytes() < 1 << 30

    assert ended_by(refuse) == ""


@pytest.mark.parametrize("sizes", [(2**31,), (2**20, 2**20), (-1, 4)])
@pytest.mark.parametrize("role", ["input", "output"])
def test_features_too_large_are_refused(tmp_path: Path, sizes: tuple[int, ...], role: str) -> None:
    message = call("relu", f32(2, 3), x=floats(2, 3)).message
    shape = getattr(message.description, role)[0].type.multiArrayType.shape
    del shape[:]
    shape.extend(sizes)
    with pytest.raises(EvaluationError, match=rf"{role} '.*': has shape \[.*\]; expected sizes from 0 on, and at most"):
        CoreMLModel(write_package(tmp_path, message))


@pytest.mark.parametrize("name", ["tile", "one_hot"])
def test_a_number_or_shape_with_more_dimensions_is_refused(tmp_path: Path, name: str) -> None:
    """A list of 32,768 numbers times a size would be a list of a thousand million."""
    shape, wide = ints(1 << 15, 1), np.zeros((1, 1, 1 << 15), np.int32)
    parameter = {"tile": "reps", "one_hot": "one_hot_vector_size"}[name]
    bound = {"tile": {"x": "step0"}, "one_hot": {"indices": "step0"}}[name]
    steps = [("fill", {"shape": shape, "value": np.int32(1)}, (("int32", (1 << 15, 1)),)), (name, bound, (f32(1),))]
    steps[1][1][parameter] = wide
    path = write_package(tmp_path, program(steps, {"out0": f32(1)}, {"x": f32(1)}).message)

    def refuse() -> None:
        with pytest.raises(EvaluationError, match=rf"parameter '{parameter}' is given more dimensions than it has"):
            CoreMLModel(path).predict({"x": floats(1)})
        assert peak_bytes() < 1 << 30

    assert ended_by(refuse) == ""
