from __future__ import annotations

import gc
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest


@pytest.fixture(scope="session")
def coremltools() -> Iterator[Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # coremltools warns of the versions of everything
        module = pytest.importorskip("coremltools")
    gc.freeze()  # each conversion collects garbage, which takes half a second while all frameworks are looked through
    yield module
    gc.unfreeze()


@pytest.fixture
def run_mil(tmp_path: Path, coremltools: Any) -> Callable[..., list[np.ndarray]]:
    """Writes a program with coremltools' MIL builder, runs it on the emulator, and returns the outputs in order."""
    ct = coremltools

    def run(body: Callable[..., Any], inputs: Mapping[str, np.ndarray], target: str = "iOS17") -> list[np.ndarray]:
        from evaluators.emulators.coreml import CoreMLModel

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from coremltools.converters.mil.mil import Builder as mb
            from coremltools.converters.mil.mil import types

            specs = [
                mb.TensorSpec(shape=array.shape, dtype=types.numpy_type_to_builtin_type(array.dtype.type))
                for array in inputs.values()
            ]

            arguments = ", ".join(inputs)
            scope: dict[str, Any] = {"body": body, "mb": mb}
            exec(f"def program({arguments}):\n    return body(mb, {arguments})", scope)
            program = mb.program(input_specs=specs, opset_version=getattr(ct.target, target))(scope["program"])
            names = [variable.name for variable in program.functions["main"].outputs]
            model = ct.convert(
                program,
                convert_to="mlprogram",
                minimum_deployment_target=getattr(ct.target, target),
                compute_precision=ct.precision.FLOAT32,
                pass_pipeline=ct.PassPipeline.EMPTY,
                skip_model_load=True,
            )
            path = tmp_path / "program.mlpackage"
            model.save(str(path))
        outputs = CoreMLModel(path).predict(inputs)
        return [outputs[name] for name in names]

    return run
