"""The tables of audio models: every measurement has its graph, and the graphs are those that were published."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from evaluators.costs import op_kinds
from evaluators.costs.op_kinds import OP_KINDS
from evaluators.costs.published import COMPUTES

FOLDER = Path(op_kinds.__file__).parent
COUNTS = ("count", "macs", "read_values", "written_values", "weight_values", "runs")


def read(name: str) -> list[dict[str, str]]:
    with (FOLDER / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def measured() -> list[dict[str, str]]:
    return read("audio_latency.csv")


@pytest.fixture(scope="module")
def graphs() -> dict[str, list[dict[str, str]]]:
    found: dict[str, list[dict[str, str]]] = {}
    for row in read("audio_ops.csv"):
        found.setdefault(row["graph"], []).append(row)
    return found


def total(ops: list[dict[str, str]], column: str, of: Callable[[str], bool] = lambda _: True) -> int:
    return sum(int(op["count"]) * int(op[column]) for op in ops if of(op["kind"]))


def test_every_measurement_has_a_graph(measured: list[dict[str, str]], graphs: dict[str, list[dict[str, str]]]) -> None:
    assert {row["graph"] for row in measured} <= set(graphs)
    assert len(measured) > 100


def test_every_measurement_says_what_it_is_and_where_it_stands(measured: list[dict[str, str]]) -> None:
    for row in measured:
        assert row["kind"] in COMPUTES, row
        assert 0.02 < float(row["latency_ms"]) < 2000, row
        assert row["threads"] in ("", "1"), row
        assert all(row[name] for name in ("family", "model", "precision", "device", "runtime", "repo", "path")), row
        assert re.fullmatch(r"[0-9a-f]{40}", row["commit"]) or row["path"].startswith("issues/"), row
    keys = [
        tuple(row[name] for name in ("kind", "model", "precision", "device", "runtime", "commit")) for row in measured
    ]
    assert len(set(keys)) == len(keys)


def test_every_op_has_a_kind_and_counts(graphs: dict[str, list[dict[str, str]]]) -> None:
    for ops in graphs.values():
        for op in ops:
            assert op["kind"] in OP_KINDS
            assert all(int(op[column]) >= 0 for column in COUNTS), op
            assert int(op["count"]) > 0
            assert int(op["runs"]) > 0
            assert int(op["read_values"]) + int(op["written_values"]) + int(op["weight_values"]) > 0, op


PARAMETERS = {
    "kws_svdf_op": 354, "kws_dnn_op": 447, "kws30k_svdf_resnet": 33, "kws30k_mobilenet": 35,
    "kws30k_mobilenet_v2": 28, "kws30k_inception": 30, "kws30k_inception_resnet": 33, "kws30k_svdf": 32,
    "kws30k_tc_resnet": 31, "kws30k_xception": 31, "cnn14_body": 80753,
}  # fmt: skip
"""thousands, as published (see `benchmarks/audio_graphs.py`), of graphs that read each weight once"""


@pytest.mark.parametrize("graph", PARAMETERS)
def test_weights_are_those_published(graph: str, graphs: dict[str, list[dict[str, str]]]) -> None:
    """Within 6 %: the page rounds to thousands, and what it counts of batch normalisation is folded away here."""
    weights = total(graphs[graph], "weight_values", lambda kind: kind in ("conv", "depthwise", "dense"))
    assert weights / 1000 == pytest.approx(PARAMETERS[graph], rel=0.06)


def test_the_front_ends_are_inside(graphs: dict[str, list[dict[str, str]]]) -> None:
    matrices = {name: ops for name, ops in graphs.items() if name.startswith("kws_") and "_op" not in name}
    for name, ops in matrices.items():
        frames = 1 if name.endswith("_stream") and name != "kws_ds_cnn_stream" else 49
        lines = 512 if name == "kws_att_mh_rnn" else 448
        transforms = [op for op in ops if op["macs"] == str(frames * 640 * lines)]
        assert sum(int(op["count"]) for op in transforms) == (0 if "raw" in name else 2), name
    for name, ops in graphs.items():
        spectra = total(ops, "count", lambda kind: kind == "spectrum")
        assert spectra == (2 if "_op" in name or "30k" in name else 0), name


def test_a_step_of_20_ms_costs_far_less_than_a_second(graphs: dict[str, list[dict[str, str]]]) -> None:
    pairs = [(name, name.replace("_stream", "", 1)) for name in graphs if name.endswith(("_stream", "_stream_w8"))]
    pairs = [(step, whole) for step, whole in pairs if whole in graphs]
    assert len(pairs) > 8
    for step, whole in pairs:
        # The layers at the end of a stream see all of the second again.
        assert total(graphs[step], "macs") < total(graphs[whole], "macs") / 3, step


def test_weights_of_8_bits_change_no_multiply_adds(graphs: dict[str, list[dict[str, str]]]) -> None:
    pairs = [name for name in graphs if name.endswith(("_w8", "_w8a8"))]
    assert len(pairs) > 15
    for name in pairs:
        plain = name.removesuffix("_w8a8").removesuffix("_w8")
        assert total(graphs[name], "macs") == total(graphs[plain], "macs"), name


@pytest.mark.slow
@pytest.mark.tensorflow
@pytest.mark.tflite
def test_a_graph_is_counted_again(graphs: dict[str, list[dict[str, str]]]) -> None:
    pytest.importorskip("tf_keras")
    from benchmarks.audio_graphs import COLUMNS, list_builds, recount

    name = "kws_dnn_op"
    assert recount(name, list_builds()[name]) == [tuple(op[column] for column in COLUMNS) for op in graphs[name]]
