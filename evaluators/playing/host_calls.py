"""Inside the evaluation worker: a bundle's calls on this machine, each with what went in, to be made elsewhere too."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from device_profiles.record import Record
from evaluators.emulators import Emulator, Tensor
from evaluators.playing.binding import WindowRunner, bind
from evaluators.target_records import Target
from evaluators.targets import open_model
from evaluators.task_loading import TaskReference
from packager.arrays import drop_batch
from packager.bundle import AudioContract
from packager.frontends.opening import FrontendSource, open_frontend
from packager.model import OutputSpec

Arrays = dict[str, npt.NDArray[Any]]


class CoreRequest(Record):
    """What to play on what type of core."""

    model: str
    audio: AudioContract
    outputs: dict[str, OutputSpec]
    state: dict[str, str] = {}
    frontend: FrontendSource | None = None
    task: TaskReference
    windows: str
    """`.npy`, float32 (windows, channels, window_samples)"""
    clips: tuple[str, ...]
    """those that the chosen windows are of, in the dataset's order"""
    spans: tuple[tuple[int, int, int], ...]
    """of each of them"""
    chosen: tuple[int, ...]
    """windows to be played there, ascending"""
    target: Target
    kept: str
    """folder of what was played before"""


class HostCalls:
    """A bundle's calls on this machine, clip by clip."""

    def __init__(self, parsed: CoreRequest) -> None:
        """Load the bundle where bulk numbers of its format are made."""
        self._host = _Overheard(open_model(Path(parsed.model)))
        frontend = None if parsed.frontend is None else open_frontend(parsed.frontend, parsed.audio)
        self._binding = bind(self._host, parsed.audio, parsed.outputs, parsed.state, frontend)
        self._runner = WindowRunner(self._host, self._binding)
        self._windows = np.load(parsed.windows, mmap_mode="r")

    def play(self, span: tuple[int, int, int]) -> Iterator[tuple[Arrays, Arrays]]:
        """A clip's windows in their order: the model's own inputs, states among them, and the recipe's outputs."""
        first, count, _ = span
        self._runner.reset()
        for index in range(first, first + count):
            outputs = self._runner.run_window(np.array(self._windows[index]))
            yield dict(self._host.inputs_heard), outputs

    def find_inputs(self, window: int, spans: tuple[tuple[int, int, int], ...]) -> Arrays:
        """What goes into the call of one window.

        Args:
            window: Its index in the dataset.
            spans: Of the clips, one of which has it.
        """
        first, *rest = next(span for span in spans if span[0] <= window < span[0] + span[1])
        *_, (inputs, _) = self.play((first, window - first + 1, rest[1]))
        return inputs

    def read(self, values: Mapping[str, npt.NDArray[Any]]) -> Arrays:
        """What such a call gave elsewhere, by the recipe's names, without the batch."""
        binding, outputs = self._binding, self._host.outputs
        read = binding.read(values)
        return {name: drop_batch(value, outputs[binding.outputs[name]].shape) for name, value in read.items()}


class _Overheard:
    """An emulator that remembers what went into its last call."""

    def __init__(self, emulator: Emulator) -> None:
        self.emulator = emulator
        self.inputs_heard: Mapping[str, npt.NDArray[Any]] = {}

    @property
    def runtime(self) -> str:
        return self.emulator.runtime

    @property
    def inputs(self) -> Mapping[str, Tensor]:
        return self.emulator.inputs

    @property
    def outputs(self) -> Mapping[str, Tensor]:
        return self.emulator.outputs

    @property
    def states(self) -> Mapping[str, Tensor]:
        return self.emulator.states

    def run(self, inputs: Mapping[str, npt.NDArray[Any]]) -> Arrays:
        self.inputs_heard = dict(inputs)
        return self.emulator.run(inputs)

    def reset(self) -> None:
        self.emulator.reset()

    def close(self) -> None:
        self.emulator.close()

    def read_state(self, name: str) -> npt.NDArray[Any]:
        return self.emulator.read_state(name)

    def write_state(self, name: str, value: npt.NDArray[Any], /) -> None:
        self.emulator.write_state(name, value)
