"""One op of each family against values worked out by hand, for the fast loop; the other files test each at length."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from evaluators.emulators.coreml.binding import bind
from evaluators.emulators.coreml.dtypes import dtype_named
from evaluators.emulators.coreml.ops import find_op, known_ops
from evaluators.emulators.coreml.ops.lists import TensorList
from evaluators.emulators.coreml.program import ValueType
from evaluators.emulators.coreml.state import StateBuffer

ROW = torch.tensor([[-1.0, 0.0, 2.0]])
IMAGE = torch.arange(4.0).reshape(1, 1, 2, 2)


def compute(kind: str, opset: str = "CoreML7", **arguments: Any) -> Any:
    bound = bind(find_op(kind, opset, where="here"), {name: [v] for name, v in arguments.items()}, where="here")
    return bound.call()


def _loop() -> Any:
    class Twice:
        def __call__(self, x: torch.Tensor) -> tuple[torch.Tensor]:
            return (x < 20,)

        def advance(self, values: list[torch.Tensor]) -> list[torch.Tensor]:
            return [2 * values[0]]

    (found,) = find_op("while_loop", "CoreML5", where="here").function([torch.tensor(3.0)], [Twice(), Twice()])
    return found


def _list() -> Any:
    made = compute("make_list", elem_shape=[2], init_length=1)
    assert isinstance(made, TensorList)
    grown = made.written([1], [torch.tensor([5.0, 6.0])], owned=False)
    return torch.stack([made.read(0), grown.read(0), grown.read(1)])


def _state() -> Any:
    buffer = StateBuffer(torch.zeros(2))
    find_op("write_state", "CoreML8", where="here").function(buffer, torch.ones(2))
    return find_op("read_state", "CoreML8", where="here").function(buffer)


def _recurrent() -> Any:
    ones = torch.ones(1, 1)
    x = torch.tensor([[[1.0]], [[-5.0]]])
    return compute("rnn", x=x, initial_h=ones, weight_ih=ones, weight_hh=ones, activation="relu", output_sequence=True)[
        0
    ]


def _suppressed() -> Any:
    boxes = torch.tensor([[[0.0, 0.0, 2.0, 2.0], [0.0, 0.0, 2.0, 2.0], [9.0, 9.0, 2.0, 2.0]]])
    scores = torch.tensor([[[0.5], [0.9], [0.7]]])
    kept = compute(
        "non_maximum_suppression", "CoreML5", boxes=boxes, scores=scores, iou_threshold=0.5, score_threshold=0.1,
        max_boxes=2,
    )  # fmt: skip
    return kept[2]


CASES: dict[str, tuple[Callable[[], Any], Any]] = {
    "activation": (lambda: compute("leaky_relu", x=ROW, alpha=0.5), [[-0.5, 0, 2]]),
    "attention": (
        lambda: compute(
            "scaled_dot_product_attention",
            "CoreML8",
            query=torch.zeros(1, 1, 2),
            key=torch.ones(1, 2, 2),
            value=torch.tensor([[[1.0], [3.0]]]),
        ),
        [[[2.0]]],
    ),
    "classify": (lambda: compute("classify", probabilities=ROW, classes=["a", "b", "c"])[1], {"a": -1, "b": 0, "c": 2}),
    "compression": (
        lambda: find_op("constexpr_cast", "CoreML6", where="here").function(
            ROW, "fp32", [ValueType("tensor", dtype_named("float32"), (1, 3))]
        ),
        ROW.tolist(),
    ),
    "control_flow": (_loop, 24.0),
    "conv": (lambda: compute("conv", x=ROW[None], weight=torch.ones(1, 1, 2)), [[[-1, 2]]]),
    "detection": (_suppressed, [[1, 2]]),
    "elementwise_binary": (lambda: compute("floor_div", x=ROW, y=torch.tensor([[2.0]])), [[-1, 0, 1]]),
    "elementwise_unary": (lambda: compute("clip", x=ROW, alpha=-0.5, beta=1.5), [[-0.5, 0, 1.5]]),
    "image_resizing": (
        lambda: compute("resize_nearest_neighbor", x=IMAGE, target_size_height=2, target_size_width=4),
        [[[[0, 0, 1, 1], [2, 2, 3, 3]]]],
    ),
    "image_sampling": (
        lambda: compute(
            "affine",
            x=IMAGE,
            transform_matrix=torch.tensor([[1.0, 0, 0, 0, 1, 0]]),
            output_height=2,
            output_width=2,
            sampling_mode="bilinear",
            padding_mode="constant",
            padding_value=0.0,
            coordinates_mode="normalized_minus_one_to_one",
            align_corners=True,
        ),
        IMAGE.tolist(),
    ),
    "linear": (lambda: compute("linear", x=ROW, weight=torch.tensor([[1.0, 2, 3]])), [[5]]),
    "lists": (_list, [[0, 0], [0, 0], [5, 6]]),
    "normalization": (lambda: compute("l2_norm", x=torch.tensor([[[3.0, 4.0]]]), epsilon=0.0), [[[0.6, 0.8]]]),
    "pool": (
        lambda: compute("max_pool", x=IMAGE, kernel_sizes=[2, 2], pad_type="valid", strides=[1, 1]),
        [[[[3]]]],
    ),
    "quantization": (
        lambda: compute("dequantize", input=torch.tensor([4, -2], dtype=torch.int8), scale=torch.tensor(0.5)),
        [2, -1],
    ),
    "random": (lambda: compute("random_uniform", shape=[2], low=3.0, high=3.0), [3, 3]),
    "recurrent": (_recurrent, [[[2.0]], [[0.0]]]),
    "reduction": (lambda: compute("reduce_l1_norm", x=ROW, axes=[1]), [3]),
    "scatter_gather": (lambda: compute("gather", x=ROW, indices=torch.tensor([2, 0]), axis=1), [[2, -1]]),
    "states": (_state, [1, 1]),
    "tensor_operation": (lambda: compute("cumsum", x=ROW, axis=1), [[-1, -1, 1]]),
    "tensor_transformation": (lambda: compute("reverse", x=ROW, axes=[1]), [[2, 0, -1]]),
}


def test_every_family_has_a_case() -> None:
    opset = "CoreML9"
    families = {find_op(kind, opset, where="here").function.__module__.rpartition(".")[2] for kind in known_ops()}
    assert set(CASES) == families


@pytest.mark.parametrize("family", CASES)
def test_an_op_gives_what_is_worked_out_by_hand(family: str) -> None:
    run, expected = CASES[family]
    found = run()
    if isinstance(found, torch.Tensor):
        assert found.shape == torch.tensor(expected).shape
        torch.testing.assert_close(found, torch.tensor(expected, dtype=found.dtype), rtol=0, atol=1e-6)
    else:
        assert found == expected
