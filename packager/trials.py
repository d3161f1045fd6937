"""What a bundle is tried on right after conversion: inputs, and what the source makes of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from packager.bundle import AudioContract
from packager.clips import SAME_DB, Clip, departure_db, loudness, make_clip
from packager.lengths import FlexibleInput, LengthTrial, find_flexible, make_length_trials
from packager.model import ModelSpec
from packager.probes import probe_inputs
from packager.sources import AUDIO, LoadedSource, name_audio_axes, shape_window
from packager.streams import silence

Tensors = Mapping[str, npt.NDArray[Any]]

MAX_WINDOWS = 16
"""windows of the recipe's audio that a proof compares one by one; they are spread over the dataset"""


@dataclass(frozen=True)
class Trials:
    """Calls of a model, in order.

    Attributes:
        calls: Inputs by name, one mapping a call. The states of a call are those that the source gave in the call
            before, so that every call can be repeated by itself.
        references: The source's outputs for each.
        probes: Names of the leading calls, which are test signals; they are a bundle's golden vectors.
        starts: The calls at which a clip starts, where states are 0.
        description: What is heard, in words.
        state: State input → output.
        flexible: Inputs that have several lengths.
        lengths: Calls of other lengths than by default.
        source_fault: Why the source is no reference: it gives something else when a call is repeated.
        clip: A long clip through a model with states, of which the calls after the probes are the beginning.
    """

    calls: Sequence[Tensors]
    references: Sequence[Tensors]
    probes: tuple[str, ...]
    starts: frozenset[int]
    description: str
    state: Mapping[str, str] = field(default_factory=dict)
    clip: Clip | None = None
    flexible: Mapping[str, FlexibleInput] = field(default_factory=dict)
    lengths: Sequence[LengthTrial] = ()
    source_fault: str | None = None

    @property
    def golden(self) -> Iterator[tuple[str, Tensors, Tensors]]:
        """Name, inputs and outputs of each probe."""
        return zip(self.probes, self.calls, self.references, strict=False)


def make_trials(loaded: LoadedSource, audio: AudioContract | None, spec: ModelSpec, windows: str | None) -> Trials:
    """Run the source on the probes and on windows of the recipe's own audio.

    Args:
        loaded: The source.
        audio: The contract, where the model takes samples.
        spec: The recipe's [model] section. States are carried through the recipe's windows as if these were one clip.
        windows: A `.npy` file, float32 (windows, channels, window_samples); None where the recipe has no audio.
    """
    probes = probe_inputs(loaded, audio, spec.state)
    calls: list[Tensors] = list(probes.values())
    references: list[Tensors] = [loaded.run(call) for call in calls]
    recorded = None if windows is None else np.load(windows, mmap_mode="r")
    starts, heard, clip = set(range(len(calls))), list(probes), None
    if spec.state:
        clip = make_clip(loaded, audio, spec, recorded, calls[0])
        starts.add(len(calls))
        heard.append(f"the first {len(clip.calls[:MAX_WINDOWS])} of {clip.description}")
        calls += _with_states(loaded, clip, spec.state)
        references += clip.references[:MAX_WINDOWS]
    elif recorded is not None and audio is not None and AUDIO in loaded.inputs:
        chosen = [{**calls[0], AUDIO: one} for one in _choose(loaded, audio, recorded)]
        heard.append(f"{len(chosen)} windows of the recipe's audio")
        calls += chosen
        references += [loaded.run(call) for call in chosen]
    flexible = find_flexible(loaded, audio, spec)
    return Trials(
        calls=calls,
        references=references,
        probes=tuple(probes),
        starts=frozenset(starts),
        description=", ".join(heard),
        state=spec.state,
        clip=clip,
        flexible=flexible,
        lengths=make_length_trials(loaded, audio, spec, flexible),
        source_fault=_repeat(loaded, calls[0], references[0]),
    )


def _repeat(loaded: LoadedSource, call: Tensors, reference: Tensors) -> str | None:
    """What changed when the source heard the first call again, after all others."""
    again = loaded.run(call)
    found = {name: departure_db(value, again[name], loudness([value])) for name, value in reference.items()}
    changed = ", ".join(name for name, snr_db in found.items() if snr_db < SAME_DB)
    if not changed:
        return None
    return (
        f"the source itself gives another {changed} when a call is repeated: it remembers what it heard before, or "
        "draws random numbers; let it take states as inputs and return them, and bind them in [model.state]"
    )


def _with_states(loaded: LoadedSource, clip: Clip, state: Mapping[str, str]) -> Iterator[Tensors]:
    """The first calls of a clip, with the states that the source had."""
    states: Tensors = silence(loaded, state)
    for call, reference in zip(clip.calls[:MAX_WINDOWS], clip.references, strict=False):
        yield {**call, **states}
        states = {name: reference[output] for name, output in state.items()}


def _choose(
    loaded: LoadedSource, audio: AudioContract, windows: npt.NDArray[np.float32]
) -> Iterator[npt.NDArray[np.float32]]:
    tensor = loaded.inputs[AUDIO]
    axes = name_audio_axes(tensor.shape, audio)
    places = np.linspace(0, len(windows) - 1, min(MAX_WINDOWS, len(windows))).astype(int)
    for index in dict.fromkeys(int(place) for place in places):
        yield shape_window(np.array(windows[index]), tensor.shape, axes).astype(tensor.dtype)
