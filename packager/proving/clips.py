"""A long clip for a model with states: what a bundle hears, call by call, and what the source makes of it.

The source hears it twice: call by call, its states carried, and all at once where it takes a longer input.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from packager.bundle import AudioContract
from packager.diagnosis import describe_fault
from packager.frontends.feeding import find_feed
from packager.frontends.opening import Frontend
from packager.model import ModelSpec
from packager.proving.probes import probe_windows
from packager.proving.streams import carry
from packager.proving.window_choice import choose_windows
from packager.snr import snr_db
from packager.sources import LoadedSource

Tensors = Mapping[str, npt.NDArray[Any]]

CLIP_SECONDS = 4.0
"""what a clip of audio lasts, within `FEWEST_CALLS` and `MOST_CALLS`"""
FEWEST_CALLS, MOST_CALLS = 16, 128
FEATURE_CALLS = 64
"""calls of a clip that is no audio"""
STRETCHES = 8
"""of the recipe's audio make a clip: one alone may be the silence before somebody speaks"""
RECIPES_AUDIO = "the recipe's audio"
SAME_DB = 60.0
"""from here on the source's calls and its one long call count as the same: float32 in another order"""
TIME_AXES = ("sample", "frame", "time", "step")
_SEED = 20261129


@dataclass(frozen=True)
class Joined:
    """One output of the whole clip at once.

    Attributes:
        values: As the source gave it.
        axis: Along which the calls' outputs are joined to make the same; None of a state: the last call's is the same.
    """

    values: npt.NDArray[Any]
    axis: int | None

    def join(self, calls: Sequence[npt.NDArray[Any]]) -> npt.NDArray[Any]:
        """The calls' outputs in the form of `values`."""
        return np.asarray(calls[-1]) if self.axis is None else np.concatenate(calls, axis=self.axis)


@dataclass(frozen=True)
class Whole:
    """The source's outputs when it is given the whole clip at once.

    Attributes:
        outputs: Those that can be laid beside the calls' outputs.
        refused: Output → why it cannot.
        reason: Why there are none at all.
    """

    outputs: Mapping[str, Joined] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)
    reason: str | None = None


@dataclass(frozen=True)
class Clip:
    """A clip.

    Attributes:
        calls: Inputs by name, one mapping a call; states are left out, they start with 0.
        references: The source's outputs, its own states carried.
        whole: The source's outputs for all of it at once.
        description: What is heard, in words.
    """

    calls: Sequence[Tensors]
    references: Sequence[Tensors]
    whole: Whole
    description: str


def make_clip(
    loaded: LoadedSource,
    audio: AudioContract | None,
    spec: ModelSpec,
    windows: npt.NDArray[np.float32] | None,
    example: Tensors,
    frontend: Frontend | None = None,
) -> Clip:
    """Run the source on a clip.

    Args:
        loaded: The source.
        audio: The contract, where there is one.
        spec: Names the states, and the axes of inputs.
        windows: The recipe's own audio, float32 (windows, channels, window_samples); None makes a chirp in noise.
        example: A valid call: what inputs hold that do not change from call to call.
        frontend: What computes features of audio, where the model takes them.
    """
    fixed = {name: value for name, value in example.items() if name not in spec.state}
    feed = find_feed(loaded.inputs, audio, spec.state, frontend)
    if audio is not None and feed is not None:
        heard, description = _hear_audio(audio, windows)
        dtype, axis = loaded.inputs[feed.name].dtype, feed.time_axis
        candidates: list[dict[str, int]] = [] if axis is None else [{feed.name: axis}]
        calls: list[Tensors] = [{**fixed, feed.name: feed.feed(window).astype(dtype)} for window in heard]
    else:
        driven = _driven_inputs(loaded, spec)
        calls = [{**fixed, **values} for values in _vary({name: fixed[name] for name in driven})]
        candidates, description = _time_axes(loaded, spec, driven), f"{len(calls)} calls of seeded noise"
    references = list(carry(loaded, calls, spec.state))
    return Clip(calls, references, _hear_whole(loaded, spec, calls, references, candidates), description)


