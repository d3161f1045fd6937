"""What a bundle is tried on right after conversion: inputs, and what the source makes of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from packager.bundle import AudioContract
from packager.probes import probe_inputs
from packager.sources import AUDIO, LoadedSource, name_audio_axes, shape_window

Tensors = Mapping[str, npt.NDArray[Any]]

MAX_WINDOWS = 16
"""windows of the recipe's audio that a proof hears; they are spread over the dataset"""


@dataclass(frozen=True)
class Trials:
    """Calls of a model, in order.

    Attributes:
        calls: Inputs by name, one mapping a call. The states of a call are those that the source gave in the call
            before, so that every call can be repeated by itself.
        references: The source's outputs for each.
        probes: Names of the leading calls, which are test signals; they are a bundle's golden vectors.
        starts: The calls at which a clip starts, where states are 0.
    """

    calls: Sequence[Tensors]
    references: Sequence[Tensors]
    probes: tuple[str, ...]
    starts: frozenset[int]

    @property
    def golden(self) -> Iterator[tuple[str, Tensors, Tensors]]:
        """Name, inputs and outputs of each probe."""
        return zip(self.probes, self.calls, self.references, strict=False)

    @property
    def description(self) -> str:
        """What was heard, in words."""
        windows = len(self.calls) - len(self.probes)
        return ", ".join([*self.probes, *([f"{windows} windows of the recipe's audio"] if windows else [])])


def make_trials(
    loaded: LoadedSource, audio: AudioContract | None, state: Mapping[str, str], windows: str | None
) -> Trials:
    """Run the source on the probes and on windows of the recipe's own audio.

    Args:
        loaded: The source.
        audio: The contract, where the model takes samples.
        state: State input → output. States are carried through the recipe's windows as if these were one clip.
        windows: A `.npy` file, float32 (windows, channels, window_samples); None where the recipe has no audio.
    """
    probes = probe_inputs(loaded, audio, state)
    calls: list[Tensors] = list(probes.values())
    references: list[Tensors] = [loaded.run(call) for call in calls]
    starts = {*range(len(calls)), len(calls)}
    if windows is not None and audio is not None and AUDIO in loaded.inputs:
        tensor = loaded.inputs[AUDIO]
        axes = name_audio_axes(tensor.shape, audio)
        call = dict(calls[0])
        for window in _choose(np.load(windows, mmap_mode="r"), consecutive=bool(state)):
            call = {**call, AUDIO: shape_window(np.array(window), tensor.shape, axes).astype(tensor.dtype)}
            calls.append(call)
            references.append(loaded.run(call))
            call = {**call, **{name: references[-1][output] for name, output in state.items()}}
    return Trials(calls, references, tuple(probes), frozenset(starts))


def _choose(windows: npt.NDArray[np.float32], *, consecutive: bool) -> Iterator[npt.NDArray[np.float32]]:
    count = min(MAX_WINDOWS, len(windows))
    places = range(count) if consecutive else np.linspace(0, len(windows) - 1, count).astype(int)
    for index in dict.fromkeys(int(place) for place in places):
        yield windows[index]
