"""The AI Edge Quantizer, called in one way."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Iterator
from typing import Any

from packager.errors import PackagingError


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep back the quantizer's progress bars, and its warning of the memory its own interpreter needs."""
    with contextlib.redirect_stderr(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        yield


def quantize(model: bytes, rules: list[dict[str, Any]], ranges: Any = None) -> bytes:
    """Apply a recipe.

    Args:
        model: The float32 flatbuffer.
        rules: As the AI Edge Quantizer's `recipe` module makes them; of two that fit an op the later wins.
        ranges: Least and greatest values by tensor, for static precisions.

    Raises:
        PackagingError: The quantizer refuses the model.
    """
    from ai_edge_quantizer import quantizer

    try:
        with quiet():
            result = quantizer.Quantizer(bytearray(model), rules).quantize(ranges, enable_progress_report=False)
    except Exception as fault:
        raise PackagingError(f"AI Edge Quantizer: {type(fault).__name__}: {fault}") from fault
    return bytes(result.quantized_model)
