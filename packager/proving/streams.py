"""A model heard call after call, its states carried."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from packager.bundle import AudioContract
from packager.errors import PackagingError
from packager.frontends.feeding import find_feed
from packager.frontends.opening import Frontend
from packager.sources import SourceTensor

Tensors = Mapping[str, npt.NDArray[Any]]


class Runnable(Protocol):
    """A source model, or a model file in its emulator."""

    @property
    def inputs(self) -> Mapping[str, Any]:
        """Shape and dtype by name."""

    def run(self, inputs: Tensors) -> dict[str, npt.NDArray[Any]]:
        """Run once."""


def _own(name: str, outputs: Tensors) -> npt.NDArray[Any] | None:
    return np.asarray(outputs[name])


class StatefulCalls:
    """Calls of one clip after another, states carried from call to call: the one place that does so."""

    def __init__(
        self,
        run: Callable[[Tensors], dict[str, npt.NDArray[Any]]],
        state: Mapping[str, str],
        start: Tensors,
        find: Callable[[str, Tensors], npt.NDArray[Any] | None] = _own,
    ) -> None:
        """Stand at a clip's start.

        Args:
            run: One call; takes inputs, states among them.
            state: State input → the output it is fed from.
            start: What the state inputs are at a clip's start; one that is left out is given by the caller.
            find: A state's output among those of a call; None where there is none, so that the input is not given.
        """
        self._run, self._state, self._start, self._find = run, dict(state), dict(start), find
        self.reset()

    def reset(self) -> None:
        """Begin a new clip."""
        self._carried = dict(self._start)

    @property
    def carried(self) -> Tensors:
        """What the next call is given beside its own inputs."""
        return self._carried

    def __call__(self, inputs: Tensors) -> dict[str, npt.NDArray[Any]]:
        """The next call of the clip; its outputs."""
        outputs = self._run({**inputs, **self._carried})
        found = {name: self._find(output, outputs) for name, output in self._state.items()}
        self._carried = {name: value for name, value in found.items() if value is not None}
        return outputs


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
    yield from map(StatefulCalls(model.run, state, silence(model, state)), calls)


class Stream:
    """One clip at a time through a model that takes windows of audio and, where it has any, states."""

    def __init__(
        self, model: Runnable, audio: AudioContract, state: Mapping[str, str], frontend: Frontend | None = None
    ) -> None:
        """Start with states of 0.

        Args:
            model: What is run.
            audio: The contract; the model's input `audio` takes one window of it, or another one features of it.
            state: State input → the output it is fed from.
            frontend: What computes the features.

        Raises:
            PackagingError: The model has no input `audio`, or inputs that are neither audio nor state.
        """
        feed = find_feed(model.inputs, audio, state, frontend)
        strange = [name for name in model.inputs if feed is None or (name != feed.name and name not in state)]
        if feed is None or strange:
            raise PackagingError(
                f"the model takes {', '.join(model.inputs)}; to be played on audio it must take one window of samples, "
                "or the features that a [frontend] in the recipe computes, and, beside that, only inputs that the "
                "recipe's [model.state] feeds"
            )
        self._feed = feed
        self._calls = StatefulCalls(model.run, state, silence(model, state))

    def reset(self) -> None:
        """Begin a new clip."""
        self._calls.reset()

    def run_window(self, window: npt.NDArray[np.float32]) -> dict[str, npt.NDArray[Any]]:
        """Run the next window, `(channels, samples)`."""
        return self._calls({self._feed.name: self._feed.feed(window)})
