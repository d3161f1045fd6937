"""A model heard call after call, its states carried."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from packager.bundle import AudioContract
from packager.errors import PackagingError
from packager.sources import AUDIO, SourceTensor, name_audio_axes, shape_window

Tensors = Mapping[str, npt.NDArray[Any]]


class Runnable(Protocol):
    """A source model, or a model file in its emulator."""

    @property
    def inputs(self) -> Mapping[str, Any]:
        """Shape and dtype by name."""

    def run(self, inputs: Tensors) -> dict[str, npt.NDArray[Any]]:
        """Run once."""


def silence(model: Runnable, state: Mapping[str, str]) -> dict[str, npt.NDArray[Any]]:
    """What the states of a model are at the start of a clip: zeros, by input."""
    tensors: dict[str, SourceTensor] = {name: model.inputs[name] for name in state}
    return {name: np.zeros(tensor.shape, tensor.dtype) for name, tensor in tensors.items()}


def carry(model: Runnable, calls: Iterable[Tensors], state: Mapping[str, str]) -> Iterator[dict[str, npt.NDArray[Any]]]:
    """The outputs of a clip, call by call.

    Args:
        model: What is run.
        calls: All inputs but the states.
        state: State input → the output it is fed from; a clip starts with zeros.
    """
    carried = silence(model, state)
    for call in calls:
        outputs = model.run({**call, **carried})
        carried = {name: outputs[output] for name, output in state.items()}
        yield outputs


class Stream:
    """One clip at a time through a model that takes windows of audio and, where it has any, states."""

    def __init__(self, model: Runnable, audio: AudioContract, state: Mapping[str, str]) -> None:
        """Start with states of 0.

        Args:
            model: What is run.
            audio: The contract; the model's input `audio` takes one window of it.
            state: State input → the output it is fed from.

        Raises:
            PackagingError: The model has no input `audio`, or inputs that are neither audio nor state.
        """
        self._model, self._state = model, dict(state)
        strange = [name for name in model.inputs if name != AUDIO and name not in state]
        if AUDIO not in model.inputs or strange:
            raise PackagingError(
                f"the model takes {', '.join(model.inputs)}; to be played on audio it must take one window of samples "
                "and, beside that, only inputs that the recipe's [model.state] feeds"
            )
        self._shape = tuple(model.inputs[AUDIO].shape)
        self._axes = name_audio_axes(self._shape, audio)
        self.reset()

    def reset(self) -> None:
        """Begin a new clip."""
        self._carried = silence(self._model, self._state)

    def hear(self, window: npt.NDArray[np.float32]) -> dict[str, npt.NDArray[Any]]:
        """Run the next window, `(channels, samples)`."""
        outputs = self._model.run({AUDIO: shape_window(window, self._shape, self._axes), **self._carried})
        self._carried = {name: outputs[output] for name, output in self._state.items()}
        return outputs
