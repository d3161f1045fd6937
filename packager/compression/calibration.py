"""What activations are calibrated on: calls of the model with real inputs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from packager.errors import PackagingError

if TYPE_CHECKING:
    import numpy.typing as npt

    Tensors = Mapping[str, npt.NDArray[Any]]
    """arrays by name"""

    Calibration = Sequence[Tensors]
    """inputs by name, one mapping a call, in order"""
else:
    Tensors, Calibration = Mapping, Sequence


def check_calibration(calibration: Calibration, inputs: Iterable[str], *, precision: str) -> None:
    """Refuse to calibrate on nothing, or on calls that lack an input of the model.

    Raises:
        PackagingError: With what is missing.
    """
    if not calibration:
        raise PackagingError(f"precision {precision!r} sets ranges by calls of the model, and none was given")
    for index, call in enumerate(calibration):
        if missing := sorted(set(inputs) - set(call)):
            raise PackagingError(
                f"precision {precision!r}: calibration call {index} lacks the inputs {', '.join(missing)}; "
                f"it has {', '.join(sorted(call)) or 'none'}"
            )
