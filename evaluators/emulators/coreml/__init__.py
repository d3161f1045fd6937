"""Core ML ML Programs on any machine where torch runs.

    from evaluators.emulators.coreml import CoreMLModel

    model = CoreMLModel("x.mlpackage")
    outputs = model.predict({"x": array})

How a model comes to run, one module a stage:

    package    the folder or file on disk → specification bytes, and where weights may lie
    protobuf   Core ML's message classes, without importing coremltools
    program    messages → an immutable, typed program; constants read through `weights`
    features   what the model promises its caller: names, shapes, dtypes
    planner    program → plan: constants folded, ops resolved to bound callables, slots instead of names
    plan       the flat steps, and how they run
    state      tensors that live on between calls
    model      the public face

`ops/` holds what each operation computes, one file a family.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evaluators.emulators import Emulator
    from evaluators.emulators.coreml.model import CoreMLModel

__all__ = ["CoreMLModel", "open_model"]


def open_model(path: Path, *, threads: int) -> Emulator:
    """Load a Core ML model for emulation, see `evaluators.emulators.open_model`."""
    from evaluators.emulators.coreml.emulator import CoreMLEmulator

    return CoreMLEmulator(path, threads=threads)


def __getattr__(name: str) -> Any:
    if name == "CoreMLModel":
        from evaluators.emulators.coreml.model import CoreMLModel

        return CoreMLModel
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
