"""Core ML ML Programs on any machine where torch runs.

    from evaluators.emulators.coreml import CoreMLModel

    model = CoreMLModel("x.mlpackage")
    outputs = model.predict({"x": array})

How a model comes to run, one module a stage:

    package    the folder or file on disk → specification bytes, and where weights may lie
    protobuf   Core ML's message classes, without importing coremltools
    program    messages → an immutable, typed program; constants read through `weights`
    features   what the model promises its caller: names, shapes, dtypes
    agreement  what it promises, held against what the program declares
    planner    program → plan: constants folded, ops resolved to bound callables, slots instead of names
    plan       the flat steps, and how they run
    state      tensors that live on between calls
    model      the public face

Every value's size is held against `sizes` before memory is taken for it.

What watches a program at work:

    ranges        the range of every op's values, and whether float16 can hold them
    comparison    where two programs of one model part, op by op
    alignment     which op of one program is which of another
    observations  what they find, as records

`ops/` holds what each operation computes, one file a family.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evaluators.emulators.coreml.comparison import compare
    from evaluators.emulators.coreml.model import CoreMLModel
    from evaluators.emulators.coreml.ranges import observe_ranges

__all__ = ["CoreMLModel", "compare", "observe_ranges"]

_HOMES = {"CoreMLModel": "model", "compare": "comparison", "observe_ranges": "ranges"}
"""public name → its module, imported when it is first asked for: most import torch"""


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
