"""Inputs of several lengths: which they are, and the calls that a bundle must get right beside its default one.

Fixed windows are the default: a phone's delegates refuse a whole graph in which one dimension is open.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from packager.audio_windows import AUDIO, name_audio_axes
from packager.bundle import AudioContract
from packager.diagnosis import describe_fault
from packager.errors import PackagingError
from packager.model import InputSpec, ModelSpec
from packager.proving.probes import probe_inputs
from packager.sources import LoadedSource, SourceTensor

_MOST_TRIED = 4
"""sizes beside the default that a proof runs"""

Tensors = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class FlexibleInput:
    """One axis of an input, and its sizes.

    Attributes:
        axis: Its index.
        default: The size that everything else is made for.
        sizes: All there are; empty where any from `minimum` to `maximum` will do.
        minimum: The smallest.
        maximum: The largest.
    """

    axis: int
    default: int
    sizes: tuple[int, ...]
    minimum: int
    maximum: int

    @property
    def tried(self) -> tuple[int, ...]:
        """Sizes beside the default that a proof runs: the ends, and of a range an odd one between."""
        between = self.minimum + (self.maximum - self.minimum) // 3
        wanted = self.sizes or (self.minimum, self.maximum, between | 1 if between < self.maximum else between)
        return tuple(size for size in dict.fromkeys(wanted) if size != self.default)[:_MOST_TRIED]

    def resize(self, shape: tuple[int, ...], size: int) -> tuple[int, ...]:
        """A shape with this axis at another size."""
        return (*shape[: self.axis], size, *shape[self.axis + 1 :])


@dataclass(frozen=True)
class LengthTrial:
    """Calls of one length.

    Attributes:
        calls: Inputs by name.
        references: The source's outputs for each.
    """

    calls: Sequence[Tensors]
    references: Sequence[Tensors]


def find_flexible(loaded: LoadedSource, audio: AudioContract | None, spec: ModelSpec) -> dict[str, FlexibleInput]:
    """The inputs that a recipe wants to be flexible, by name.

    Raises:
        PackagingError: There is no such input or axis, or the default size is not among the sizes.
    """
    asked = {name: one.flexible for name, one in spec.inputs.items() if one.flexible is not None}
    found = {}
    for name, flexible in asked.items():
        where = f"model.inputs.{name}.flexible"
        if name not in loaded.inputs:
            raise PackagingError(f"{where}: there is no such input; there are: {', '.join(loaded.inputs)}")
        axes = _axes(name, loaded.inputs[name], audio, spec)
        if flexible.axis not in axes:
            known = ", ".join(axes) or "none; name them: axes"
            raise PackagingError(f"{where}: {flexible.axis!r} is no axis of it; there are: {known}")
        axis = axes.index(flexible.axis)
        default, sizes = loaded.inputs[name].shape[axis], flexible.sizes
        low, high = (min(sizes), max(sizes)) if sizes else (flexible.min or 1, flexible.max or 1)
        if not low <= default <= high or (sizes and default not in sizes):
            raise PackagingError(
                f"{where}: the size by default is {default} (of the audio contract's window, or of the example "
                "input), which is not among these sizes"
            )
        found[name] = FlexibleInput(axis, default, sizes, low, high)
    return found


def _axes(name: str, tensor: SourceTensor, audio: AudioContract | None, spec: ModelSpec) -> tuple[str, ...]:
    said = spec.inputs.get(name, InputSpec()).axes
    return name_audio_axes(tensor.shape, audio) if name == AUDIO and audio is not None and not said else said


def input_shape(ct: Any, name: str, shape: tuple[int, ...], lengths: Mapping[str, FlexibleInput]) -> Any:
    """An input's shape in coremltools' words; `ct` is coremltools."""
    flexible = lengths.get(name)
    if flexible is None:
        return shape
    if flexible.sizes:
        return ct.EnumeratedShapes([list(flexible.resize(shape, size)) for size in flexible.sizes], default=list(shape))
    open_ = ct.RangeDim(lower_bound=flexible.minimum, upper_bound=flexible.maximum, default=flexible.default)
    return ct.Shape([*shape[: flexible.axis], open_, *shape[flexible.axis + 1 :]])


@dataclass(frozen=True)
class _Resized:
    """A source that says it takes inputs of another length."""

    inputs: Mapping[str, SourceTensor]
    outputs: Mapping[str, SourceTensor]
    examples: Tensors = field(default_factory=dict)

    def run(self, inputs: Tensors) -> dict[str, npt.NDArray[Any]]:
        raise NotImplementedError


def make_length_trials(
    loaded: LoadedSource, audio: AudioContract | None, spec: ModelSpec, flexible: Mapping[str, FlexibleInput]
) -> list[LengthTrial]:
    """Run the source on calls of other lengths; states are 0.

    Raises:
        PackagingError: The source itself does not take one of them.
    """
    trials = []
    for turn in range(max((len(one.tried) for one in flexible.values()), default=0)):
        sizes = {name: one.tried[min(turn, len(one.tried) - 1)] for name, one in flexible.items()}
        shapes = {name: flexible[name].resize(loaded.inputs[name].shape, size) for name, size in sizes.items()}
        longer = audio
        if audio is not None and AUDIO in sizes:
            longer = audio.model_copy(update={"window_samples": sizes[AUDIO], "hop_samples": sizes[AUDIO]})
        calls = list(probe_inputs(_resize(loaded, shapes), longer, spec.state).values())
        try:
            trials.append(LengthTrial(calls, [loaded.run(call) for call in calls]))
        except Exception as fault:
            asked = ", ".join(f"{name} of shape {list(shape)}" for name, shape in shapes.items())
            raise PackagingError(
                f"model.inputs: the source itself does not take {asked}: {describe_fault(fault)}"
            ) from fault
    return trials


def _resize(loaded: LoadedSource, shapes: Mapping[str, tuple[int, ...]]) -> _Resized:
    inputs = {
        name: SourceTensor(shapes.get(name, tensor.shape), tensor.dtype) for name, tensor in loaded.inputs.items()
    }
    examples = {name: np.resize(value, inputs[name].shape) for name, value in loaded.examples.items()}
    return _Resized(inputs, loaded.outputs, examples)
