"""The published measurements: where they come from, and that their graphs do what the papers say."""

from __future__ import annotations

import math
import re

import pytest

from evaluators.costs.op_kinds import OP_KINDS
from evaluators.costs.published import COMPUTES, TABLES, read_entries, read_graphs, read_rows

ENTRIES = [(table, entry) for table in TABLES for entry in read_entries(f"{table}_latency.csv")]


def test_every_row_names_its_source_and_a_graph_that_is_counted() -> None:
    assert len(ENTRIES) > 500
    for table, entry in ENTRIES:
        assert "/" in entry["repo"], (table, entry)
        assert entry["path"]
        assert re.fullmatch(r"[0-9a-f]{40}", entry["commit"]) or entry["path"].startswith("issues/"), (table, entry)
        assert entry["graph"] in read_graphs(table), (table, entry["graph"])
        assert float(entry["latency_ms"]) > 0


def test_rows_are_read_once_and_few_are_left_out() -> None:
    assert read_rows() is read_rows()
    assert len(read_rows()) > 0.96 * len(ENTRIES)
    assert {row.compute for row in read_rows()} == set(COMPUTES.values())


@pytest.mark.parametrize("table", TABLES)
def test_every_op_has_a_kind_and_no_line_stands_twice(table: str) -> None:
    entries = read_entries(f"{table}_ops.csv")
    for entry in entries:
        assert entry["kind"] in OP_KINDS
        assert all(int(entry[name]) >= 0 for name in ("macs", "read_values", "written_values", "weight_values"))
        assert int(entry["count"]) >= 1
    lines = [tuple(value for name, value in entry.items() if name != "count") for entry in entries]
    assert len(set(lines)) == len(lines)


def macs_of(graph: str) -> int:
    return sum(int(op[1]) * int(op[2]) for op in read_graphs("vision")[graph])


def mobilenet_v1_macs(width: float, side: int) -> int:
    """Howard et al. 2017, table 1: a convolution, thirteen depthwise separable ones, a dense layer."""
    layers = [(32, 1), (64, 2), (128, 1), (128, 2), (256, 1), (256, 2), *[(512, 1)] * 5, (512, 2), (1024, 1)]
    side //= 2
    macs = side * side * int(32 * width) * 27
    for index, (channels, stride) in enumerate(layers):
        side //= stride
        inner = int(channels * width)
        outer = int((layers[index + 1][0] if index + 1 < len(layers) else 1024) * width)
        macs += side * side * inner * (9 + outer)
    return macs + int(1024 * width) * 1000


@pytest.mark.parametrize("side", [128, 160, 192, 224])
@pytest.mark.parametrize("width", [0.25, 0.5, 0.75, 1.0])
def test_macs_of_mobilenet_v1_in_closed_form(width: float, side: int) -> None:
    assert macs_of(f"mobilenet_v1 w{width:g} {side}") == mobilenet_v1_macs(width, side)


@pytest.mark.parametrize(
    ("graph", "millions"),
    [
        ("mobileone-s0 224", 275), ("mobileone-s1 224", 825), ("mobileone-s2 224", 1299), ("mobileone-s3 224", 1896),
        ("mobileone-s4 224", 2978), ("resnet50 224", 3858), ("vgg16 224", 15470),
    ],
)  # fmt: skip
def test_macs_as_papers_give_them(graph: str, millions: int) -> None:
    """Vasu et al. 2023, table 2; He et al. 2016; Simonyan and Zisserman 2015."""
    assert macs_of(graph) / 1e6 == pytest.approx(millions, rel=0.002)


def test_weights_of_a_transformer_in_closed_form() -> None:
    """BERT's encoder: layers · 12 · width²."""
    weights = sum(int(op[1]) * int(op[5]) for op in read_graphs("vision")["minilm l6 80"])
    assert weights == 6 * 12 * 384**2
    assert math.isclose(macs_of("minilm l6 80"), weights * 80 + 6 * 2 * 80**2 * 384)
