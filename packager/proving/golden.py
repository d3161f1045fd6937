"""Golden vectors: what an app replays to test that it has integrated a bundle rightly.

Each holds what goes in, what the source makes of it and what the bundle itself made of it, with tolerances. The sounds
are test signals of our own: no clip of a dataset goes into a bundle.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from packager.bundle import AudioContract, Bundle, Manifest
from packager.frontends.feeding import WindowFeed
from packager.proving.recordings import choose_rate, make_recording, make_sound, write_wav
from packager.proving.trials import Tensors, Trials
from packager.sources import LoadedSource
from packager.stitching import count_windows
from packager.vector_records import (
    HEARD,
    INPUTS,
    SAMPLES,
    SOURCE,
    SUFFIXES,
    VERIFY,
    GoldenVector,
    Recording,
    Tolerance,
    VectorTensor,
)

if TYPE_CHECKING:
    from packager.compression.model_runner import ModelRunner

_CALLS, _AGAIN = 4, 2
"""of a model with states: so many calls in a row, and after a reset so many of them once more"""
_CLIP = "clip"


@dataclass(frozen=True)
class Recorded:
    """One array that a bundle made.

    Attributes:
        values: As its emulator gave them.
        tolerances: How far an app's may lie from them.
    """

    values: npt.NDArray[Any]
    tolerances: tuple[Tolerance, ...]


@dataclass
class Golden:
    """What all bundles of one source share.

    Attributes:
        loaded: The source.
        trials: The probes, and the source's outputs for them.
        audio: The contract, where there is one.
        feed: How windows of audio become an input, where one takes them.
        runner: What plays bundles; none leaves vectors with the source's outputs alone.
    """

    loaded: LoadedSource
    trials: Trials
    audio: AudioContract | None
    feed: WindowFeed | None
    runner: ModelRunner | None
    _of_source: dict[str, dict[str, npt.NDArray[Any]]] = field(default_factory=dict)

    def write(self, folder: Path, draft: Manifest, roundoff: float) -> tuple[GoldenVector, ...]:
        """Write a bundle's vectors.

        Args:
            folder: The bundle's, its model file in place.
            draft: Its manifest, without vectors.
            roundoff: What its arithmetic rounds by, of the largest value.

        Raises:
            TestpressError: The model cannot be played.
        """
        planned = self._plan(folder, {one.name for one in draft.inputs})
        bundle = Bundle(path=folder, manifest=draft.model_copy(update={"vectors": planned}))
        own: Mapping[str, Mapping[str, Recorded]] = {}
        if self.runner is None:
            self._of_source = {name: dict(outputs) for name, _, outputs in self.trials.golden}
        else:
            frontend = None if self.feed is None else self.feed.frontend
            if not self._of_source:
                self._of_source = self.runner.play_source(self.loaded, self.trials.state, bundle, frontend)
            own = self.runner.record(bundle, frontend, roundoff)
        names = [one.name for one in draft.outputs]
        return tuple(self._complete(folder, one, own.get(one.name, {}), names) for one in planned)

    def _plan(self, folder: Path, inputs: Collection[str]) -> tuple[GoldenVector, ...]:
        """The vectors with their inputs written; those that only a runner can complete, where there is one."""
        vectors = [self._plan_call(folder, name, call, inputs) for name, call, _ in self.trials.golden]
        if self.runner is None:
            return tuple(vectors)
        if self.trials.state:
            vectors.append(self._plan_calls(folder, inputs))
        is_alone = self.feed is not None and {*inputs} <= {self.feed.name, *self.trials.state}
        if self.audio is not None and is_alone:
            vectors.append(self._plan_recording(folder, self.audio))
        return tuple(vectors)

    def _plan_call(self, folder: Path, name: str, call: Tensors, inputs: Collection[str]) -> GoldenVector:
        heard = self.trials.heard.get(name)
        return GoldenVector(
            name=name,
            inputs={each: _write(folder, f"{name}/{INPUTS}/{each}", call[each]) for each in sorted(inputs)},
            source={},
            audio=None if heard is None else _write(folder, f"{name}/{HEARD}", heard),
        )

    def _plan_calls(self, folder: Path, inputs: Collection[str]) -> GoldenVector:
        calls = self._make_calls()
        calls += calls[:_AGAIN]
        name, state = "calls", self.trials.state
        given = {
            each: _write(folder, f"{name}/{INPUTS}/{each}", np.stack([call[each] for call in calls]))
            for each in sorted(inputs)
            if each not in state
        }
        return GoldenVector(name=name, kind="calls", resets=(0, _CALLS), inputs=given, source={})

    def _make_calls(self) -> list[Tensors]:
        """Calls that follow each other: windows of one sound where audio is heard, else seeded noise."""
        first, clip = self.trials.calls[0], self.trials.clip
        if self.feed is None or self.audio is None:
            return list(clip.calls[:_CALLS]) if clip is not None else [first]
        audio = self.audio
        length = (_CALLS - 1) * audio.hop_samples + audio.window_samples
        mono = make_sound(length, audio.sample_rate_hz, audio.sample_rate_hz).astype(np.float32)
        sound = np.stack([np.roll(mono, channel) for channel in range(audio.channels)])
        windows = [sound[:, index * audio.hop_samples :][:, : audio.window_samples] for index in range(_CALLS)]
        dtype = self.loaded.inputs[self.feed.name].dtype
        return [{**first, self.feed.name: self.feed.feed(window).astype(dtype)} for window in windows]

    def _plan_recording(self, folder: Path, audio: AudioContract) -> GoldenVector:
        rate_hz, file = choose_rate(audio), f"{VERIFY}/{_CLIP}/recording/{_CLIP}.wav"
        samples = make_recording(audio, rate_hz)
        write_wav(samples, rate_hz, folder / file)
        resampled = round(len(samples) * audio.sample_rate_hz / rate_hz)
        recording = Recording(
            file=file,
            sample_rate_hz=rate_hz,
            channels=audio.channels,
            samples=len(samples),
            windows=count_windows(resampled, audio),
        )
        return GoldenVector(name=_CLIP, kind="recording", recording=recording, inputs={}, source={})

    def _complete(
        self, folder: Path, vector: GoldenVector, own: Mapping[str, Recorded], outputs: Collection[str]
    ) -> GoldenVector:
        place, update = vector.name, dict[str, Any]()
        of_source = {name: one for name, one in self._of_source.get(place, {}).items() if name in outputs}
        update["source"] = {name: _write(folder, f"{place}/{SOURCE}/{name}", of_source[name]) for name in of_source}
        update["outputs"] = {
            name: _write(folder, f"{place}/{name}", one.values, one.tolerances)
            for name, one in own.items()
            if name in outputs
        }
        inputs = dict(vector.inputs)
        for name, one in own.items():
            if name == SAMPLES:
                update["samples"] = _write(folder, f"{place}/{name}", one.values, one.tolerances)
            elif name.startswith(f"{INPUTS}/"):
                inputs[name.removeprefix(f"{INPUTS}/")] = _write(folder, f"{place}/{name}", one.values, one.tolerances)
        return vector.model_copy(update={**update, "inputs": inputs})


def _write(folder: Path, name: str, values: npt.NDArray[Any], tolerances: tuple[Tolerance, ...] = ()) -> VectorTensor:
    dtype = values.dtype.name
    file = f"{VERIFY}/{name}.{SUFFIXES.get(dtype, dtype)}"
    path = folder / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(np.ascontiguousarray(values, values.dtype.newbyteorder("<")).tobytes())
    return VectorTensor.model_validate({"file": file, "dtype": dtype, "shape": values.shape, "tolerances": tolerances})
