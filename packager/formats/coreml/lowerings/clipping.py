"""`hardtanh` with bounds that are whole numbers, as in `F.hardtanh(x, 0, 20)`.

coremltools 9.0 hands them to its clip op as integers, which that refuses beside real numbers.
"""

from __future__ import annotations

from typing import Any

NAME = "clipping"


def register() -> None:
    """Tell coremltools' torch frontend."""
    from coremltools.converters.mil.frontend.torch.torch_op_registry import register_torch_op

    register_torch_op(hardtanh, override=True)


def hardtanh(context: Any, node: Any) -> None:
    """Lower one node; coremltools takes the op's name from this function's."""
    from coremltools.converters.mil import Builder as mb  # noqa: N813  coremltools' own name for it
    from coremltools.converters.mil.frontend.torch.ops import _get_inputs

    given = _get_inputs(context, node, min_expected=1)
    bounds = [value if isinstance(value, float | int) else value.val for value in given[1:3]]
    least, most = [float(bound) for bound in (*bounds, *(-1.0, 1.0)[len(bounds) :])]
    context.add(mb.clip(x=given[0], alpha=least, beta=most, name=node.name))
