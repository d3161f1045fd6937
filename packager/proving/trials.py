"""What a bundle is tried on right after conversion: inputs, and what the source makes of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from packager.audio_windows import AUDIO
from packager.bundle import AudioContract
from packager.frontends.feeding import find_feed
from packager.frontends.opening import Frontend
from packager.model import ModelSpec
from packager.proving.clips import RECIPES_AUDIO, SAME_DB, Clip, departure_db, loudness, make_clip
from packager.proving.lengths import FlexibleInput, LengthTrial, find_flexible, make_length_trials
from packager.proving.probes import probe_inputs, probe_windows
from packager.proving.streams import silence
from packager.proving.window_choice import choose_windows
from packager.sources import LoadedSource

Tensors = Mapping[str, npt.NDArray[Any]]

MAX_WINDOWS = 16
"""windows of the recipe's audio that a proof compares one by one"""


@dataclass(frozen=True)
class Trials:
    """Calls of a model, in order.

    Attributes:
        calls: Inputs by name, one mapping a call. The states of a call are those that the source gave in the call
            before, so that every call can be repeated by itself.
        references: The source's outputs for each.
        probes: Names of the leading calls, which are test signals; they are a bundle's golden vectors.
        description: What is heard, in words.
        state: State input → output.
        flexible: Inputs that have several lengths.
        lengths: Calls of other lengths than by default.
        source_fault: Why the source is no reference: it gives something else when a call is repeated.
        clip: A long clip through a model with states, of which the calls after the probes are a choice.
        clip_calls: All calls of that clip, with the states that the source had.
        heard: Of each probe, the window that a front end computed its input from, float32 `(channels, samples)`.
    """

    calls: Sequence[Tensors]
    references: Sequence[Tensors]
    probes: tuple[str, ...]
    description: str
    state: Mapping[str, str] = field(default_factory=dict)
    clip: Clip | None = None
    flexible: Mapping[str, FlexibleInput] = field(default_factory=dict)
    lengths: Sequence[LengthTrial] = ()
    source_fault: str | None = None
    clip_calls: Sequence[Tensors] = ()
    heard: Mapping[str, npt.NDArray[np.float32]] = field(default_factory=dict)

    @property
    def golden(self) -> Iterator[tuple[str, Tensors, Tensors]]:
        """Name, inputs and outputs of each probe."""
        return zip(self.probes, self.calls, self.references, strict=False)


def make_trials(
    loaded: LoadedSource,
    audio: AudioContract | None,
    spec: ModelSpec,
    windows: str | None,
    frontend: Frontend | None = None,
) -> Trials:
    """Run the source on the probes and on windows of the recipe's own audio.

    Args:
        loaded: The source.
        audio: The contract, where the model takes samples.
        spec: The recipe's [model] section. States are carried through the recipe's windows as if these were one clip.
        windows: A `.npy` file, float32 (windows, channels, window_samples); None where the recipe has no audio.
        frontend: What computes features of audio, where the model takes them.
    """
    probes = probe_inputs(loaded, audio, spec.state, frontend)
    feed = find_feed(loaded.inputs, audio, spec.state, frontend)
    calls: list[Tensors] = list(probes.values())
    references: list[Tensors] = [loaded.run(call) for call in calls]
    recorded = None if windows is None else np.load(windows, mmap_mode="r")
    words, clip, clip_calls = list(probes), None, list[Tensors]()
    if spec.state:
        clip = make_clip(loaded, audio, spec, recorded, calls[0], frontend)
        clip_calls = _with_states(clip, silence(loaded, spec.state), spec.state)
        places = _spread_over_clip(clip_calls)
        words.append(f"{len(places)} of {clip.description}")
        calls += [clip_calls[place] for place in places]
        references += [clip.references[place] for place in places]
    elif recorded is not None and feed is not None:
        dtype = loaded.inputs[feed.name].dtype
        chosen = [{**calls[0], feed.name: feed.feed(one).astype(dtype)} for one in _choose(recorded)]
        words.append(f"{len(chosen)} windows of {RECIPES_AUDIO}, from all of it and from quiet to loud")
        calls += chosen
        references += [loaded.run(call) for call in chosen]
    flexible = find_flexible(loaded, audio, spec)
    return Trials(
        calls=calls,
        references=references,
        probes=tuple(probes),
        description=", ".join(words),
        state=spec.state,
        clip=clip,
        flexible=flexible,
        lengths=make_length_trials(loaded, audio, spec, flexible),
        source_fault=_repeat(loaded, calls[0], references[0]),
        clip_calls=clip_calls,
        heard={} if feed is None or feed.frontend is None else probe_windows(feed.frontend.audio),
    )


def _repeat(loaded: LoadedSource, call: Tensors, reference: Tensors) -> str | None:
    """What changed when the source heard the first call again, after all others."""
    again = loaded.run(call)
    found = {name: departure_db(value, again[name], loudness([value])) for name, value in reference.items()}
    changed = ", ".join(name for name, snr_db in found.items() if snr_db is None or snr_db < SAME_DB)
    if not changed:
        return None
    return (
        f"the source itself gives another {changed} when a call is repeated: it remembers what it heard before, or "
        "draws random numbers; let it take states as inputs and return them, and bind them in [model.state]"
    )


def _with_states(clip: Clip, silent: Tensors, state: Mapping[str, str]) -> list[Tensors]:
    """The calls of a clip with the states that the source had."""
    before = [silent, *({name: one[output] for name, output in state.items()} for one in clip.references[:-1])]
    return [{**call, **states} for call, states in zip(clip.calls, before, strict=True)]


def _spread_over_clip(calls: Sequence[Tensors]) -> list[int]:
    """Which calls of a clip are compared one by one: from all of it and, where it is audio, from quiet to loud."""
    if AUDIO in calls[0]:
        return choose_windows(np.stack([call[AUDIO] for call in calls]).astype(np.float32), MAX_WINDOWS)
    return sorted({round(place) for place in np.linspace(0, len(calls) - 1, MAX_WINDOWS)})


def _choose(windows: npt.NDArray[np.float32]) -> Iterator[npt.NDArray[np.float32]]:
    return (np.array(windows[index]) for index in choose_windows(windows, MAX_WINDOWS))
