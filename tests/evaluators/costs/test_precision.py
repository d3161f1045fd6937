"""The precision of files that state none: told from how ops get their weights, not from the width of the whole."""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from device_profiles.profile import read_profile
from evaluators.costs.graph import Graph, Op
from evaluators.costs.latency import predict_latency
from evaluators.emulators.coreml.dtypes import dtype_named
from evaluators.formats import name_precision, place, read_graph
from evaluators.formats.coreml.weights import Operand, describe_constant


def op(macs: int, dtype: str, read: str = "", stored: str = "", *, rounds: bool = False) -> Op:
    return Op(
        "op", "conv", macs, 10, 10, 10, dtype, weight_dtype=read, stored_as=stored or read, rounds_activations=rounds
    )


@pytest.mark.parametrize(
    ("ops", "expected"),
    [
        ([op(90, "float32", "float32")], "float32"),
        ([op(90, "float32", "float32", "float16")], "float16"),
        ([op(90, "float32", "float32", "bfloat16")], "bfloat16"),
        ([op(90, "bfloat16", "bfloat16")], "bfloat16"),
        ([op(90, "float32", "int8")], "dynamic_wi8_afp32"),
        ([op(90, "float32", "int4")], "dynamic_wi4_afp32"),
        ([op(90, "float32", "float32", "int8")], "weight_only_wi8_afp32"),
        ([op(90, "int8", "int8"), op(10, "float32", "float32")], "static_wi8_ai8"),
        ([op(10, "int8", "int8"), op(90, "float32", "float32")], "float32"),
        ([op(90, "int8", "int4")], "static_wi4_ai8"),
        ([op(90, "int16", "int8")], "static_wi8_ai16"),
        ([op(90, "uint8", "uint8")], "static_wu8_au8"),
        # Attention multiplies activations; what the model's weights are in is decided by the rest.
        ([op(90, "float32"), op(10, "float32", "int8")], "dynamic_wi8_afp32"),
        ([op(90, "float32")], "float32"),
        # A table that is looked up multiplies nothing.
        ([op(0, "float32", "float32", "float16")], "float16"),
        ([op(0, "int32", "int32")], "float32"),
        ([op(0, "float32")], "float32"),
        ([], "float32"),
    ],
)
def test_tflite_by_the_types_of_weights_and_activations(ops: list[Op], expected: str) -> None:
    assert name_precision(Graph("tflite", tuple(ops), 100, 100, 1000)) == expected


@pytest.mark.parametrize(
    ("ops", "expected"),
    [
        ([op(90, "float16", "float16"), op(10, "float32", "float32")], "float16"),
        ([op(10, "float16", "float16"), op(90, "float32", "float32")], "float32"),
        ([op(90, "float16", "float16", "palettized_w4")], "palettized_w4"),
        ([op(90, "float32", "float32", "linear_w4_block32")], "linear_w4_block32"),
        ([op(90, "float16", "float16", "linear_w8", rounds=True)], "w8a8"),
        ([op(90, "float32", "float32", "float16")], "float32"),  # widened at load: the op stays what it is
    ],
)
def test_core_ml_by_the_compression_of_its_weights(ops: list[Op], expected: str) -> None:
    assert name_precision(Graph("coreml", tuple(ops), 100, 100, 1000)) == expected


@pytest.mark.parametrize("precision", ["static_wu8_au8", "dynamic_wi8_afp32", "dynamic_wi4_afp32"])
def test_whatever_multiplies_integers_runs_on_integer_kernels(precision: str) -> None:
    graph = Graph("tflite", (op(90, "float32", "float32"),), 1, 1, 1)
    assert "integer kernels" in place(graph, precision, read_profile("pixel-8")).reason
    assert "float32 kernels" in place(graph, "weight_only_wi8_afp32", read_profile("pixel-8")).reason


@pytest.mark.parametrize(("made", "expected"), [("int8", "weight_only_wi8_afp32"), ("float32", "float32")])
def test_a_table_of_integers_that_is_looked_up_computes_on_none(made: str, expected: str) -> None:
    rows = replace(op(0, made, made), kind="GATHER")
    assert name_precision(Graph("tflite", (rows, op(0, "float32")), 100, 100, 1000)) == expected


def test_int16_activations_leave_xnnpack_and_have_no_known_time() -> None:
    graph, phone = Graph("tflite", (op(90, "int16", "int8"),), 1, 1, 1), read_profile("pixel-8")
    placement = place(graph, name_precision(graph), phone)
    assert "XNNPACK, its default, has none for int16 activations" in placement.reason
    latency = predict_latency(graph, placement, phone).latency_ms
    assert latency.value is None
    assert "no published time is known" in str(latency.reason)


def constant(dtype: str, *shape: int, stored_as: str = "") -> Operand:
    return Operand(shape, dtype_named(dtype), stored_as or dtype)


@pytest.mark.parametrize(
    ("kind", "operands", "expected"),
    [
        ("constexpr_affine_dequantize", {"quantized_data": constant("uint8", 8, 8)}, "linear_w8"),
        ("constexpr_lut_to_dense", {"indices": constant("uint8", 32), "lut": constant("float16", 16)}, "palettized_w4"),
        ("constexpr_lut_to_dense", {"indices": constant("uint8", 48), "lut": constant("float16", 64)}, "palettized_w6"),
        (
            "constexpr_lut_to_dense",
            {"indices": constant("uint2", 8, 8), "lut": constant("float16", 2, 1, 4, 1)},
            "palettized_w2",
        ),
        (
            "constexpr_blockwise_shift_scale",
            {"data": constant("int4", 8, 64), "scale": constant("float16", 8, 2)},
            "linear_w4_block32",
        ),
        (
            "constexpr_blockwise_shift_scale",
            {"data": constant("int8", 8, 64), "scale": constant("float16", 8, 1)},
            "linear_w8",
        ),
        ("constexpr_sparse_to_dense", {"nonzero_data": constant("float16", 9)}, "sparse"),
        (
            "constexpr_sparse_to_dense",
            {"nonzero_data": constant("float16", 9, stored_as="sparse_palettized_w4")},
            "sparse_palettized_w4",
        ),
        ("constexpr_cast", {"source_val": constant("float16", 8)}, "float16"),
        ("cast", {"x": constant("float16", 8)}, "float16"),
        ("constexpr_of_next_year", {}, ""),
    ],
)
def test_how_a_constant_is_held(kind: str, operands: dict[str, Operand], expected: str) -> None:
    assert describe_constant(kind, operands) == expected


