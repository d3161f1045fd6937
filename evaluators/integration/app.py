"""An app of our own: it plays a bundle's golden vectors as the manifest asks, or with one of the known faults.

The same steps record a bundle's own outputs when it is made, replay them, and tell what a faulty app would have given.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from device_profiles.files import open_file, read_bytes
from evaluators.datasets.outputs import combine
from evaluators.emulators import Emulator
from evaluators.errors import EvaluationError
from evaluators.players import Player, get
from evaluators.windows import Samples
from packager.arrays import drop_batch
from packager.bundle import AudioContract, Bundle, Manifest
from packager.frontends.feeding import WindowFeed, find_feed
from packager.frontends.opening import Frontend
from packager.proving.streams import StatefulCalls, silence
from packager.sources import LoadedSource
from packager.stitching import count_windows, find_kind_of, find_lead_in, output_shape, output_spec
from packager.vector_records import INPUTS, SAMPLES, GoldenVector, VectorTensor

Tensors = Mapping[str, npt.NDArray[Any]]
Made = dict[str, npt.NDArray[Any]]
"""what an app makes of a vector, by its name below the vector's folder"""
ResamplerName = Literal["HQ", "VHQ", "linear", "nearest"]
MOST_BYTES = 2**31
_SEED = 20261202


@dataclass(frozen=True)
class Habits:
    """What an app does otherwise than the manifest asks; by default nothing.

    Attributes:
        gain: What samples are multiplied by before the model hears them.
        hop_offset: By how many samples the hop is off.
        resets: Whether states are set to 0 where a clip begins; else what was heard before stays.
        carries: Whether states are carried from call to call; else each call starts with 0.
        resampler: What brings a recording to the model's rate.
        rounding: Of the largest sample, by how much each is off at most before it is heard.
    """

    gain: float = 1.0
    rounding: float = 0.0
    hop_offset: int = 0
    resets: bool = True
    carries: bool = True
    resampler: ResamplerName = "HQ"


class Model(Protocol):
    """A model that is called with its source's names; states are its own affair."""

    def reset(self) -> None:
        """Begin a clip."""

    def call(self, inputs: Tensors) -> dict[str, npt.NDArray[Any]]:
        """The next call; outputs by their source's names, those of states too."""


class BundleModel:
    """A bundle's model file in an emulator."""

    def __init__(self, emulator: Emulator, manifest: Manifest) -> None:
        """Stand at a clip's start."""
        self._emulator, self._outputs = emulator, manifest.outputs
        self._player = Player(emulator, manifest.state)
        silent = {one.name: np.zeros(one.shape, one.dtype) for one in manifest.inputs if one.name in manifest.state}
        self._calls = StatefulCalls(self._run, manifest.state, silent)
        self.reset()

    def reset(self) -> None:
        """Begin a clip."""
        self._calls.reset()
        if self._emulator.states:
            self._emulator.reset()

    def call(self, inputs: Tensors) -> dict[str, npt.NDArray[Any]]:
        """The next call of the clip.

        Raises:
            EvaluationError: The runtime refuses it.
        """
        return self._calls(inputs)

    def _run(self, inputs: Tensors) -> dict[str, npt.NDArray[Any]]:
        found, named = self._player.run(inputs), {}
        for contract in self._outputs:
            value = get(contract.name, found)
            if value is None:
                raise EvaluationError(f"the model file has no output {contract.native_name!r}")
            # neither format knows numbers without dimensions: sizes of 1 come and go
            named[contract.name] = value.reshape(contract.shape) if value.size == np.prod(contract.shape) else value
        return named


class SourceModel:
    """A source model, loaded."""

    def __init__(self, source: LoadedSource, state: Mapping[str, str]) -> None:
        """Stand at a clip's start."""
        self._calls = StatefulCalls(source.run, state, silence(source, state))

    def reset(self) -> None:
        """Begin a clip."""
        self._calls.reset()

    def call(self, inputs: Tensors) -> dict[str, npt.NDArray[Any]]:
        """The next call of the clip."""
        return self._calls(inputs)


