"""Whether a model plays here: one call, on zeros, and where that is refused on what a caller would more likely give."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from evaluators.emulators import Tensor
from evaluators.errors import EvaluationError
from evaluators.targets import open_model
from testpress.model_file import ModelFile

_LONG = 16_000
"""a second of audio, for the one dimension that a model leaves open"""
_SHORT = 64
"""for each of several"""


class Trial(NamedTuple):
    """What became of the call; one of the first three is there."""

    runtime: str | None = None
    not_playable: str | None = None
    not_known: str | None = None
    played_with: str | None = None


def try_signature(model: ModelFile, signature: str | None) -> Trial:
    """Call one signature of a model."""
    faults: list[str] = []
    try:
        emulator = open_model(model.path, signature=signature)
        inputs = emulator.inputs
        for call, words in _choices(inputs):
            try:
                emulator.run(call)
                return Trial(runtime=emulator.runtime, played_with=words)
            except EvaluationError as fault:
                faults.append(_line(fault))
            emulator = open_model(model.path, signature=signature)  # one that refused a call may refuse the next
    except EvaluationError as fault:
        return Trial(not_playable=_line(fault))
    sizes = [f"{name} {_shape_text(tensor)}" for name, tensor in inputs.items() if _open_axes(tensor)]
    if sizes:
        return Trial(not_known=f"its window is open ({', '.join(sizes)}), and none that was tried fits: {faults[0]}")
    return Trial(not_playable=faults[0])


def _line(fault: EvaluationError) -> str:
    return " ".join(str(fault).split())


def _choices(inputs: Mapping[str, Tensor]) -> Iterator[tuple[dict[str, npt.NDArray[Any]], str | None]]:
    """Calls to try in turn, and what is special about each."""
    is_open = any(_open_axes(tensor) for tensor in inputs.values())
    has_whole = any(np.dtype(tensor.dtype).kind in "iu" for tensor in inputs.values())
    for value in (0, 1) if has_whole else (0,):
        told = [] if value == 0 else ["ones"]
        yield _call(inputs, value, long=False), ", ".join(told) or None
        if is_open:
            sizes = [f"{name} {list(_long(tensor))}" for name, tensor in inputs.items() if _open_axes(tensor)]
            yield _call(inputs, value, long=True), ", ".join([*told, *sizes])


def _call(inputs: Mapping[str, Tensor], value: int, *, long: bool) -> dict[str, npt.NDArray[Any]]:
    """Every input filled; whole numbers with `value`, which may be a size, all else with 0."""
    return {
        name: np.full(
            _long(tensor) if long else tensor.shape, value if np.dtype(tensor.dtype).kind in "iu" else 0, tensor.dtype
        )
        for name, tensor in inputs.items()
    }


def _open_axes(tensor: Tensor) -> tuple[int, ...]:
    """Open dimensions but the batch, which is a first one beside others that are open or hold several values."""
    rest = [size for axis, size in enumerate(tensor.shape) if axis > 0]
    later = tuple(axis for axis in tensor.open_axes if axis > 0)
    return later or tuple(axis for axis in tensor.open_axes if all(size == 1 for size in rest))


def _long(tensor: Tensor) -> tuple[int, ...]:
    axes = _open_axes(tensor)
    size = _LONG if len(axes) == 1 else _SHORT
    return tuple(size if axis in axes else known for axis, known in enumerate(tensor.shape))


def _shape_text(tensor: Tensor) -> str:
    return "[" + ", ".join("open" if axis in tensor.open_axes else str(s) for axis, s in enumerate(tensor.shape)) + "]"
