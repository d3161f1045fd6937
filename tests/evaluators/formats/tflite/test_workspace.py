"""What XNNPACK holds for a few ops, counted by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from evaluators.formats.tflite.file import Tensor
from evaluators.formats.tflite.workspace import DESKTOP, PHONE, Holding, Taken, hold


def tensor(*shape: int, type_: str = "FLOAT32") -> Tensor:
    return Tensor("", shape, type_, 0, (), 0, None)


def weighted(kind: str, source: Tensor, weights: Tensor, made: Tensor, **details: object) -> Taken:
    inputs = (tensor(4), weights, source) if kind == "TRANSPOSE_CONV" else (source, weights, tensor(1))
    known = (True, True, False) if kind == "TRANSPOSE_CONV" else (False, True, True)
    return replace(Taken(kind, (0,), (1,), inputs, known, (made,)), **details)  # type: ignore[arg-type]


IMAGE = tensor(1, 10, 20, 8)


@pytest.mark.parametrize(
    ("op", "packed", "tables"),
    [
        pytest.param(
            weighted("CONV_2D", IMAGE, tensor(20, 3, 5, 8), tensor(1, 10, 20, 20)),
            24 * (15 * 8 * 4 + 4), 8 * 15 * 200, id="20 outputs are packed as 24, an address a tap and pixel",
        ),
        pytest.param(
            weighted("CONV_2D", IMAGE, tensor(20, 1, 1, 8), tensor(1, 10, 20, 20)),
            24 * (8 * 4 + 4), 0, id="a product of matrices",
        ),
        pytest.param(
            weighted("CONV_2D", IMAGE, tensor(20, 1, 1, 8), tensor(1, 5, 10, 20), strides=(2, 2)),
            24 * (8 * 4 + 4), 8 * 50, id="one tap with a stride",
        ),
        pytest.param(
            weighted("DEPTHWISE_CONV_2D", IMAGE, tensor(1, 3, 3, 8), tensor(1, 10, 20, 8)),
            16 * (9 * 4 + 4), 8 * 10 * (9 + 19 * 3), id="neighbours share columns",
        ),
        pytest.param(
            weighted("DEPTHWISE_CONV_2D", IMAGE, tensor(1, 3, 3, 8), tensor(1, 10, 20, 8), dilations=(2, 2)),
            16 * (9 * 4 + 4), 8 * 10 * (9 + 19 * 9), id="but not where taps lie apart",
        ),
        pytest.param(
            weighted("DEPTHWISE_CONV_2D", IMAGE, tensor(1, 1, 33, 8), tensor(1, 10, 20, 8)),
            8 * 2 * (33 * 4 + 4), 8 * 33 * 200, id="a long one, group by group",
        ),
        pytest.param(
            weighted("TRANSPOSE_CONV", IMAGE, tensor(4, 4, 4, 8), tensor(1, 20, 40, 4), strides=(2, 2)),
            4 * (16 * 8 * 4 + 4), 8 * 16 * 800 // 4, id="a transposed one has its taps by turns",
        ),
        pytest.param(
            weighted("FULLY_CONNECTED", tensor(1, 30), tensor(17, 30, type_="INT8"), tensor(1, 17)),
            32 * (32 + 12), 0, id="8 bits stay 8 bits",
        ),
        pytest.param(
            Taken("MAX_POOL_2D", (0,), (1,), (IMAGE,), (False,), (tensor(1, 5, 10, 8),), (2, 2), window=(2, 2)),
            0, 8 * 5 * (4 + 9 * 2 * 2), id="a pool",
        ),
        pytest.param(weighted("FULLY_CONNECTED", tensor(1, 3), tensor(3), tensor(1, 3)), 0, 0, id="no matrix at all"),
    ],
)  # fmt: skip
def test_weights_and_tables_by_hand(op: Taken, packed: int, tables: int) -> None:
    held = hold([op], {0: 0, 1: 0}, [1], PHONE)
    assert (held.packed, held.tables) == (packed, tables)


def test_kernels_of_a_desktop_pack_in_wider_tiles() -> None:
    op = weighted("FULLY_CONNECTED", tensor(1, 30), tensor(17, 30), tensor(1, 17))
    assert [hold([op], {}, [1], tiles).packed for tiles in (PHONE, DESKTOP)] == [24 * 31 * 4, 32 * 31 * 4]


def chain(*kinds: str) -> list[Taken]:
    made = tensor(1, 4, 4, 16)
    return [Taken(kind, (k,), (k + 1,), (made,), (False,), (made,)) for k, kind in enumerate(kinds)]


SIZES = dict.fromkeys(range(9), 1024)


@pytest.mark.parametrize(
    ("ops", "workspace"),
    [
        pytest.param(chain("TRANSPOSE", "TRANSPOSE"), 1024, id="what goes in and out is the interpreter's"),
        pytest.param(chain("TRANSPOSE", "TRANSPOSE", "TRANSPOSE", "TRANSPOSE"), 2048, id="two live at once"),
        pytest.param(chain("TRANSPOSE", "TANH", "EXP", "TRANSPOSE"), 1024, id="in place"),
        pytest.param(chain("TRANSPOSE", "SUM", "TRANSPOSE"), 3072, id="sums have scratch"),
    ],
)
def test_the_workspace_by_hand(ops: list[Taken], workspace: int) -> None:
    assert hold(ops, SIZES, [len(ops)], PHONE) == Holding(workspace, 0, 0)


def test_a_convolution_pads_for_the_op_before_it() -> None:
    pad = Taken("PAD", (0, 8), (1,), (IMAGE, tensor(4, 2)), (False, True), (tensor(1, 12, 22, 8),))
    convolution = replace(weighted("CONV_2D", IMAGE, tensor(8, 3, 3, 8), IMAGE), reads=(1, 7), writes=(2,))
    assert hold([pad, convolution], SIZES, [2], PHONE).workspace == 0
    assert hold([pad, replace(convolution, pads=True)], SIZES, [2], PHONE).workspace == 1024
    assert hold([pad, convolution], SIZES, [1, 2], PHONE).workspace == 0  # an output of the group, not of the workspace


def test_floats_that_meet_8_bits_are_rounded_on_the_way_in() -> None:
    op = weighted("FULLY_CONNECTED", tensor(10, 30), tensor(17, 30, type_="INT8"), tensor(10, 17))
    assert hold([op], {}, [1], PHONE).workspace == 384  # 300 values, 8 bytes of scale and offset a row, to 64 bytes
