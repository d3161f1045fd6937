"""`rms_norm` with the epsilon that was asked for.

coremltools 9.0 divides by the largest value first, so that no square leaves float16's range, and then adds epsilon to
what is left: among values of which one is 30 that is epsilon times 900. Silence it divides by 0, and where no epsilon
is said it takes 1e-5 for torch's 1.2e-7.

Given: `rms_norm(x)`. Result: x and the root of epsilon are both divided by the larger of the largest value and that
root; x / sqrt(mean(x²) + eps) is then made of numbers of at most 1. Equal because: the divisor cancels out.
"""

from __future__ import annotations

import math
from typing import Any

NAME = "rms_norm"


def register() -> None:
    """Tell coremltools' torch frontend."""
    from coremltools.converters.mil.frontend.torch.torch_op_registry import register_torch_op

    register_torch_op(rms_norm, override=True)


def rms_norm(context: Any, node: Any) -> None:
    """Lower one node; coremltools takes the op's name from this function's."""
    import numpy as np
    from coremltools.converters.mil import Builder as mb  # noqa: N813  coremltools' own name for it
    from coremltools.converters.mil.frontend.torch.ops import _get_inputs

    x, shape, weight, given = _get_inputs(context, node, expected=4)
    axes = list(range(-len(shape.val), 0))
    root = math.sqrt(float(np.finfo(np.float32).eps) if given is None else float(given.val))
    largest = mb.reduce_max(x=mb.abs(x=x), axes=axes, keep_dims=True)
    divisor = mb.maximum(x=largest, y=np.float32(root))
    scaled, floor = mb.real_div(x=x, y=divisor), mb.real_div(x=np.float32(root), y=divisor)
    power = mb.reduce_mean(x=mb.square(x=scaled), axes=axes, keep_dims=True)
    result = mb.mul(x=scaled, y=mb.rsqrt(x=mb.add(x=power, y=mb.square(x=floor))))
    context.add(mb.identity(x=result, name=node.name) if weight is None else mb.mul(x=result, y=weight, name=node.name))
