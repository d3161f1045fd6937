"""TFLite precisions, made of a float32 model by the AI Edge Quantizer, whose recipe names they carry.

What the quantizer cannot handle stays float. So do inputs and outputs, and activations inside loops: a state must leave
a loop in the type it came in.
"""

from __future__ import annotations

import importlib.util
import re
from typing import Any

from packager.compression import Context
from packager.errors import PackagingError
from packager.formats.format import FLOAT16, INT8, INT16, Arithmetic, Precision
from packager.formats.tflite.compression.quantizer import quantize
from packager.formats.tflite.reduced_precision import allow_float16

_INT8 = ("int8", "i8", "8bit", "8_bit", "quantized", "quantised")
"""what may be any of three"""

PRECISIONS = {
    "float32": Precision(
        60.0,
        "the same arithmetic in another order",
        "nothing is made smaller",
        ("fp32", "f32", "float", "single"),
        arithmetic=Arithmetic("float", 32),
    ),
    "float16": Precision(
        30.0,
        "weights of 11 bits; about 60 dB a layer, less where a model amplifies differences",
        "weights stored in 16 bits, computed in float32, or in float16 by GPUs",
        ("fp16", "f16", "half"),
        arithmetic=Arithmetic("float", 16),
    ),
    "float16_arithmetic": Precision(
        30.0,
        "as of float16, since this machine computes in float32; nothing is promised of a phone's float16",
        "weights stored in 16 bits, and leave to compute in float16 on a CPU whose cores can",
        ("fp16_arithmetic", "f16_arithmetic", "half_arithmetic", "fp16accfp16"),
        FLOAT16,
        arithmetic=Arithmetic("float16", 16, is_priced=False),
        caveat="played here in float32: a phone computes it in float16 where its cores can",
    ),
    "dynamic_wi8_afp32": Precision(
        15.0,
        "8 bits for weights and, call by call, for what convolutions read",
        "dynamic range: weights in 8 bits, activations brought to 8 bits at each call; no calibration",
        (*_INT8, "int8_dynamic", "dynamic_int8", "dynamic_range", "dynamic", "dynamic_wi8"),
        INT8,
        arithmetic=Arithmetic("dynamic", 8),
    ),
    "weight_only_wi8_afp32": Precision(
        18.0,
        "8 bits for weights, float32 for everything else",
        "weights only: stored in 8 bits, computed in float32; no calibration",
        (*_INT8, "w8", "weight_only", "weights_only", "weight_only_int8", "int8_weights", "int8_weight_only", "w8a32"),
        arithmetic=Arithmetic("float", 8),
    ),
    "dynamic_wi4_afp32": Precision(
        6.0,
        "4 bits for weights: 24 dB at best where weights fill their range, and it adds up",
        "dynamic range with weights in 4 bits; no calibration",
        ("int4", "i4", "4bit", "int4_dynamic", "dynamic_int4", "dynamic_wi4"),
        INT8,
        arithmetic=Arithmetic("dynamic", 4),
    ),
    "static_wi8_ai8": Precision(
        10.0,
        "8 bits for weights and activations, in ranges set beforehand",
        "full integer: weights and activations in 8 bits, in ranges calibrated on the recipe's audio",
        (*_INT8, "static", "int8_static", "static_int8", "full_int8", "int8_full", "full_integer", "w8a8"),
        INT8,
        arithmetic=Arithmetic("int8", 8),
    ),
    "static_wi8_ai16": Precision(
        15.0,
        "8 bits for weights; activations of 16 bits add little to their error",
        "full integer: weights in 8 bits, activations in 16, in ranges calibrated on the recipe's audio",
        ("static", "16x8", "int16x8", "w8a16", "static_int16"),
        INT16,
        arithmetic=Arithmetic("int16", 8, is_priced=False),
    ),
}
"""weights are brought to the type that a kernel multiplies in, whatever type they are stored in"""
MODEL_FILE = "model.tflite"


def compress(float32_model: bytes, precision: str, context: Context) -> bytes:
    """A float32 TFLite model in another precision.

    Args:
        float32_model: The flatbuffer.
        precision: `float16` stores weights as float16 and computes in float32; `float16_arithmetic` may be computed in
            float16 as well; the others are the AI Edge Quantizer's recipes of the same name.
        context: What it has `heard` sets the ranges of the static precisions.

    Raises:
        PackagingError: Unknown precision, nothing to calibrate on, or the quantizer refuses the model.
    """
    if precision not in PRECISIONS:
        raise PackagingError(f"unknown TFLite precision {precision!r}; known: {', '.join(PRECISIONS)}")
    if precision == "float32":
        return float32_model
    if importlib.util.find_spec("ai_edge_quantizer") is None:
        raise PackagingError('ai-edge-quantizer is not installed; install "testpress[tflite]"')
    if precision.startswith("static_"):
        from packager.formats.tflite.compression.static import quantize_statically

        return quantize_statically(float32_model, precision, context)
    if precision == "float16_arithmetic":
        return allow_float16(quantize(float32_model, _rules("float16")))
    rules = _rules(precision) if precision == "float16" else _integer_rules(float32_model, precision)
    return quantize(float32_model, rules)


def _rules(precision: str) -> list[dict[str, Any]]:
    from ai_edge_quantizer import recipe

    if precision != "float16":
        rules: list[dict[str, Any]] = getattr(recipe, precision)()
        return rules
    weights = {"num_bits": 16, "symmetric": True, "granularity": "TENSORWISE", "dtype": "FLOAT"}
    config = {
        "weight_tensor_config": weights,
        "compute_precision": "FLOAT",
        "explicit_dequantize": True,
        "skip_checks": False,
        "min_weight_elements": 0,
    }
    return [{"regex": ".*", "operation": "*", "algorithm_key": "float_casting", "op_config": config}]


def _integer_rules(model: bytes, precision: str) -> list[dict[str, Any]]:
    from packager.formats.tflite.compression.graph import QuantizedGraph

    try:
        left = "|".join(re.escape(scope) for scope in QuantizedGraph(model).left_scopes())
    except Exception as fault:  # the generated reader raises whatever the bytes lead it to
        raise PackagingError(f"AI Edge Quantizer: {type(fault).__name__}: {fault}") from fault
    kept = [{"regex": f"^({left})$", "operation": "BATCH_MATMUL", "algorithm_key": "no_quantize"}] if left else []
    return [*_rules(precision), *kept]
