"""State read and written. Source: iOS18/states.py and coreml_dialect/ops.py."""

from __future__ import annotations

from torch import Tensor

from evaluators.emulators.coreml.ops.registry import op
from evaluators.emulators.coreml.state import StateBuffer


@op("read_state", since=18, exact=True, folds=False)
def read_state(input: StateBuffer) -> Tensor:  # noqa: A002  # MIL's name
    """The state's present value (iOS18)."""
    return input.value


@op("coreml_update_state", since=18, exact=True, folds=False)
def coreml_update_state(state: StateBuffer, value: Tensor) -> Tensor:
    """`value`, which is the state's value from now on (iOS18)."""
    state.value = value
    return value
