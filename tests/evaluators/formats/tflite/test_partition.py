"""Which ops the default delegate takes; every case was found in a file of which LiteRT 2.3.0 made the same groups."""

from __future__ import annotations

import numpy as np
import pytest

from evaluators.formats.tflite.arena import Node
from evaluators.formats.tflite.file import Tensor
from evaluators.formats.tflite.partition import Group, group, join, takes


def tensor(*shape: int, type_: str = "FLOAT32", value: list[int] | None = None) -> Tensor:
    return Tensor("", shape, type_, 0, (), 0, None if value is None else np.array(value))


FLOATS, INTEGERS = tensor(1, 4, 4, 8), tensor(1, 4, 4, 8, type_="INT8")
AXIS, SCALAR = tensor(1, type_="INT32", value=[1]), tensor(type_="INT32")


@pytest.mark.parametrize(
    ("kind", "reads", "known", "expected"),
    [
        ("RELU", [FLOATS], [], True),
        ("RELU", [INTEGERS], [], False),
        ("TANH", [INTEGERS], [], True),
        ("DIV", [INTEGERS, INTEGERS], [], False),
        ("MUL", [INTEGERS, INTEGERS], [], True),
        ("SIGN", [FLOATS], [], False),
        ("WHILE", [FLOATS], [], False),
        ("ADD", [AXIS, AXIS], [], False),
        ("ADD", [tensor(1, 1, 1, 1, 1, 1, 2)] * 2, [], False),
        ("CONV_2D", [FLOATS, tensor(8, 3, 3, 8), None], [1], True),
        ("CONV_2D", [FLOATS, tensor(8, 3, 3, 8)], [], False),
        ("CONV_2D", [FLOATS, tensor(8, 3, 3, 8, type_="INT8")], [1], True),
        ("DEPTHWISE_CONV_2D", [FLOATS, tensor(1, 3, 3, 8, type_="INT8")], [1], False),
        ("DEPTHWISE_CONV_2D", [FLOATS, tensor(1, 3, 3, 8)], [1], True),
        ("BATCH_MATMUL", [INTEGERS, INTEGERS], [], False),
        ("BATCH_MATMUL", [FLOATS, FLOATS], [], True),
        ("CONCATENATION", [FLOATS] * 5, [], True),
        ("CONCATENATION", [FLOATS] * 6, [], False),
        ("EXPAND_DIMS", [FLOATS, AXIS], [1], True),
        ("EXPAND_DIMS", [FLOATS, SCALAR], [1], False),
        ("SUM", [FLOATS, SCALAR], [1], True),
        ("RESHAPE", [FLOATS, AXIS], [], False),
        ("STRIDED_SLICE", [FLOATS, AXIS, AXIS, AXIS], [1, 2, 3], True),
        ("STRIDED_SLICE", [FLOATS, AXIS, AXIS, tensor(1, type_="INT32", value=[2])], [1, 2, 3], False),
    ],
)
def test_what_is_taken(kind: str, reads: list[Tensor | None], known: list[int], expected: bool) -> None:
    made = next(each for each in reads if each is not None)
    assert takes(kind, reads, [made], [place in known for place in range(len(reads))]) == expected


def test_a_delegate_takes_what_is_ready_and_leaves_what_waits() -> None:
    nodes = [Node("A", (0,), (1,)), Node("B", (1,), (2,)), Node("A", (0,), (3,)), Node("A", (2, 3), (4,))]
    groups = group(nodes, {0, 2, 3})
    assert groups == [Group((0, 2), True), Group((1,), False), Group((3,), True)]
    assert join(nodes, groups, [4]) == [
        Node("DELEGATE", (0,), (1, 3)), nodes[1], Node("DELEGATE", (2, 3), (4,)),
    ]  # fmt: skip


def test_ops_that_wait_for_each_other_are_in_no_group() -> None:
    nodes = [Node("A", (2,), (1,)), Node("A", (1,), (2,)), Node("A", (0,), (3,))]
    assert group(nodes, {0, 1, 2}) == [Group((2,), True)]
