"""Multiply-adds of TFLite ops against closed forms written out by hand."""

from __future__ import annotations

import pytest

from evaluators.formats.tflite.macs import Call, count_macs, count_steps


@pytest.mark.parametrize(
    ("kind", "inputs", "outputs", "expected"),
    [
        ("CONV_2D", [(1, 8, 8, 3), (16, 3, 3, 3), (16,)], [(1, 4, 4, 16)], 4 * 4 * 16 * 3 * 3 * 3),
        ("CONV_2D", [(1, 8, 8, 4), (16, 3, 3, 2)], [(1, 8, 8, 16)], 8 * 8 * 16 * 3 * 3 * 2),  # two groups
        ("DEPTHWISE_CONV_2D", [(1, 8, 8, 4), (1, 5, 3, 8)], [(1, 8, 8, 8)], 8 * 8 * 8 * 5 * 3),
        ("TRANSPOSE_CONV", [(4,), (6, 2, 2, 3), (1, 4, 4, 3)], [(1, 8, 8, 6)], 4 * 4 * 3 * 6 * 2 * 2),
        ("CONV_3D", [(1, 4, 4, 4, 2), (3, 3, 3, 2, 5)], [(1, 4, 4, 4, 5)], 64 * 5 * 27 * 2),
        ("CONV_3D_TRANSPOSE", [(5,), (2, 2, 2, 5, 3), (1, 4, 4, 4, 3)], [(1, 8, 8, 8, 5)], 64 * 3 * 8 * 5),
        ("FULLY_CONNECTED", [(7, 10), (20, 10), (20,)], [(7, 20)], 7 * 20 * 10),
        ("BATCH_MATMUL", [(2, 3, 4), (2, 4, 5)], [(2, 3, 5)], 2 * 3 * 4 * 5),
        ("SVDF", [(1, 40), (64, 40), (64, 8)], [(1, 64)], 64 * 40 + 64 * 8),
        ("UNIDIRECTIONAL_SEQUENCE_LSTM", [(9, 1, 5), *[(6, 5)] * 4, *[(6, 6)] * 4, *[(6,)] * 4], [(9, 1, 6)],
         9 * 4 * 6 * (5 + 6)),
        ("UNIDIRECTIONAL_SEQUENCE_RNN", [(1, 9, 5), (6, 5), (6, 6), (6,)], [(1, 9, 6)], 9 * 6 * 11),
        ("RFFT2D", [(1, 1, 512), (2,)], [(1, 1, 257)], 1.25 * 512 * 9),
        ("ADD", [(1, 8), (1, 8)], [(1, 8)], 0),
        ("UNKNOWN", [], [], 0),
        ("CONV_2D", [(1, 8, 8, 3)], [(1, 4, 4, 16)], 0),  # the weight is missing
    ],
)  # fmt: skip
def test_closed_forms(
    kind: str, inputs: list[tuple[int, ...]], outputs: list[tuple[int, ...]], expected: float
) -> None:
    assert count_macs(kind, Call(inputs, outputs)) == expected


def test_matmul_of_a_transposed_first_operand_sums_over_its_rows() -> None:
    assert count_macs("BATCH_MATMUL", Call([(4, 3), (4, 5)], [(3, 5)], transposes_first=True)) == 60


@pytest.mark.parametrize(
    ("kind", "x", "time_comes_first", "steps"),
    [
        ("UNIDIRECTIONAL_SEQUENCE_LSTM", (9, 2, 5), True, 9),
        ("UNIDIRECTIONAL_SEQUENCE_LSTM", (2, 9, 5), False, 9),
        ("BIDIRECTIONAL_SEQUENCE_RNN", (2, 9, 5), False, 9),
        ("LSTM", (2, 5), False, 1),
        ("SVDF", (2, 5), False, 1),
        ("UNIDIRECTIONAL_SEQUENCE_RNN", (5,), True, 1),  # no such op, but such files
    ],
)
def test_steps_are_those_of_time(kind: str, x: tuple[int, ...], time_comes_first: bool, steps: int) -> None:
    assert count_steps(kind, Call([x], [], time_comes_first=time_comes_first)) == steps
