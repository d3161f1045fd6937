"""TFLite precisions, made of a float32 model by the AI Edge Quantizer, whose recipe names they carry."""

from __future__ import annotations

import importlib.util
from typing import Any

from packager.errors import PackagingError

PRECISIONS = ("float32", "float16", "dynamic_wi8_afp32")
MODEL_FILE = "model.tflite"

_FLOAT16_WEIGHTS = [
    {
        "regex": ".*",
        "operation": "*",
        "algorithm_key": "float_casting",
        "op_config": {
            "weight_tensor_config": {"num_bits": 16, "symmetric": True, "granularity": "TENSORWISE", "dtype": "FLOAT"},
            "compute_precision": "FLOAT",
            "explicit_dequantize": True,
            "skip_checks": False,
            "min_weight_elements": 0,
        },
    }
]


def compress(model: bytes, precision: str) -> bytes:
    """A float32 TFLite model in another precision.

    Args:
        model: The float32 flatbuffer.
        precision: `float16` stores weights as float16 and computes in float32; the others are the AI Edge Quantizer's
            recipes of the same name.

    Raises:
        PackagingError: Unknown precision, or the quantizer refuses the model.
    """
    if precision not in PRECISIONS:
        raise PackagingError(f"unknown TFLite precision {precision!r}; known: {', '.join(PRECISIONS)}")
    if precision == "float32":
        return model
    if importlib.util.find_spec("ai_edge_quantizer") is None:
        raise PackagingError('ai-edge-quantizer is not installed; install "testpress[tflite]"')
    from ai_edge_quantizer import quantizer, recipe

    rules: Any = _FLOAT16_WEIGHTS if precision == "float16" else getattr(recipe, precision)()
    try:
        result = quantizer.Quantizer(bytearray(model), rules).quantize()
    except Exception as fault:
        raise PackagingError(f"AI Edge Quantizer: {type(fault).__name__}: {fault}") from fault
    return bytes(result.quantized_model)
