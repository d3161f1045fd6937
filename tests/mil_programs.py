"""ML Programs of a few ops, written with coremltools' MIL builder and no converter."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

FLOAT32 = np.dtype(np.float32)


def write_program(
    path: Path,
    body: Callable[..., Any],
    inputs: Mapping[str, tuple[Sequence[int | Any], np.dtype[Any]]],
    *,
    target: str = "iOS17",
) -> list[str]:
    """Save a program of one function; returns the names of its outputs, in order.

    Args:
        path: Where to save it, an `.mlpackage`.
        body: Called as `body(mb, …)` with the MIL builder and one variable an input; returns the outputs.
        inputs: Name → shape and element type. A size may be a `ct.RangeDim`.
        target: The oldest system, for example `iOS17`.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # coremltools warns of the versions of everything
        import coremltools as ct
        from coremltools.converters.mil.mil import Builder as mb
        from coremltools.converters.mil.mil import get_new_symbol, types

        specs = [
            mb.TensorSpec(
                shape=tuple(size if isinstance(size, int) else get_new_symbol() for size in shape),
                dtype=types.numpy_type_to_builtin_type(dtype.type),
            )
            for shape, dtype in inputs.values()
        ]
        arguments = ", ".join(inputs)
        scope: dict[str, Any] = {"body": body, "mb": mb}
        exec(f"def program({arguments}):\n    return body(mb, {arguments})", scope)
        program = mb.program(input_specs=specs, opset_version=getattr(ct.target, target))(scope["program"])
        flexible = any(not isinstance(size, int) for shape, _ in inputs.values() for size in shape)
        kinds = [ct.TensorType(name=name, shape=tuple(shape)) for name, (shape, _) in inputs.items()]
        model = ct.convert(
            program,
            convert_to="mlprogram",
            inputs=kinds if flexible else None,
            minimum_deployment_target=getattr(ct.target, target),
            compute_precision=ct.precision.FLOAT32,
            pass_pipeline=ct.PassPipeline.EMPTY,
            skip_model_load=True,
        )
        model.save(str(path))
        return [variable.name for variable in program.functions["main"].outputs]
