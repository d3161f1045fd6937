"""Which tensor of a model file is which: inputs and outputs are bound by name, never by position.

Basic Pitch's TFLite file lists its outputs as onset, note, contour, and note and onset share a shape: a reader that
goes by position swaps them without a sign.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from evaluators.emulators import Emulator, Tensor
from evaluators.errors import EvaluationError
from evaluators.playing.quantization import describe_conversion, from_integers, to_integers
from packager.arrays import drop_batch
from packager.audio_windows import fix_audio_shape
from packager.bundle import AudioContract
from packager.errors import PackagingError
from packager.formats import find_native, format_names, get_format
from packager.frontends.feeding import WindowFeed, choose_feed, feed_features, feed_samples
from packager.frontends.opening import Frontend
from packager.model import OutputSpec
from packager.proving.streams import StatefulCalls


@dataclass(frozen=True)
class Binding:
    """How to call an emulated model with a window and read its outputs by the recipe's names.

    Attributes:
        input_name: The model's own name of the input that is fed with audio, or features of it.
        input_tensor: That input.
        feed: How a window of audio becomes its value, all dimensions fixed.
        outputs: The recipe's name → the model's own.
        state: The model's own name of a state input → that of the output it is fed from.
        silence: Zeros for each state input: what a clip starts with.
        notices: What was bound by an alias, and how samples become integers.
        tensors: The model's outputs, for those that are integers with a scale.
    """

    input_name: str
    input_tensor: Tensor
    feed: WindowFeed
    outputs: Mapping[str, str]
    state: Mapping[str, str]
    silence: Mapping[str, npt.NDArray[Any]]
    notices: tuple[str, ...]
    tensors: Mapping[str, Tensor]

    def shape_inputs(self, window: npt.NDArray[np.float32]) -> dict[str, npt.NDArray[Any]]:
        """A window `(channels, samples)` as the model's own inputs; its states are those of a clip's start."""
        value, where = self.feed.feed(window), f"input {self.input_name!r}"
        return {self.input_name: to_integers(value, self.input_tensor, where=where), **self.silence}

    def read(self, values: Mapping[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
        """What a call gave, by the recipe's names, integers with a scale as what they mean."""
        return {
            name: from_integers(np.asarray(values[native]), self.tensors[native])
            for name, native in self.outputs.items()
        }

    def call(self, emulator: Emulator, inputs: Mapping[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
        """Run what `shape_inputs` made of a clip's first window; outputs by the recipe's names, without the batch."""
        if emulator.states:
            emulator.reset()
        return WindowRunner(emulator, self).run(inputs)


class WindowRunner:
    """A bound model that hears clips window by window; states are carried from window to window of a clip."""

    def __init__(self, emulator: Emulator, binding: Binding) -> None:
        """Start with states of 0."""
        self._emulator, self._binding = emulator, binding
        self._calls = StatefulCalls(emulator.run, binding.state, {})

    def reset(self) -> None:
        """Begin a new clip."""
        self._calls.reset()
        self._emulator.reset()

    def read_states(self) -> dict[str, npt.NDArray[Any]]:
        """What is carried to the next window, by the model's own names, and what the model keeps by itself."""
        kept = {name: self._emulator.read_state(name) for name in self._emulator.states}
        return {**{name: np.asarray(value) for name, value in self._calls.carried.items()}, **kept}

    def run_window(self, window: npt.NDArray[np.float32]) -> dict[str, npt.NDArray[Any]]:
        """Run one window `(channels, samples)`; outputs by the recipe's names, the batch dimension removed."""
        return self.run(self._binding.shape_inputs(window))

    def run(self, inputs: Mapping[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
        """Run the model's own inputs, states of a clip's start among them; outputs as `run_window`'s."""
        binding = self._binding
        values = self._calls(inputs)
        return {
            name: drop_batch(value, self._emulator.outputs[binding.outputs[name]].shape)
            for name, value in binding.read(values).items()
        }


def bind(
    emulator: Emulator,
    audio: AudioContract,
    outputs: Mapping[str, OutputSpec],
    state: Mapping[str, str] | None = None,
    frontend: Frontend | None = None,
) -> Binding:
    """Bind a model's input of audio or of features, its states and the recipe's outputs.

    Args:
        emulator: The model.
        audio: The contract.
        outputs: The recipe's outputs.
        state: The recipe's states: state input → output.
        frontend: What computes features, for a model that takes them.

    Raises:
        EvaluationError: There is not exactly one input beside the states, it holds neither one window nor its features,
            or a state or an output has no match.
    """
    state = _match_state(state or {}, emulator)
    heard, left_out = find_audio_inputs(emulator.inputs, state)
    if len(heard) != 1:
        raise EvaluationError(f"takes {len(heard)} inputs ({', '.join(heard)}); one is expected")
    (input_name, tensor), *_ = heard.items()
    try:
        feed = _find_feed(input_name, tensor, audio, frontend)
    except PackagingError as fault:
        raise EvaluationError(str(fault)) from None
    to_integers(np.zeros(1, np.float32), tensor, where=f"input {input_name!r}")  # refuses before anything is read
    bound: dict[str, str] = {}
    notices = [
        f"{name} is optional and left out: the model fills it with {other.absent:g}" for name, other in left_out.items()
    ]
    for name, spec in outputs.items():
        native = _match(name, spec, emulator)
        bound[name] = native
        if native != name and native in spec.aliases:
            notices.append(f"output {name} is bound to {native}, its alias in the recipe")
    silence = {
        name: np.full(kept.shape, kept.zero_point, kept.dtype) for name in state for kept in [emulator.inputs[name]]
    }
    conversion = describe_conversion(input_name, tensor)
    notices += [] if conversion is None else [conversion]
    return Binding(
        input_name,
        tensor,
        feed,
        bound,
        state,
        silence,
        tuple(notices),
        {native: emulator.outputs[native] for native in bound.values()},
    )


def _find_feed(name: str, tensor: Tensor, audio: AudioContract, frontend: Frontend | None) -> WindowFeed:
    if frontend is not None:
        chosen = choose_feed(name, _close(tensor, frontend), audio, frontend)
        if chosen is not None:
            return chosen
        if not frontend.spec.inside:
            return feed_features(name, tensor.shape, frontend)  # which says what does not fit
    shape = fix_audio_shape(_reopen(tensor, audio), audio, where=f"input {name!r}")
    return feed_samples(name, shape, audio)


def _close(tensor: Tensor, frontend: Frontend) -> tuple[int, ...]:
    """An input's shape, its open dimensions as large as the features', where these have as many."""
    if not tensor.open_axes or len(tensor.shape) != len(frontend.shape):
        return tensor.shape
    sizes = zip(tensor.shape, frontend.shape, strict=True)
    return tuple(made if axis in tensor.open_axes else size for axis, (size, made) in enumerate(sizes))


def find_audio_inputs(
    inputs: Mapping[str, Tensor], state: Collection[str] = ()
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The inputs that may hold audio, and those that are left out, since the model fills them by itself.

    Args:
        inputs: A model's.
        state: Those of them that are states.
    """
    rest = {name: tensor for name, tensor in inputs.items() if name not in state}
    needed = {name: tensor for name, tensor in rest.items() if tensor.absent is None}
    if not needed:
        return rest, {}
    return needed, {name: tensor for name, tensor in rest.items() if name not in needed}


def _match_state(state: Mapping[str, str], emulator: Emulator) -> dict[str, str]:
    """The model's own names of the recipe's states; those that the model keeps by itself need no carrying."""
    found = {
        name: (find_native(name, emulator.inputs), find_native(output, emulator.outputs))
        for name, output in state.items()
        if find_native(name, emulator.states) is None
    }
    missing = [name for name, pair in found.items() if None in pair]
    if missing:
        names = f"inputs {', '.join(emulator.inputs)}; outputs {', '.join(emulator.outputs)}"
        raise EvaluationError(f"the state {', '.join(missing)} is not in the model, which has {names}")
    return {str(input_): str(output) for input_, output in found.values()}


def _reopen(tensor: Tensor, audio: AudioContract) -> tuple[int | None, ...]:
    """An open time dimension, which reports 1 or a default, gets the window where nothing else holds it."""
    shape = tensor.shape
    if audio.window_samples in shape:
        return shape
    if tensor.open_axes:
        time = next((axis for axis in tensor.open_axes if axis > 0), tensor.open_axes[0])
        return tuple(audio.window_samples if axis == time else size for axis, size in enumerate(shape))
    return tuple(None if size == 1 and axis == 1 else size for axis, size in enumerate(shape))


def _match(name: str, spec: OutputSpec, emulator: Emulator) -> str:
    for candidate in (name, *spec.aliases, *(get_format(one).to_native(name) for one in format_names())):
        if candidate in emulator.outputs:
            return candidate
    found = ", ".join(f"{native} {list(tensor.shape)}" for native, tensor in emulator.outputs.items())
    raise EvaluationError(
        f"output {name!r} is not in the model; it has {found}. "
        f'Say which one it is in the recipe: model.outputs.{name}.aliases = ["…"]'
    )
