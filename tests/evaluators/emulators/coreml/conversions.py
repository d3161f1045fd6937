"""Programs of coremltools' MIL builder, as its converter writes them in float32 and float16."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np


def convert_mil(
    ct: Any, body: Callable[..., Any], shape: tuple[int, ...], path: Path, precision: str = "FLOAT32"
) -> Path:
    """Write `body(mb, x)` as a package; float16 is what coremltools' own precision pass makes of it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # coremltools warns of the versions of everything, and of underflow
        from coremltools.converters.mil.mil import Builder as mb

        program = mb.program(input_specs=[mb.TensorSpec(shape=shape)])(lambda x: body(mb, x))
        model = ct.convert(
            program,
            convert_to="mlprogram",
            compute_precision=getattr(ct.precision, precision),
            minimum_deployment_target=ct.target.iOS16,
            inputs=[ct.TensorType(name="x", shape=shape, dtype=np.float32)],
            skip_model_load=True,
        )
        model.save(str(path))
    return path
