"""Multiply-adds of MIL ops against closed forms written out by hand."""

from __future__ import annotations

import pytest

from evaluators.formats.coreml.macs import Operands, count_macs, count_steps

Shape = tuple[int, ...]


@pytest.mark.parametrize(
    ("kind", "shapes", "output", "expected"),
    [
        ("conv", {"x": (1, 3, 100), "weight": (8, 3, 25)}, (1, 8, 76), 76 * 8 * 3 * 25),
        ("conv", {"x": (1, 8, 9, 9), "weight": (8, 1, 3, 3)}, (1, 8, 7, 7), 49 * 8 * 9),  # depthwise
        ("conv_transpose", {"x": (1, 4, 10), "weight": (4, 6, 5)}, (1, 6, 14), 4 * 10 * 6 * 5),
        ("linear", {"x": (7, 10), "weight": (20, 10)}, (7, 20), 7 * 20 * 10),
        ("matmul", {"x": (2, 3, 4), "y": (2, 4, 5)}, (2, 3, 5), 120),
        ("lstm", {"x": (9, 2, 5), "weight_ih": (24, 5), "weight_hh": (24, 6)}, (9, 2, 6), 18 * 24 * 11),
        ("gru", {"x": (9, 1, 5), "weight_ih": (18, 5), "weight_hh": (18, 6)}, (9, 1, 6), 9 * 18 * 11),
        ("scaled_dot_product_attention", {"query": (2, 5, 8), "key": (2, 7, 8), "value": (2, 7, 4)}, (2, 5, 4),
         2 * 5 * 7 * (8 + 4)),
        ("relu", {"x": (9,)}, (9,), 0),
        ("conv", {"x": (1, 3, 100)}, (1, 8, 76), 0),  # the weight is missing
    ],
)  # fmt: skip
def test_closed_forms(kind: str, shapes: dict[str, Shape], output: Shape, expected: int) -> None:
    assert count_macs(kind, Operands({key: (shape,) for key, shape in shapes.items()}, {}, (output,))) == expected


def test_both_directions_of_an_lstm_count() -> None:
    shapes = {"x": ((9, 2, 5),), **{f"weight_{name}": ((24, 5),) for name in ("ih", "hh", "ih_back", "hh_back")}}
    assert count_macs("lstm", Operands(shapes, {}, ((9, 2, 12),))) == 18 * 4 * 24 * 5


def test_matmul_of_a_transposed_first_operand_sums_over_its_rows() -> None:
    shapes = {"x": ((4, 3),), "y": ((4, 5),)}
    assert count_macs("matmul", Operands(shapes, {"transpose_x": True}, ((3, 5),))) == 60


@pytest.mark.parametrize(
    ("equation", "left", "right", "expected"),
    [("bij,bjk->bik", (2, 3, 4), (2, 4, 5), 120), ("chw, whr -> chr", (6, 2, 3), (3, 2, 5), 6 * 2 * 3 * 5)],
)
def test_einsum_counts_every_letter_once(equation: str, left: Shape, right: Shape, expected: int) -> None:
    operands = Operands({"values": (left, right)}, {"equation": equation}, ((1,),))
    assert count_macs("einsum", operands) == expected


@pytest.mark.parametrize(("kind", "steps"), [("lstm", 9), ("gru", 9), ("rnn", 9), ("linear", 1)])
def test_steps_are_those_of_time(kind: str, steps: int) -> None:
    assert count_steps(kind, Operands({"x": ((9, 2, 5),)}, {}, ())) == steps
