"""State read and written. Source: iOS18/states.py and coreml_dialect/ops.py."""

from __future__ import annotations

from torch import Tensor

from evaluators.emulators.coreml.ops.registry import op
from evaluators.emulators.coreml.state import StateBuffer


@op("read_state", since=18, exact=True, folds=False)
def read_state(input: StateBuffer) -> Tensor:  # noqa: A002  # MIL's name
    """The state's present value (iOS18)."""
    return input.value


@op("write_state", since=18, exact=True, folds=False)
def write_state(input: StateBuffer, data: Tensor) -> tuple[()]:  # noqa: A002  # MIL's name
    """`data` is the state's value from now on; no result (iOS18's coreml_update_state, as files hold it)."""
    input.value = data
    return ()
