"""Liveness in closed form, and the refusals of `read_graph`."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluators.costs.graph import Graph, Op, Step, peak_bytes
from evaluators.errors import EvaluationError
from evaluators.formats import read_graph


def chain(length: int) -> list[Step]:
    return [Step(reads=(i,), writes=(i + 1,)) for i in range(length)]


@pytest.mark.parametrize(
    ("steps", "sizes", "inputs", "kept", "expected"),
    [
        pytest.param(chain(2), {0: 10, 1: 5, 2: 1}, [0], [2], 15, id="a chain frees what was read"),
        pytest.param(chain(2), {0: 10, 1: 5, 2: 1}, [0], [0, 2], 16, id="a kept input stays"),
        pytest.param(
            [Step((0,), (1,)), Step((1,), (2,)), Step((1, 2), (3,))], {0: 1, 1: 8, 2: 8, 3: 8}, [0], [3], 24,
            id="a skip connection holds its tensor",
        ),
        pytest.param(
            [Step((0,), (1,), view_of=0), Step((1,), (2,))], {0: 10, 1: 10, 2: 4}, [0], [2], 14,
            id="a view takes no memory",
        ),
        pytest.param(
            [Step((0,), (1,), view_of=0), Step((0,), (2,)), Step((1, 2), (3,))], {0: 10, 1: 10, 2: 4, 3: 1}, [0], [3],
            15, id="what is viewed lives as long as its view",
        ),
        pytest.param([Step((0, "w"), (1,))], {0: 3, 1: 4}, [0], [1], 7, id="a constant counts nothing"),
        pytest.param([Step((0,), (1, 2)), Step((1,), (3,))], {0: 1, 1: 2, 2: 50, 3: 2}, [0], [3], 53,
                     id="an output nobody reads dies at once"),
        pytest.param([], {0: 7}, [0], [0], 7, id="no op"),
    ],
)  # fmt: skip
def test_peak_of_small_graphs(
    steps: list[Step], sizes: dict[object, int], inputs: list[object], kept: list[object], expected: int
) -> None:
    assert peak_bytes(steps, sizes, inputs=inputs, kept=kept) == expected


@given(st.lists(st.integers(0, 1000), min_size=2, max_size=12), st.data())
def test_peak_lies_between_the_worst_op_and_everything(sizes: list[int], data: st.DataObject) -> None:
    steps = [
        Step(reads=tuple(data.draw(st.sets(st.integers(0, i - 1), min_size=1))), writes=(i,))
        for i in range(1, len(sizes))
    ]
    table: dict[object, int] = dict(enumerate(sizes))
    peak = peak_bytes(steps, table, inputs=[0], kept=[len(sizes) - 1])
    worst = max(sum(table[t] for t in {*step.reads, *step.writes}) for step in steps)
    assert worst <= peak <= sum(sizes)


def test_totals_are_sums_over_ops() -> None:
    ops = (Op("a", "conv", 6, 1, 2, 3, "float32"), Op("b", "add", 0, 5, 6, 0, "float32", dynamic=True))
    graph = Graph("tflite", ops, 3, 3, 9)
    assert (graph.macs, graph.moved_bytes, graph.dynamic) == (6, 17, True)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("missing.tflite", "missing.tflite: no such file"),
        ("model.onnx", "model.onnx: unknown kind of model file '.onnx'; right is .mlpackage, .mlmodel or .tflite"),
    ],
)
def test_refusals(name: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"x")
    with pytest.raises(EvaluationError) as caught:
        read_graph(tmp_path / name)
    assert str(caught.value) == f"{tmp_path}/{message}"
