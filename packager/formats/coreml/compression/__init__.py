"""Core ML precisions: what coremltools' converter computes in, and what coremltools.optimize makes of the weights.

Programs with compressed weights compute in float16 where float16 keeps its promise, else as `mixed_float16` does: what
they lose is then their weights' precision, not the model's range. Which of the two is measured, where something can run
them.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

from packager.compression import Context
from packager.errors import PackagingError
from packager.formats.coreml.compression.targets import find_target
from packager.formats.coreml.mlpackage import import_coremltools
from packager.formats.format import FLOAT16, INT8, Arithmetic, Precision

_INT8 = ("int8", "i8", "8bit", "8_bit", "quantized", "quantised")
"""what may be either of two"""

PRECISIONS = {
    "float32": Precision(
        60.0,
        "the same arithmetic in another order",
        "nothing is made smaller; the CPU and GPU compute it, the Neural Engine does not",
        ("fp32", "f32", "float", "single"),
        arithmetic=Arithmetic("float32", 32),
    ),
    "float16": Precision(
        30.0,
        "11 bits for weights and activations; less where numbers leave float16's range",
        "weights and activations in float16, as the Neural Engine computes",
        ("fp16", "f16", "half"),
        FLOAT16,
        arithmetic=Arithmetic("float16", 16),
    ),
    "mixed_float16": Precision(
        40.0,
        "float16, but for the ops that are too coarse in it: what the search aims at",
        "float16, but for the ops that are too coarse in it, which stay in float32",
        ("mixed", "mixed_fp16", "mixed_f16", "mixed_precision", "mixed16"),
        FLOAT16,
        arithmetic=Arithmetic("float16", 16),
    ),
    "linear_w8": Precision(
        18.0,
        "8 bits for weights, a scale a channel",
        "weights only: stored in 8 bits, a scale a channel, computed in float16 where that holds",
        (*_INT8, "w8", "linear", "linear8", "linear_int8", "weight_only", "weight_only_int8", "int8_weights"),
        FLOAT16,
        arithmetic=Arithmetic("float16", 8),
    ),
    "linear_w4_block32": Precision(
        6.0,
        "4 bits for weights, a scale for 32 of them",
        "weights only: stored in 4 bits, a scale for 32 of them",
        ("w4", "int4", "i4", "4bit", "linear_w4", "linear4", "w4_block32"),
        FLOAT16,
        arithmetic=Arithmetic("float16", 4),
    ),
    "palettized_w8": Precision(
        18.0,
        "256 values a weight tensor, where they are needed most",
        "weights only: 256 values a tensor, chosen by clustering",
        ("w8", "palettized8", "palette8", "palettised_w8"),
        FLOAT16,
        arithmetic=Arithmetic("float16", 8),
    ),
    "palettized_w6": Precision(
        12.0,
        "64 values a weight tensor",
        "weights only: 64 values a tensor, chosen by clustering",
        ("w6", "palettized6", "palette6", "palettised_w6"),
        FLOAT16,
        arithmetic=Arithmetic("float16", 6),
    ),
    "palettized_w4": Precision(
        4.0,
        "16 values a weight tensor",
        "weights only: 16 values a tensor, chosen by clustering",
        ("w4", "palettized4", "palette4", "palettised_w4"),
        FLOAT16,
        arithmetic=Arithmetic("float16", 4),
    ),
    "w8a8": Precision(
        10.0,
        "8 bits for weights and for what convolutions, pools and sums read, in ranges set beforehand",
        "weights and activations in 8 bits, in ranges calibrated on the recipe's audio",
        (*_INT8, "int8_static", "static_int8", "full_int8", "full_integer"),
        INT8,
        arithmetic=Arithmetic("int8", 8),
    ),
}
"""programs with compressed weights compute in float16 where that holds, else as `mixed_float16` does"""
MODEL_FILE = "Model.mlpackage"

Convert = Callable[[Any, Any], Any]
"""`convert(compute_precision, deployment_target)`: an `MLModel`, in coremltools' own words"""

_EARLIEST = {"linear_w4_block32": "iOS18"}
"""precision → the deployment target whose ops it needs; coremltools raises it for the others by itself"""

_made: weakref.WeakKeyDictionary[Convert, dict[Any, Any]] = weakref.WeakKeyDictionary()
"""what each `convert` made already, by precision and target: most precisions start from the same program"""


def make_model(convert: Convert, precision: str, context: Context) -> Any:
    """A Core ML model in a precision.

    Args:
        convert: Converts the source; called once for each compute precision and target that is needed, however many
            precisions are asked for, as long as it is the same function.
        precision: One of `PRECISIONS`.
        context: The deployment target, which a precision may raise, and what searches and calibration need.

    Returns:
        `coremltools.models.MLModel`, never loaded.

    Raises:
        PackagingError: Precision or target are unknown, calibration has nothing to go by, or coremltools refuses.
    """
    if precision not in PRECISIONS:
        raise PackagingError(f"unknown Core ML precision {precision!r}; known: {', '.join(PRECISIONS)}")
    asked, earliest = find_target(context.minimum_deployment_target), _EARLIEST.get(precision)
    target = asked if earliest is None else max(asked, find_target(earliest))
    return Maker(convert, context, target).make(precision)


def list_kept(convert: Convert, precision: str) -> tuple[str, ...]:
    """The ops that `mixed_float16` kept in float32, sorted; none of another precision, or where none was made."""
    if precision != "mixed_float16":
        return ()
    notes = _made.get(convert, {}).get("notes", {})
    return tuple(sorted({name for kept in notes.values() for name in kept}))


class Maker:
    """Makes the models of one source for one target; what they share is made once.

    Attributes:
        context: What was asked for; its target may be earlier than the one models are made for.
        notes: What searches found, by target; shared by all makers of the source.
    """

    def __init__(self, convert: Convert, context: Context, target: Any) -> None:
        self._convert = convert
        self.context = context
        self.target = target
        self._known = _made.setdefault(convert, {})
        self.notes: dict[Any, Any] = self._known.setdefault("notes", {})

    def at(self, target: Any) -> Maker:
        """The maker for another target."""
        return Maker(self._convert, self.context, target)

    def make(self, precision: str) -> Any:
        """The model in a precision; errors as `make_model`'s."""
        key = precision, self.target
        if key not in self._known:
            self._known[key] = self._make(precision)
        return self._known[key]

    def _make(self, precision: str) -> Any:
        if precision in ("float32", "float16"):
            return self.convert(getattr(import_coremltools().precision, precision.upper()))
        if precision == "mixed_float16":
            from packager.formats.coreml.compression.mixed import make_mixed

            return make_mixed(self)
        from packager.formats.coreml.compression.weights import compress_weights

        base = self.make(self._compute_precision())
        if precision == "w8a8":
            from packager.formats.coreml.compression.activations import quantize_activations

            base = quantize_activations(base, self.context)
        return compress_weights(base, precision)

    def convert(self, compute_precision: Any) -> Any:
        """The source, converted anew."""
        return self._convert(compute_precision, self.target)

    def _compute_precision(self) -> str:
        """What programs with compressed weights compute in."""
        if self.context.runner is None or not self.context.calibration:
            return "float16"
        from packager.formats.coreml.compression.mixed import holds_in_float16

        return "float16" if holds_in_float16(self, PRECISIONS["float16"].tolerance_db) else "mixed_float16"
