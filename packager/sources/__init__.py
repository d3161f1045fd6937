"""Where models come from: one file a framework, each with `load(source, audio)`.

What `load` returns has `inputs` and `outputs` (by name), `examples` and `run(inputs) -> outputs`: the reference that
every bundle is compared with.
"""

from __future__ import annotations

import importlib
import itertools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from packager.audio_windows import holds_window
from packager.bundle import AudioContract
from packager.errors import PackagingError
from packager.frontend_spec import PythonSpec
from packager.frontends.feeding import feed_features, find_feature_input
from packager.frontends.folding import audio_shape, fold
from packager.frontends.opening import Frontend, open_frontend
from packager.model import ModelSource, ModelSpec

_SEED = 20261130


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
    frontend = open_source_frontend(source, audio)
    loaded: LoadedSource = module.load(source, audio if frontend is None else None)
    _check_state(source.spec, loaded)
    if frontend is None or audio is None:
        return loaded
    name = find_feature_input(loaded.inputs, source.spec.state, frontend.spec.input)
    feed_features(name, loaded.inputs[name].shape, frontend)  # refuses what does not fit
    _check_axes(name, source.spec, frontend)
    return _fold(loaded, name, frontend) if frontend.spec.inside else loaded


def open_source_frontend(source: ModelSource, audio: AudioContract | None) -> Frontend | None:
    """What an app computes before it calls a source model, or a bundle of it; None where the recipe says nothing.

    Raises:
        PackagingError: It does not go with the contract, there is none, or its own code fails.
    """
    if source.frontend is None:
        return None
    if audio is None:
        raise PackagingError("frontend: computes features of audio, and the recipe has no [audio] section; add one")
    return open_frontend(source.frontend, audio)


def _check_axes(name: str, spec: ModelSpec, frontend: Frontend) -> None:
    said = spec.inputs[name].axes if name in spec.inputs else ()
    if said and frontend.spec.axes is not None and said != frontend.spec.axes:
        raise PackagingError(
            f"model.inputs.{name}.axes: {list(said)}, and frontend.axes {list(frontend.spec.axes)}; say them once"
        )


def _fold(loaded: Any, name: str, frontend: Frontend) -> LoadedSource:
    assert not isinstance(frontend.spec, PythonSpec)
    audio, shape = frontend.audio, loaded.inputs[name].shape
    example = np.random.default_rng(_SEED).normal(scale=0.1, size=audio_shape(audio)).astype(np.float32)
    folded: LoadedSource = loaded.put_behind(name, fold(frontend.spec, audio, loaded.backend, shape), example)
    return folded


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
