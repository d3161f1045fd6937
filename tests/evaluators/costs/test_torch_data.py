"""The counted PyTorch graphs and the latencies measured on them, read from their files alone."""

from __future__ import annotations

import csv
import math
import re
from collections import defaultdict
from pathlib import Path

import pytest

import evaluators.costs
from evaluators.costs.op_kinds import OP_KINDS
from evaluators.costs.published import COMPUTES

FOLDER = Path(evaluators.costs.__file__).parent
OPS = list(csv.DictReader((FOLDER / "torch_ops.csv").read_text(encoding="utf-8").splitlines()))
ROWS = list(csv.DictReader((FOLDER / "torch_latency.csv").read_text(encoding="utf-8").splitlines()))
COMPRESSED = re.compile(r"\d-bit palettized|\d+% unstructured sparsity|int8 weight-only")

# Thousand millions, as torchvision's table of classification weights gives them ("GFLOPS" there counts multiply-adds):
# pytorch.org/vision/stable/models.html
TORCHVISION = {
    "resnet18": 1.81, "resnet50": 4.09, "resnet101": 7.80, "resnext50_32x4d": 4.23, "resnext101_32x8d": 16.41,
    "wide_resnet50_2": 11.40, "vit_b_16": 17.56, "googlenet": 1.50, "squeezenet1_1": 0.35, "densenet121": 2.83,
    "regnet_x_3_2gf": 3.18, "swin_t": 4.49, "swin_s": 8.74, "swin_b": 15.43,
}  # fmt: skip

# Thousand millions, as the sources of their latencies give them, most with one decimal.
SOURCES = {
    "repvit_m0_9_224": 0.8, "repvit_m1_0_224": 1.1, "repvit_m1_1_224": 1.3, "repvit_m1_5_224": 2.3,
    "repvit_m2_3_224": 4.5, "efficientformerv2_s0_224": 0.40, "efficientformerv2_s1_224": 0.65,
    "efficientformerv2_s2_224": 1.25, "efficientformerv2_l_224": 2.56, "swiftformer_xs_224": 0.6,
    "swiftformer_s_224": 1.0, "swiftformer_l1_224": 1.6, "swiftformer_l3_224": 4.0, "starnet_s1_224": 0.425,
    "starnet_s2_224": 0.547, "starnet_s3_224": 0.757, "starnet_s4_224": 1.075, "nextvit_small_224": 5.8,
    "nextvit_base_224": 8.3, "nextvit_large_224": 10.8, "nextvit_small_384": 17.3, "nextvit_base_384": 24.6,
    "nextvit_large_384": 32.0, "repnext_m0_224": 0.4, "repnext_m1_224": 0.8, "repnext_m2_224": 1.1,
    "repnext_m3_224": 1.3, "repnext_m4_224": 2.3, "repnext_m5_224": 4.5, "recnext_m0_224": 0.4,
    "recnext_m1_224": 0.9, "recnext_m2_224": 1.2, "recnext_m3_224": 1.4, "recnext_m4_224": 2.4,
    "recnext_m5_224": 4.7, "recnext_a0_224": 0.4, "recnext_a1_224": 0.9, "recnext_a2_224": 1.2,
    "recnext_a3_224": 1.4, "recnext_a4_224": 2.4, "recnext_a5_224": 4.7, "care_s0_224": 0.7, "care_s1_224": 1.0,
    "care_s2_224": 1.9, "lowformer_e1_224": 1.35, "lowformer_e2_224": 3.8,
}  # fmt: skip
# Millions, with those of normalisations and biases that are folded here: tensorflow/tpu,
# models/official/efficientnet/lite/README.md
EFFICIENTNET_LITE = {"0_224": 407, "1_240": 631, "2_260": 899, "3_280": 1440, "4_300": 2640}


def _total(graph: str, column: str) -> int:
    return sum(int(row["count"]) * int(row["runs"]) * int(row[column]) for row in OPS if row["graph"] == graph)


@pytest.mark.parametrize("name", TORCHVISION)
def test_multiply_adds_are_those_that_torchvision_publishes(name: str) -> None:
    assert _total(f"{name}_224", "macs") / 1e9 == pytest.approx(TORCHVISION[name], rel=0.02)


@pytest.mark.parametrize("graph", SOURCES)
def test_multiply_adds_are_those_that_the_sources_of_latencies_give(graph: str) -> None:
    assert _total(graph, "macs") / 1e9 == pytest.approx(SOURCES[graph], rel=0.05, abs=0.05)


@pytest.mark.parametrize("name", EFFICIENTNET_LITE)
def test_multiply_adds_of_efficientnet_lite_are_those_of_its_page(name: str) -> None:
    counted = _total(f"efficientnet_lite{name}", "macs") / 1e6
    assert 0.94 * EFFICIENTNET_LITE[name] <= counted <= EFFICIENTNET_LITE[name]


def test_ops_of_float_convolutional_networks_are_as_many_as_the_phone_ran() -> None:
    """AI Hub says how many layers its TFLite file had: the folding of activations and paddings is right if they agree.

    Where layer normalisation, GELU or channel shuffles are, the exporter writes several ops for one of PyTorch's.
    """
    counted: dict[str, int] = defaultdict(int)
    for row in OPS:
        counted[row["graph"]] += int(row["count"])
    seen = 0
    for row in ROWS:
        found = re.search(r"layers: (\d+) on NPU$|layers: (\d+) on NPU;", row["notes"])
        convolutional = row["family"] in {"resnet", "mobilenet_v2", "mobilenet_v3", "inception", "squeezenet", "yamnet"}
        if found and convolutional and row["precision"] == "float16":
            seen += 1
            assert counted[row["graph"]] == pytest.approx(int(found[1] or found[2]), rel=0.03), row
    assert seen > 50


def test_every_measured_graph_is_counted() -> None:
    assert {row["graph"] for row in ROWS} <= {row["graph"] for row in OPS}


def test_rows_say_what_was_measured_and_where_that_is_written() -> None:
    assert len(ROWS) >= 240
    for row in ROWS:
        assert None not in row.values(), row
        assert row["kind"] in COMPUTES, row
        precise = row["precision"] in {"float32", "float16", "int8"} or COMPRESSED.fullmatch(row["precision"])
        assert precise, row
        assert math.isfinite(float(row["latency_ms"])), row
        assert float(row["latency_ms"]) > 0, row
        assert row["repo"], row
        assert row["path"], row
        assert not row["commit"] or re.fullmatch(r"[0-9a-f]{40}", row["commit"]), row
        assert not row["threads"] or int(row["threads"]) > 0, row


def test_no_row_stands_twice() -> None:
    keys = [tuple(row[name] for name in row if name != "notes") for row in ROWS]
    assert len(keys) == len(set(keys))


def test_ops_are_whole_numbers_and_work_has_multiply_adds() -> None:
    for row in OPS:
        sizes = {
            name: int(row[name]) for name in ("count", "macs", "read_values", "written_values", "weight_values", "runs")
        }
        assert row["kind"] in OP_KINDS, row
        assert min(sizes.values()) >= 0, row
        assert min(sizes["count"], sizes["runs"], sizes["written_values"]) > 0, row
        works = row["kind"] in {"conv", "depthwise", "dense", "matmul", "recurrent"}
        assert works == (sizes["macs"] > 0), row
