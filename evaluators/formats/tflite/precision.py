"""Precisions of TFLite files, in the words of the AI Edge Quantizer's recipes."""

from __future__ import annotations

from evaluators.costs.graph import Op

_WORDS = {
    "float16": "fp16", "float32": "fp32", "int2": "i2", "int4": "i4", "int8": "i8", "int16": "i16", "uint4": "u4",
    "uint8": "u8",
}  # fmt: skip
"""element types as the names of precisions spell them: `dynamic_wi8_afp32` is int8 weights, float32 activations"""


def multiplies_integers(precision: str) -> bool:
    """Whether a TFLite model of this precision has its convolutions and matrix products computed on integers."""
    return precision.startswith(("dynamic_w", "static_w"))


def activates_in_int16(precision: str) -> bool:
    """Whether a TFLite model of this precision computes on int16 activations."""
    return precision.startswith("static_w") and precision.endswith("_ai16")


_OTHER_FLOATS = ("bfloat16", "float64")

_LOOKUPS = frozenset({"GATHER", "EMBEDDING_LOOKUP"})
"""ops that pick rows of a table: of whole numbers, those are widened afterwards"""


def name_op(op: Op) -> str:
    """The precision of one op."""
    stored, read = op.stored_as or op.weight_dtype, op.weight_dtype
    if op.kind in _LOOKUPS and op.dtype == stored and stored in ("int4", "int8", "uint8"):
        return f"weight_only_w{_WORDS[stored]}_afp32"
    if op.dtype in ("int8", "uint8", "int16"):
        weight = _WORDS.get(stored, "u8" if op.dtype == "uint8" else "i8")
        return f"static_w{weight}_a{_WORDS[op.dtype]}"
    if op.dtype in _OTHER_FLOATS:
        return op.dtype
    if op.may_be_float16 and stored in ("", "float16", "float32"):
        return "float16_arithmetic"
    if op.dtype not in ("float32", "float16") or not stored:
        return op.dtype if op.dtype in _WORDS else "float32"
    if stored.startswith(("int", "uint")) and stored in _WORDS:
        kind = "dynamic" if read == stored else "weight_only"
        return f"{kind}_w{_WORDS[stored]}_a{_WORDS[op.dtype]}"
    return stored if stored in ("float16", "bfloat16") else op.dtype
