"""Weights in fewer bits, by coremltools.optimize; activations and what computes them stay as they are."""

from __future__ import annotations

import contextlib
import io
import warnings
from typing import Any

from packager.errors import PackagingError
from packager.formats.coreml.compression.palette import make_palette
from packager.formats.coreml.mlpackage import import_coremltools

_LEAST_WEIGHTS = 512
"""tensors smaller than this stay: scales, names and look-up tables would take what the bits save"""

_LEAST_PALETTIZED = 1024
"""as above, for tables of up to 256 values of two bytes"""


def compress_weights(model: Any, precision: str) -> Any:
    """A model with its large weight tensors in the bits that a precision's name says.

    Weights that cannot be cut into blocks of 32 input channels take 8 bits and a scale a channel.

    Args:
        model: A converted `MLModel`; stays as it is.
        precision: `linear_w8`, `linear_w4_block32`, `palettized_w8|w6|w4` or `w8a8`.

    Raises:
        PackagingError: coremltools refuses the model.
    """
    optimize = import_coremltools().optimize.coreml
    try:
        with quiet():
            if precision == "linear_w4_block32":
                model = optimize.linear_quantize_weights(model, _linear(optimize, "int4", "per_block"))
            if precision.startswith("palettized_w"):
                return optimize.palettize_weights(model, _palettized(optimize, int(precision[-1])))
            return optimize.linear_quantize_weights(model, _linear(optimize, "int8", "per_channel"))
    except Exception as fault:
        raise PackagingError(f"coremltools.optimize, {precision}: {type(fault).__name__}: {fault}") from fault


def _linear(optimize: Any, dtype: str, granularity: str) -> Any:
    config = optimize.OpLinearQuantizerConfig(
        mode="linear_symmetric",
        dtype=dtype,
        granularity=granularity,
        block_size=32,
        weight_threshold=_LEAST_WEIGHTS,
    )
    return optimize.OptimizationConfig(global_config=config)


def _palettized(optimize: Any, bits: int) -> Any:
    # coremltools' own k-means needs scikit-learn.
    config = optimize.OpPalettizerConfig(
        mode="custom",
        lut_function=lambda weights: make_palette(weights, bits),
        weight_threshold=_LEAST_PALETTIZED,
    )
    return optimize.OptimizationConfig(global_config=config)


@contextlib.contextmanager
def quiet() -> Any:
    """Keep back coremltools' progress bars and its warnings of weights that it leaves alone."""
    with contextlib.redirect_stderr(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