class App:
    """Plays vectors on a model."""

    def __init__(self, model: Model, bundle: Bundle, frontend: Frontend | None, habits: Habits | None = None) -> None:
        """Take up a model.

        Args:
            model: What is called.
            bundle: Whose manifest says how, and whose files are read.
            frontend: What computes features of audio, where the model takes them.
            habits: What is done otherwise.
        """
        self._model, self._bundle, self._habits = model, bundle, habits or Habits()
        manifest = bundle.manifest
        self._outputs = {one.name: one for one in manifest.outputs if one.name not in manifest.state.values()}
        self._states = {*manifest.state}
        shaped = {one.name: one for one in manifest.inputs}
        self._feed: WindowFeed | None = find_feed(shaped, manifest.audio, self._states, frontend)
        self._heard = False

    def play(self, vector: GoldenVector) -> Made:
        """What this app makes of a vector: stages that it computes, and outputs.

        Raises:
            EvaluationError: A file of the vector is not what the manifest says, or the model refuses a call.
        """
        if vector.kind == "recording":
            return self._play_recording(vector)
        inputs = {name: _read(self._bundle, one) for name, one in vector.inputs.items() if name not in self._states}
        if vector.kind == "call":
            inputs = {name: value[None] for name, value in inputs.items()}
        made: Made = {}
        if vector.audio is not None and self._feed is not None and self._feed.frontend is not None:
            features = self._feed.feed(self._hear(_read(self._bundle, vector.audio)))
            made[f"{INPUTS}/{self._feed.name}"] = features
            inputs[self._feed.name] = features[None]
        count = len(next(iter(inputs.values()))) if inputs else 1
        calls = [{name: value[index] for name, value in inputs.items()} for index in range(count)]
        outputs = self._run(calls, {0, *vector.resets})
        if vector.kind == "call":
            return {**made, **outputs[0]}
        return {**made, **{name: np.stack(found) for name, found in self._collect(outputs).items()}}

    def _play_recording(self, vector: GoldenVector) -> Made:
        audio, feed = self._bundle.manifest.audio, self._feed
        if audio is None or feed is None or vector.recording is None:
            raise EvaluationError(f"vector {vector.name!r}: a recording for a model that takes no audio")
        samples = self._hear(self._resample(self._bundle.path / vector.recording.file, audio))
        windows = _cut(samples, audio, audio.hop_samples + self._habits.hop_offset)
        fed = [feed.feed(window) for window in windows]
        outputs = self._run([{feed.name: value} for value in fed], {0})
        made: Made = {SAMPLES: samples, f"{INPUTS}/{feed.name}": np.stack(fed)}
        for name, found in self._collect(outputs).items():
            contract = self._outputs[name]
            values = np.stack([drop_batch(one, contract.shape) for one in found])
            kind = find_kind_of(output_shape(contract), output_spec(contract), audio) or "window"
            try:
                made[name] = combine(values, kind, audio, samples.shape[1], pool=contract.pool).values
            except EvaluationError:  # as in an evaluation: what is not of its kind has no whole
                continue
        return made

    def _collect(self, calls: Sequence[Tensors]) -> dict[str, list[npt.NDArray[Any]]]:
        """Each output's values of all calls; nothing of one whose shape changes from call to call."""
        found = {name: [one[name] for one in calls] for name in self._outputs}
        return {name: values for name, values in found.items() if len({one.shape for one in values}) == 1}

    def _hear(self, samples: npt.NDArray[Any]) -> Samples:
        heard = self._habits.gain * samples
        if self._habits.rounding:
            heard = round_off(heard, self._habits.rounding, np.random.default_rng(_SEED))
        return heard.astype(np.float32)

    def _run(self, calls: Sequence[Tensors], starts: set[int]) -> list[dict[str, npt.NDArray[Any]]]:
        found = []
        for index, call in enumerate(calls):
            if (index in starts and (self._habits.resets or not self._heard)) or not self._habits.carries:
                self._model.reset()
            found.append(self._model.call(call))
            self._heard = True
        return found

    def _resample(self, path: Path, audio: AudioContract) -> Samples:
        import soundfile
        import soxr

        try:
            with open_file(path, error=EvaluationError) as file:
                values, rate_hz = soundfile.read(file, dtype="float32", always_2d=True)
        except soundfile.SoundFileError as fault:
            raise EvaluationError(f"{path}: cannot be read as audio: {fault}") from None
        how, to_hz = self._habits.resampler, audio.sample_rate_hz
        if how in ("HQ", "VHQ"):
            resampled = soxr.resample(values, rate_hz, to_hz, quality=how)
            return np.ascontiguousarray(resampled.T, np.float32)
        times = np.arange(round(len(values) * to_hz / rate_hz)) * (rate_hz / to_hz)
        if how == "nearest":
            return np.ascontiguousarray(values[np.minimum(times.astype(int), len(values) - 1)].T, np.float32)
        return np.stack([np.interp(times, np.arange(len(values)), one) for one in values.T]).astype(np.float32)


def _cut(samples: Samples, audio: AudioContract, hop: int) -> npt.NDArray[np.float32]:
    """As `windows.cut`, whatever the hop is."""
    count, lead_in = count_windows(samples.shape[1], audio), find_lead_in(audio)
    length = max((count - 1) * hop + audio.window_samples, lead_in + samples.shape[1])
    padded = np.zeros((audio.channels, length), np.float32)
    padded[:, lead_in : lead_in + samples.shape[1]] = samples
    return np.stack([padded[:, index * hop : index * hop + audio.window_samples] for index in range(count)])


def round_off(values: npt.NDArray[Any], roundoff: float, generator: np.random.Generator) -> npt.NDArray[Any]:
    """Values that are off by what arithmetic rounds: at the scale of the largest, as sums round."""
    scale = roundoff * float(np.max(np.abs(values), initial=0))
    return (values + generator.uniform(-scale, scale, values.shape)).astype(values.dtype)


def _read(bundle: Bundle, tensor: VectorTensor) -> npt.NDArray[Any]:
    return read_values(bundle.path / tensor.file, tensor)


def read_values(path: Path, tensor: VectorTensor) -> npt.NDArray[Any]:
    """The values of a file, raw and little-endian, as a tensor of a vector has them.

    Raises:
        EvaluationError: There is no such file, or it holds more or fewer values.
    """
    dtype = np.dtype(tensor.dtype).newbyteorder("<")
    data = read_bytes(path, error=EvaluationError, most=MOST_BYTES)
    wanted = int(np.prod(tensor.shape, dtype=np.int64)) * dtype.itemsize
    if len(data) != wanted:
        raise EvaluationError(
            f"{path}: holds {len(data)} bytes; right is {wanted}: {tensor.dtype}, little-endian, shape "
            f"{list(tensor.shape)}"
        )
    return np.frombuffer(data, dtype).reshape(tensor.shape).astype(tensor.dtype)
