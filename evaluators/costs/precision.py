"""The precision of a model file that states none, in the words of testpress's own precisions, told from its ops.

What decides is how the ops with the most multiply-adds get their weights: in which type the file holds them, in which
type the op reads them, and in which type it computes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from evaluators.costs.graph import Graph, Op

_WORDS = {
    "float16": "fp16", "float32": "fp32", "int2": "i2", "int4": "i4", "int8": "i8", "int16": "i16", "uint4": "u4",
    "uint8": "u8",
}  # fmt: skip
"""element types as the names of precisions spell them: `dynamic_wi8_afp32` is int8 weights, float32 activations"""

_COMPRESSIONS = ("linear_", "palettized_", "sparse")

_ROUNDED = "w8a8"
"""Core ML's 8-bit weights between ops that round activations to 8 bits as well"""


def name_precision(graph: Graph) -> str:
    """The precision of a ready-made file.

    A model whose ops differ has the precision in which most of the multiply-adds of its weights are computed. Types
    that testpress does not package in follow the same grammar: `static_wu8_au8` is TFLite's older 8-bit scheme.
    """
    name = _name_tflite if graph.format == "tflite" else _name_coreml
    return _dominant(_most_telling(graph.ops), name)


def multiplies_integers(precision: str) -> bool:
    """Whether a TFLite model of this precision has its convolutions and matrix products computed on integers."""
    return precision.startswith(("dynamic_w", "static_w"))


def activates_in_int16(precision: str) -> bool:
    """Whether a TFLite model of this precision computes on int16 activations."""
    return precision.startswith("static_w") and precision.endswith("_ai16")


def _most_telling(ops: tuple[Op, ...]) -> list[Op]:
    """Ops that multiply weights; where there are none those that multiply, then those that read weights, then all."""
    for choice in (
        [op for op in ops if op.macs and op.weight_dtype],
        [op for op in ops if op.macs],
        [op for op in ops if op.weight_dtype and op.weight_dtype not in ("int32", "int64", "bool")],
    ):
        if choice:
            return choice
    return list(ops)


def _dominant(ops: Iterable[Op], name: Callable[[Op], str]) -> str:
    weights: dict[str, int] = {}
    for op in ops:
        word = name(op)
        weights[word] = weights.get(word, 0) + (op.macs or op.moved_bytes)
    return max(weights, key=lambda word: weights[word], default="float32")


_OTHER_FLOATS = ("bfloat16", "float64")

_LOOKUPS = frozenset({"GATHER", "EMBEDDING_LOOKUP"})
"""ops that pick rows of a table: of whole numbers, those are widened afterwards"""


def _name_tflite(op: Op) -> str:
    stored, read = op.stored_as or op.weight_dtype, op.weight_dtype
    if op.kind in _LOOKUPS and op.dtype == stored and stored in ("int4", "int8", "uint8"):
        return f"weight_only_w{_WORDS[stored]}_afp32"
    if op.dtype in ("int8", "uint8", "int16"):
        weight = _WORDS.get(stored, "u8" if op.dtype == "uint8" else "i8")
        return f"static_w{weight}_a{_WORDS[op.dtype]}"
    if op.dtype in _OTHER_FLOATS:
        return op.dtype
    if op.dtype not in ("float32", "float16") or not stored:
        return op.dtype if op.dtype in _WORDS else "float32"
    if stored.startswith(("int", "uint")) and stored in _WORDS:
        kind = "dynamic" if read == stored else "weight_only"
        return f"{kind}_w{_WORDS[stored]}_a{_WORDS[op.dtype]}"
    return stored if stored in ("float16", "bfloat16") else op.dtype


def _name_coreml(op: Op) -> str:
    # Weights held in float16 and widened at load leave the op what it is.
    if op.rounds_activations and op.stored_as.startswith("linear_w8"):
        return _ROUNDED
    return op.stored_as if op.stored_as.startswith(_COMPRESSIONS) else op.dtype
