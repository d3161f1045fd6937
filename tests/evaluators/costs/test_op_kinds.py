"""Every word of both formats has a kind, and the kinds of those that cost most."""

from __future__ import annotations

import pytest

from evaluators.costs.graph import Op
from evaluators.costs.op_kinds import OP_KINDS, kind_of
from evaluators.emulators.coreml.ops.registry import known_ops
from evaluators.formats.coreml.macs import Operands, is_depthwise


def op(word: str, *, is_depthwise: bool = False) -> Op:
    return Op("y", word, 0, 4, 4, 0, "float32", is_depthwise=is_depthwise)


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("CONV_2D TRANSPOSE_CONV conv conv_transpose", "conv"),
        ("DEPTHWISE_CONV_2D", "depthwise"),
        ("FULLY_CONNECTED linear", "dense"),
        ("BATCH_MATMUL matmul einsum", "matmul"),
        ("UNIDIRECTIONAL_SEQUENCE_LSTM SVDF lstm gru", "recurrent"),
        ("RFFT2D", "spectrum"),
        ("ADD LOGISTIC QUANTIZE layer_norm sigmoid", "elementwise"),
        ("MEAN MAX_POOL_2D reduce_mean avg_pool", "pool"),
        ("TRANSPOSE PAD STRIDED_SLICE CONCATENATION gather slice_by_index", "move"),
        ("WHILE while_loop CALL_ONCE VAR_HANDLE custom_layer no_such_op", "other"),
    ],
)
def test_the_kind_of_a_word(words: str, kind: str) -> None:
    assert {word: kind_of(op(word)) for word in words.split()} == dict.fromkeys(words.split(), kind)


@pytest.mark.parametrize("word", ["CUSTOM AudioSpectrogram", "CUSTOM Mfcc", "CUSTOM FlexRFFT"])
def test_custom_ops_are_known_by_their_own_name(word: str) -> None:
    assert kind_of(op(word)) == "spectrum"
    assert kind_of(op("CUSTOM TFLite_Detection_PostProcess")) == "other"


def test_a_convolution_of_single_channels_is_depthwise() -> None:
    assert kind_of(op("conv", is_depthwise=True)) == "depthwise"
    assert kind_of(op("linear", is_depthwise=True)) == "dense"


CONTROL = {
    "cond", "while_loop", "make_list", "list_length", "shape", "non_zero", "argsort", "topk", "non_maximum_suppression",
    "classify", "random_bernoulli", "random_categorical", "random_normal", "random_uniform",
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.coreml
def test_every_op_of_ml_programs_has_a_kind() -> None:
    """But for control flow, lists, sorting, chance and what only weights are made of."""
    unknown = {word for word in known_ops() if kind_of(op(word)) == "other"}
    assert {word for word in unknown if not word.startswith("constexpr_")} == CONTROL


@pytest.mark.tflite
def test_every_tflite_op_that_computes_has_a_kind() -> None:
    schema = pytest.importorskip("ai_edge_litert.schema_py_generated")
    words = {name for name in vars(schema.BuiltinOperator) if name.isupper()}
    kinds = {word: kind_of(op(word)) for word in words}
    assert set(kinds.values()) == set(OP_KINDS)
    unknown = {word for word, kind in kinds.items() if kind == "other"}
    assert not [word for word in unknown if word.startswith(("CONV", "REDUCE", "RESIZE", "UNIDIRECTIONAL", "L2"))]
    assert len(unknown) < 45


@pytest.mark.parametrize(
    ("kind", "x", "weight", "output", "expected"),
    [
        pytest.param("conv", (1, 8, 50), (8, 1, 3), (1, 8, 50), True, id="as many groups as channels"),
        pytest.param("conv", (1, 8, 50), (16, 1, 3), (1, 16, 50), True, id="two outputs a channel"),
        pytest.param("conv", (1, 8, 50), (8, 2, 3), (1, 8, 50), False, id="groups of two"),
        pytest.param("conv", (1, 1, 50), (8, 1, 3), (1, 8, 50), False, id="one channel is not depthwise"),
        pytest.param("conv_transpose", (1, 8, 50), (8, 1, 2), (1, 8, 100), True, id="transposed"),
        pytest.param("conv_transpose", (1, 8, 50), (8, 1, 2), (1, 1, 100), False, id="transposed, to one channel"),
        pytest.param("matmul", (1, 8, 50), (8, 1, 2), (1, 8, 50), False, id="no convolution"),
    ],
)
def test_which_convolutions_are_depthwise(
    kind: str, x: tuple[int, ...], weight: tuple[int, ...], output: tuple[int, ...], *, expected: bool
) -> None:
    assert is_depthwise(kind, Operands({"x": (x,), "weight": (weight,)}, {}, [output])) is expected
