"""What must change in a TensorFlow graph on its way to Core ML: one file a rewrite.

Each file says what it replaces, why, and why the result is equal; it has `NAME`, the `OP` of TensorFlow that it lowers,
and `lower(context, node)` in coremltools' terms. A bundle's manifest lists the rewrites that were applied to it.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any


def register_tensorflow_lowerings() -> set[str]:
    """Make coremltools lower TensorFlow's ops by the rewrites.

    Returns:
        A set that fills with the names of the rewrites as a conversion applies them.
    """
    from coremltools.converters.mil import register_tf_op

    applied: set[str] = set()
    for path in sorted(Path(__file__).parent.glob("[a-z]*.py")):
        module = importlib.import_module(f"packager.rewrites.tensorflow.{path.stem}")
        register_tf_op(_noting(module, applied), override=True)
    return applied


def _noting(module: Any, applied: set[str]) -> Any:
    def lower(context: Any, node: Any) -> None:
        applied.add(module.NAME)
        module.lower(context, node)

    lower.__name__ = module.OP  # coremltools takes the op's name from the function's
    return lower
