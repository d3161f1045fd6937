"""`atan2`, right on the negative real axis too.

coremltools 9.0 adds or takes off pi only where y is above or below 0, so that it gives 0 for atan2(0, -1), which is pi:
the phase of every spectrum's first and last bin. It also subtracts truth values from numbers.

Given: `atan2(y, x)`. Result: `atan(y / x)`, plus pi where x < 0 and y >= 0, minus pi where both are below 0; half of pi
with the sign of y where x is 0. Equal because: that is the definition. y = -0 counts as 0: the angle is then pi, not
-pi, which is the same direction.
"""

from __future__ import annotations

import math
from typing import Any

NAME = "arctangent"


def register() -> None:
    """Tell coremltools' torch frontend."""
    from coremltools.converters.mil.frontend.torch.torch_op_registry import register_torch_op

    register_torch_op(atan2, torch_alias=["arctan2"], override=True)


def atan2(context: Any, node: Any) -> None:
    """Lower one node; coremltools takes the op's name from this function's."""
    from coremltools.converters.mil import Builder as mb  # noqa: N813  coremltools' own name for it
    from coremltools.converters.mil.frontend.torch.ops import _get_inputs
    from coremltools.converters.mil.mil import types

    y, x = (
        value if types.is_float(value.dtype) else mb.cast(x=value, dtype="fp32")
        for value in _get_inputs(context, node, expected=2)
    )
    on_axis = mb.equal(x=x, y=0.0)
    angle = mb.atan(x=mb.real_div(x=y, y=mb.select(cond=on_axis, a=1.0, b=x)))
    below = mb.less(x=y, y=0.0)
    turned = mb.add(x=angle, y=mb.select(cond=below, a=-math.pi, b=math.pi))
    beside = mb.select(cond=mb.less(x=x, y=0.0), a=turned, b=angle)
    upright = mb.mul(x=mb.sign(x=y), y=math.pi / 2)
    context.add(mb.select(cond=on_axis, a=upright, b=beside, name=node.name))
