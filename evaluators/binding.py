"""Which tensor of a model file is which: inputs and outputs are bound by name, never by position.

Basic Pitch's TFLite file lists its outputs as onset, note, contour, and note and onset share a shape: a reader that
goes by position swaps them without a sign.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from evaluators.emulators import Emulator
from evaluators.errors import EvaluationError
from packager.bundle import AudioContract
from packager.errors import PackagingError
from packager.model import OutputSpec
from packager.sources import fix_audio_shape, name_audio_axes, shape_window


@dataclass(frozen=True)
class Binding:
    """How to call an emulated model with a window and read its outputs by the recipe's names.

    Attributes:
        input_name: The model's own name of the audio input.
        input_shape: Its shape, all dimensions fixed.
        outputs: The recipe's name → the model's own.
        notices: What was bound by an alias.
    """

    input_name: str
    input_shape: tuple[int, ...]
    input_axes: tuple[str, ...]
    outputs: Mapping[str, str]
    notices: tuple[str, ...]

    def shape_inputs(self, window: npt.NDArray[np.float32]) -> dict[str, npt.NDArray[np.float32]]:
        """A window `(channels, samples)` as the model's own input."""
        return {self.input_name: shape_window(window, self.input_shape, self.input_axes)}

    def call(self, emulator: Emulator, window: npt.NDArray[np.float32]) -> dict[str, npt.NDArray[Any]]:
        """Run one window `(channels, samples)`; outputs by the recipe's names, the batch dimension removed."""
        values = emulator.run(self.shape_inputs(window))
        return {name: np.asarray(values[native])[0] for name, native in self.outputs.items()}


def bind(emulator: Emulator, audio: AudioContract, outputs: Mapping[str, OutputSpec]) -> Binding:
    """Bind a model's audio input and the recipe's outputs.

    Raises:
        EvaluationError: There is not exactly one input, it does not hold one window, or an output has no match.
    """
    if len(emulator.inputs) != 1:
        raise EvaluationError(f"takes {len(emulator.inputs)} inputs ({', '.join(emulator.inputs)}); one is expected")
    (input_name, tensor), *_ = emulator.inputs.items()
    try:
        shape = fix_audio_shape(_reopen(tensor.shape, audio), audio, where=f"input {input_name!r}")
    except PackagingError as fault:
        raise EvaluationError(str(fault)) from None
    bound: dict[str, str] = {}
    notices = []
    for name, spec in outputs.items():
        native = _match(name, spec, emulator)
        bound[name] = native
        if native != name:
            notices.append(f"output {name} is bound to {native}, its alias in the recipe")
    return Binding(input_name, shape, name_audio_axes(shape, audio), bound, tuple(notices))


def _reopen(shape: tuple[int, ...], audio: AudioContract) -> tuple[int | None, ...]:
    """A file with an open time dimension reports 1 there: take it as open when nothing else holds the window."""
    if audio.window_samples in shape:
        return shape
    return tuple(None if size == 1 and axis == 1 else size for axis, size in enumerate(shape))


def _match(name: str, spec: OutputSpec, emulator: Emulator) -> str:
    for candidate in (name, *spec.aliases):
        if candidate in emulator.outputs:
            return candidate
    found = ", ".join(f"{native} {list(tensor.shape)}" for native, tensor in emulator.outputs.items())
    raise EvaluationError(
        f"output {name!r} is not in the model; it has {found}. "
        f'Say which one it is in the recipe: model.outputs.{name}.aliases = ["…"]'
    )