@pytest.mark.tflite
class TestTFLite:
    """Files of one matrix product, as converters write each precision."""

    @staticmethod
    def product(path: Path, *, activations: str = "FLOAT32", stored: str = "FLOAT32", widened: bool = False) -> Graph:
        pytest.importorskip("ai_edge_litert")
        from tests.testpress.tiny_tflite import Writer

        w = Writer()
        x, y = w.tensor("x", (1, 64), activations), w.tensor("y", (1, 8), activations)
        weight = w.tensor("w", (8, 64), stored, values=np.zeros(512))
        if widened:
            wide = w.tensor("wide", (8, 64))
            w.op("DEQUANTIZE", [weight], [wide])
            weight = wide
        w.op("FULLY_CONNECTED", [x, weight, -1], [y])
        return read_graph(w.write(path, [x], [y]))

    def test_a_hybrid_op_reads_integers_beside_floats(self, tmp_path: Path) -> None:
        graph = self.product(tmp_path / "m.tflite", stored="INT8")
        assert name_precision(graph) == "dynamic_wi8_afp32"
        assert graph.weight_bytes == graph.expanded_weight_bytes == 512

    def test_weights_that_are_widened_first_leave_the_op_in_floats(self, tmp_path: Path) -> None:
        assert (
            name_precision(self.product(tmp_path / "m.tflite", stored="INT8", widened=True)) == "weight_only_wi8_afp32"
        )
        assert name_precision(self.product(tmp_path / "h.tflite", stored="FLOAT16", widened=True)) == "float16"

    def test_the_older_unsigned_scheme_is_as_fast_as_the_signed_one(self, tmp_path: Path) -> None:
        signed = self.product(tmp_path / "s.tflite", activations="INT8", stored="INT8")
        unsigned = self.product(tmp_path / "u.tflite", activations="UINT8", stored="UINT8")
        assert [name_precision(graph) for graph in (signed, unsigned)] == ["static_wi8_ai8", "static_wu8_au8"]
        profile = read_profile("pixel-8")
        placements = [place(graph, name_precision(graph), profile) for graph in (signed, unsigned)]
        assert placements[0] == placements[1]


@pytest.mark.slow
@pytest.mark.coreml
@pytest.mark.skipif(not find_spec("coremltools"), reason="needs coremltools")
class TestCoreML:
    """Programs of one matrix product whose weights are made by one op."""

    @staticmethod
    def product(path: Path, target: str, make: str) -> Graph:
        from tests.mil_programs import FLOAT32, write_program

        indices = np.arange(64 * 64, dtype=np.uint8).reshape(64, 64)

        def body(mb: object, x: object) -> object:
            if make == "constexpr_affine_dequantize":
                weight = mb.constexpr_affine_dequantize(  # type: ignore[attr-defined]
                    quantized_data=indices, zero_point=np.uint8(0), scale=np.float32(0.1), axis=0
                )
            else:
                weight = mb.constexpr_lut_to_dense(  # type: ignore[attr-defined]
                    indices=indices[:32].reshape(-1), lut=np.arange(16, dtype=np.float32), shape=np.uint32([64, 64])
                )
            return mb.linear(x=x, weight=weight)  # type: ignore[attr-defined]

        write_program(path, body, {"x": ((1, 64), FLOAT32)}, target=target)
        return read_graph(path)

    @pytest.mark.parametrize(
        ("make", "stored_bytes", "precision"),
        [
            ("constexpr_affine_dequantize", 64 * 64, "linear_w8"),
            ("constexpr_lut_to_dense", 64 * 64 // 2, "palettized_w4"),
        ],
    )
    def test_compressed_weights_count_once(self, make: str, stored_bytes: int, precision: str, tmp_path: Path) -> None:
        graph = self.product(tmp_path / "m.mlpackage", "iOS16", make)
        weights = sum(file.stat().st_size for file in tmp_path.rglob("weight.bin"))
        assert graph.weight_bytes == pytest.approx(stored_bytes, abs=600)  # the palette and the bias of zeros
        assert graph.weight_bytes == pytest.approx(weights, abs=600)
        assert graph.expanded_weight_bytes == pytest.approx(64 * 64 * 4, abs=600)
        assert name_precision(graph) == precision


def test_each_op_has_the_kernels_of_its_own_numbers() -> None:
    """A dynamic model's convolutions may stay in floats, and a float model may hold ops on integers."""
    integer, floating = op(90, "float32", "int8"), op(10, "float32", "float32")
    for ops in ((integer, floating), (replace(integer, macs=10), replace(floating, macs=90))):
        graph = Graph("tflite", ops, 1, 1, 1)
        placement = place(graph, name_precision(graph), read_profile("pixel-8"))
        assert [placement.compute_of(each).number for each in ops] == ["int8", "float32"]
        assert {placement.threads_of(placement.compute_of(each)) for each in ops} == {4}