def _hear_audio(audio: AudioContract, windows: npt.NDArray[np.float32] | None) -> tuple[npt.NDArray[np.float32], str]:
    """The windows of a clip, float32 (windows, channels, window_samples), and what they are, in words."""
    wanted = math.ceil(CLIP_SECONDS * audio.sample_rate_hz / audio.window_samples)
    count = min(max(wanted, FEWEST_CALLS), MOST_CALLS)
    if windows is None:
        length = audio.model_copy(update={"window_samples": count * audio.window_samples})
        windows = np.stack(np.split(sum(probe_windows(length).values()), count, axis=1))
        description = f"a chirp in noise, {count} windows"
    else:
        stretch = max(min(count, len(windows)) // STRETCHES, 1)
        firsts = choose_windows(windows, count // stretch, stretch=stretch)
        windows = np.concatenate([windows[first : first + stretch] for first in firsts])
        description = f"{len(windows)} windows of {RECIPES_AUDIO}, {_describe_stretches(len(firsts))}"
    return windows, description


def _describe_stretches(count: int) -> str:
    return "one stretch of it" if count == 1 else f"{count} stretches of it, from quiet to loud"


def _driven_inputs(loaded: LoadedSource, spec: ModelSpec) -> list[str]:
    """The inputs that change from call to call: those with an axis of time, all where none is said to have one."""
    free = [name for name in loaded.inputs if name not in spec.state]
    timed = [name for name in free if _time_axis(name, spec) is not None]
    return timed or free


def _time_axis(name: str, spec: ModelSpec) -> int | None:
    axes = spec.inputs[name].axes if name in spec.inputs else ()
    return next((index for index, axis in enumerate(axes) if axis in TIME_AXES), None)


def _time_axes(loaded: LoadedSource, spec: ModelSpec, driven: Sequence[str]) -> list[dict[str, int]]:
    """Input → the axis along which its calls may be joined: as the recipe says, else of a lone input all."""
    said = {name: axis for name in driven if (axis := _time_axis(name, spec)) is not None}
    if said:
        return [said]
    if len(driven) != 1:
        return []
    return [{driven[0]: axis} for axis in range(len(loaded.inputs[driven[0]].shape))]


def _vary(example: Tensors) -> Iterator[Tensors]:
    """Noise as loud as the example; of whole numbers, the example's own in another order."""
    generator = np.random.default_rng(_SEED)
    for _ in range(FEATURE_CALLS):
        yield {name: _shuffle(value, generator) for name, value in example.items()}


def _shuffle(value: npt.NDArray[Any], generator: np.random.Generator) -> npt.NDArray[Any]:
    if np.issubdtype(value.dtype, np.floating):
        return generator.normal(value.mean(), value.std() or 1.0, value.shape).astype(value.dtype)
    return generator.permutation(value.reshape(-1)).reshape(value.shape)


def _hear_whole(
    loaded: LoadedSource,
    spec: ModelSpec,
    calls: Sequence[Tensors],
    references: Sequence[Tensors],
    candidates: Sequence[Mapping[str, int]],
) -> Whole:
    """The source's outputs for the joined calls; of several ways to join, the one the source itself agrees with."""
    if not candidates:
        return Whole(reason="which axis of its inputs is time is not said; say it: model.inputs.NAME.axes")
    found, faults = [], []
    for axes in candidates:
        joined = {name: np.concatenate([call[name] for call in calls], axis=axis) for name, axis in axes.items()}
        silence = {name: np.zeros(loaded.inputs[name].shape, loaded.inputs[name].dtype) for name in spec.state}
        try:
            outputs = loaded.run({**calls[0], **joined, **silence})
        except Exception as fault:  # noqa: BLE001  frameworks raise anything where a shape is not theirs
            faults.append(f"the source takes no longer input: {describe_fault(fault)}")
            continue
        whole = _lay_beside(outputs, references, spec)
        scores = [_agreement_db(one, [each[name] for each in references]) for name, one in whole.outputs.items()]
        found.append((min(scores, default=-math.inf), whole))
    if not found:
        return Whole(reason=faults[-1] if len(faults) == 1 else _first_likely(faults))
    return max(found, key=lambda one: one[0])[1]


def _first_likely(faults: Sequence[str]) -> str:
    return f"{faults[-1]} (tried all {len(faults)} axes; model.inputs.NAME.axes says which is time)"


def _lay_beside(outputs: Tensors, references: Sequence[Tensors], spec: ModelSpec) -> Whole:
    laid: dict[str, Joined] = {}
    refused: dict[str, str] = {}
    for name, values in outputs.items():
        shape, count = references[0][name].shape, len(references)
        longer = [axis for axis in range(len(shape)) if len(shape) == values.ndim and values.shape[axis] != shape[axis]]
        if not longer and len(shape) == values.ndim and name in spec.state.values():
            laid[name] = Joined(values, None)
        elif len(longer) == 1 and values.shape[longer[0]] == count * shape[longer[0]]:
            laid[name] = Joined(values, longer[0])
        else:
            refused[name] = f"{list(values.shape)} for the whole clip, {count} times {list(shape)} for its calls"
    reason = None if laid else "; ".join(f"{name}: {why}" for name, why in refused.items())
    return Whole(laid, refused, reason)


def _agreement_db(joined: Joined, calls: Sequence[npt.NDArray[Any]]) -> float:
    found = departure_db(joined.values, joined.join(calls), loudness(calls))
    return -math.inf if found is None else found


def loudness(calls: Sequence[npt.NDArray[Any]]) -> float:
    """The mean square of an output over a whole clip."""
    return float(np.mean([np.mean(np.square(call, dtype=np.float64)) for call in calls]))


def departure_db(reference: npt.NDArray[Any], estimate: npt.NDArray[Any], signal: float) -> float | None:
    """10 log10(signal / mean error²), by the rule of `snr_db`.

    Args:
        reference: Values.
        estimate: As many.
        signal: How loud the reference is over the whole clip; at one moment, as of a last state, it may be near 0.
    """
    r, e = np.asarray(reference, np.float64), np.asarray(estimate, np.float64)
    return snr_db(signal, 0.0 if np.array_equal(r, e) else float(np.mean((r - e) ** 2)))
