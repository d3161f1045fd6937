"""Reciprocals of what they are given, kept so in Core ML.

Replaces: TensorFlow's `Rsqrt`, `Reciprocal` and `Inv`, which coremltools 9.0 lowers to ops that add 1e-12 and 1e-4 to
    what they are given.
Why: 1 / 1e-4 is 5,000 then, and the reciprocal root of 1e-14 is 10 times too small.
Given: such an op. Result: `rsqrt` with the least positive number to add; a quotient.
Equal because: the least number changes no other one, and the quotient is the definition.
"""

from __future__ import annotations

from typing import Any

NAME = "reciprocals"
LEAST = 1e-45
"""what Core ML's logarithm has for a default"""


def lower_root(context: Any, node: Any) -> None:
    """Lower one `Rsqrt` node; registered with coremltools by `packager.rewrites.tensorflow`."""
    from coremltools.converters.mil import Builder as mb  # noqa: N813  coremltools' own name for it

    context.add(node.name, mb.rsqrt(x=context[node.inputs[0]], epsilon=LEAST, name=node.name))


def lower_reciprocal(context: Any, node: Any) -> None:
    """Lower one `Reciprocal` or `Inv` node."""
    from coremltools.converters.mil import Builder as mb  # noqa: N813  coremltools' own name for it

    context.add(node.name, mb.real_div(x=1.0, y=context[node.inputs[0]], name=node.name))


LOWERINGS = {"Rsqrt": lower_root, "Reciprocal": lower_reciprocal, "Inv": lower_reciprocal}
