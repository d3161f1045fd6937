"""`rsqrt` of what it is given.

coremltools 9.0 leaves Core ML's op its default, 1 / sqrt(x + 1e-12): the root of 1e-12 comes out 1.4 times too
small, and that of 1e-14 ten times. The least positive number in its place changes nothing.
"""

from __future__ import annotations

from typing import Any

from packager.rewrites.tensorflow.reciprocals import LEAST

NAME = "reciprocal_root"


def register() -> None:
    """Tell coremltools' torch frontend."""
    from coremltools.converters.mil.frontend.torch.torch_op_registry import register_torch_op

    register_torch_op(rsqrt, override=True)


def rsqrt(context: Any, node: Any) -> None:
    """Lower one node; coremltools takes the op's name from this function's."""
    from coremltools.converters.mil import Builder as mb  # noqa: N813  coremltools' own name for it
    from coremltools.converters.mil.frontend.torch.ops import _get_inputs
    from coremltools.converters.mil.mil import types

    (x,) = _get_inputs(context, node, expected=1)
    x = x if types.is_float(x.dtype) else mb.cast(x=x, dtype="fp32")
    context.add(mb.rsqrt(x=x, epsilon=LEAST, name=node.name))
