"""Division that is 0 where the divisor is 0, kept so in Core ML.

Replaces: TensorFlow's `DivNoNan`, which coremltools 9.0 lowers to a plain `real_div`.
Why: 0 / 0 is NaN there, and TensorFlow promises 0. Basic Pitch divides its log spectrogram by the spectrogram's range,
    so that on digital silence a phone would get NaN in every output.
Given: `div_no_nan(x, y)`. Result: `select(y == 0, 0, real_div(x, select(y == 0, 1, y)))`.
Equal because: where y is not 0 both selects pass their argument through unchanged; where it is 0 the result is 0 by
    definition. No value is rounded that was not rounded before.
"""

from __future__ import annotations

from typing import Any

NAME = "safe_division"


def lower(context: Any, node: Any) -> None:
    """Lower one `DivNoNan` node; registered with coremltools by `packager.rewrites.tensorflow`."""
    from coremltools.converters.mil import Builder as mb  # noqa: N813  coremltools' own name for it

    x, y = (context[name] for name in node.inputs)
    is_zero = mb.equal(x=y, y=0.0, name=f"{node.name}_is_zero")
    divisor = mb.select(cond=is_zero, a=1.0, b=y, name=f"{node.name}_divisor")
    quotient = mb.real_div(x=x, y=divisor, name=f"{node.name}_quotient")
    context.add(node.name, mb.select(cond=is_zero, a=0.0, b=quotient, name=node.name))


LOWERINGS = {"DivNoNan": lower}
