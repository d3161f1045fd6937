"""Where models come from: one file a framework, each with `load(source, audio)`.

What `load` returns has `inputs` and `outputs` (by name), `examples` and `run(inputs) -> outputs`: the reference that
every bundle is compared with.
"""

from __future__ import annotations

import importlib
import itertools
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from packager.bundle import AudioContract
from packager.errors import PackagingError
from packager.model import ModelSource, ModelSpec

AUDIO = "audio"
"""what a model's audio input is called, whatever its source calls it"""


@dataclass(frozen=True)
class SourceTensor:
    """Shape and dtype of a source model's input or output."""

    shape: tuple[int, ...]
    dtype: str


class LoadedSource(Protocol):
    """A source model that can be run."""

    @property
    def inputs(self) -> Mapping[str, SourceTensor]:
        """By name, in the order of the call."""

    @property
    def outputs(self) -> Mapping[str, SourceTensor]:
        """By name."""

    @property
    def examples(self) -> Mapping[str, npt.NDArray[Any]]:
        """A valid value for every input that has one of its own."""

    def run(self, inputs: Mapping[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
        """Run once; all inputs by name, in their shapes and dtypes."""


def load_source(source: ModelSource, audio: AudioContract | None) -> LoadedSource:
    """Load a model with its framework's loader.

    Raises:
        PackagingError: It cannot be loaded, or is not what the recipe says.
    """
    module = importlib.import_module(f"packager.sources.{source.framework}")
    loaded: LoadedSource = module.load(source, audio)
    _check_state(source.spec, loaded)
    return loaded


def holds_window(shape: tuple[int, ...], audio: AudioContract) -> bool:
    """Whether a shape is that of one window of the contract's samples and channels."""
    return audio.window_samples in shape and math.prod(shape) == audio.window_samples * audio.channels


def looks_like_audio(shape: tuple[int, ...], audio: AudioContract) -> bool:
    """Whether a shape could hold samples: no more than one dimension beside the contract's channels is not 1."""
    sizes = [size for size in shape if size != 1]
    if audio.channels > 1 and audio.channels in sizes:
        sizes.remove(audio.channels)
    return len(sizes) == 1


def find_audio_input(
    shapes: Mapping[str, tuple[int, ...]], spec: ModelSpec, audio: AudioContract | None, *, where: str
) -> str | None:
    """The one input that takes a window of samples; None where the model takes something else.

    Args:
        shapes: Of all inputs, by the source's own names.
        spec: Its `state` inputs are not audio, and an input whose axes it names is only where one is "sample".
        audio: The contract, where there is one.
        where: The source, for messages.

    Raises:
        PackagingError: An input looks like samples, but not like the contract's.
    """
    if audio is None:
        return None
    free = {name: shape for name, shape in shapes.items() if name not in spec.state}
    asked = {name: shape for name, shape in free.items() if _may_be_audio(name, spec)}
    fitting = [name for name, shape in asked.items() if holds_window(shape, audio)]
    if fitting:
        return fitting[0]
    for name, shape in asked.items():
        if looks_like_audio(shape, audio):
            raise _unfitting(name, shape, audio, where)
    return None


def _may_be_audio(name: str, spec: ModelSpec) -> bool:
    axes = spec.inputs[name].axes if name in spec.inputs else ()
    return not axes or "sample" in axes


def _unfitting(name: str, shape: tuple[int | None, ...], audio: AudioContract, where: str) -> PackagingError:
    return PackagingError(
        f"{where}: input {name!r} has shape {list(shape)}, which does not hold one window of {audio.window_samples} "
        f"samples and {audio.channels} channel(s); make audio.window_samples and audio.channels in the recipe match "
        f"the model, or, if it takes no samples, say what it takes: model.inputs.{name}.axes"
    )


def fix_audio_shape(shape: tuple[int | None, ...], audio: AudioContract, *, where: str) -> tuple[int, ...]:
    """A model input's shape with its open dimensions fixed: the batch to 1, the time to the contract's window.

    Raises:
        PackagingError: The result does not hold exactly one window of the contract's channels.
    """
    closed = [1 if size is None and axis == 0 else size for axis, size in enumerate(shape)]
    fixed = tuple(audio.window_samples if size is None else int(size) for size in closed)
    if not holds_window(fixed, audio):
        raise PackagingError(
            f"{where} has shape {list(shape)}, which does not hold one window of {audio.window_samples} samples and "
            f"{audio.channels} channel(s); make audio.window_samples and audio.channels in the recipe match the model"
        )
    return fixed


def name_audio_axes(shape: tuple[int, ...], audio: AudioContract) -> tuple[str, ...]:
    """One word a dimension of an audio input: batch, sample, channel."""
    names = []
    for axis, size in enumerate(shape):
        if size == audio.window_samples and "sample" not in names:
            names.append("sample")
        elif axis == 0:
            names.append("batch")
        else:
            names.append("channel")
    return tuple(names)


def shape_window(
    window: npt.NDArray[np.float32], shape: tuple[int, ...], axes: tuple[str, ...]
) -> npt.NDArray[np.float32]:
    """A window `(channels, samples)` in the layout of a model's input.

    Args:
        window: float32 `(channels, samples)`.
        shape: The input's shape.
        axes: Its axes, as `name_audio_axes` names them.
    """
    sample_first = "channel" in axes and axes.index("sample") < axes.index("channel")
    return np.ascontiguousarray(window.T if sample_first else window).reshape(shape)


def check_outputs(spec: ModelSpec, shapes: Mapping[str, tuple[int, ...]], *, where: str) -> None:
    """Refuse a recipe that names outputs the model does not have, or too few or many axes of one.

    Raises:
        PackagingError: With the outputs there are.
    """
    missing = sorted(set(spec.outputs) - set(shapes))
    if missing:
        raise PackagingError(
            f"model.outputs: {', '.join(missing)}: not among the outputs of {where}, "
            f"which are {', '.join(sorted(shapes))}"
        )
    for name, output in spec.outputs.items():
        rank = len(shapes[name]) - 1
        if output.axes and len(output.axes) not in (rank, rank + 1):
            raise PackagingError(
                f"model.outputs.{name}.axes: {len(output.axes)} axes for an output of shape "
                f"{shapes[name]}: name {rank}, the batch left out"
            )


def part_names(outputs: Sequence[str], inputs: Collection[str]) -> tuple[str, ...]:
    """Output names that no input and no other output bears: Core ML has one name for one thing.

    `samples` becomes `samples_out` beside an input `samples`; should that be taken too, `samples_out_2`. Only what must
    be renamed is.
    """
    taken = {*inputs, *outputs}
    parted: list[str] = []
    for name in outputs:
        tries = itertools.chain([f"{name}_out"] * (name in inputs), (f"{name}_out_{n}" for n in itertools.count(2)))
        clashes = name in inputs or name in parted
        parted.append(next(each for each in tries if each not in taken) if clashes else name)
        taken.add(parted[-1])
    return tuple(parted)


def _check_state(spec: ModelSpec, loaded: LoadedSource) -> None:
    for input_, output in spec.state.items():
        if input_ not in loaded.inputs:
            raise PackagingError(f"model.state: {input_!r} is no input; there are: {', '.join(loaded.inputs)}")
        if output not in loaded.outputs:
            raise PackagingError(
                f"model.state.{input_}: {output!r} is no output; there are: {', '.join(loaded.outputs)}"
            )
        given, made = loaded.inputs[input_], loaded.outputs[output]
        if given != made:
            raise PackagingError(
                f"model.state.{input_}: takes {given.dtype} {list(given.shape)}, but {output!r} is "
                f"{made.dtype} {list(made.shape)}; a state must come back in the form it was given"
            )
