"""Inside the evaluation worker: play one model over a dataset, time its calls, or locate its drift.

A model file comes from a stranger and its runtime may crash, so each runs in a process of its own (`packager.workers`).
Windows and reference outputs are memory-mapped; of a clip only its own windows are held.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from device_profiles.record import Record
from evaluators.binding import Listener, bind
from evaluators.curves import draw_curves
from evaluators.datasets import Clip, load_dataset
from evaluators.emulators import open_model
from evaluators.evaluation import Basis, ClipScores, OutputParity, Score
from evaluators.parity import ParityMeter
from evaluators.task import Task, load_task
from evaluators.windows import stitch
from packager.bundle import AudioContract
from packager.model import OutputSpec

Window = npt.NDArray[np.float32]
Play = Callable[[int, Window, bool], Mapping[str, npt.NDArray[Any]]]
"""`play(index, window, starts)` → outputs by the recipe's names, without the batch; `starts` where a clip does"""

WARMUP_CALLS = 5
MAX_CALLS = 100
MAX_TIMING_S = 10.0
MAX_ABS_ERROR = "max_abs_error"


class TrialRequest(Record):
    """What to play on what."""

    model: str | None
    """the model file; none plays the stored reference itself"""
    audio: AudioContract
    outputs: dict[str, OutputSpec]
    state: dict[str, str] = {}
    """state input → the output it is fed from"""
    dataset: str
    task: str
    windows: str
    """`.npy`, float32 (windows, channels, window_samples)"""
    spans: tuple[tuple[int, int, int], ...]
    """for each clip: first window, number of windows, number of samples"""
    reference: str
    """folder of the source model's outputs"""
    threads: int = 1


class DriftRequest(Record):
    """Which programs to compare on which window."""

    reference: str
    reference_name: str
    candidate: str
    audio: AudioContract
    state: dict[str, str] = {}
    windows: str
    window: int


class TrialResult(Record):
    """What a play found."""

    runtime: str
    parity: tuple[OutputParity, ...]
    clips: tuple[ClipScores, ...]
    worst_window: int
    """index of the window with the largest absolute error of any output"""
    notices: tuple[str, ...]


class TimingResult(Record):
    """What timed calls found."""

    threads: int
    samples_ns: tuple[int, ...]
    peak_memory_bytes: int


class TrialEvent(Record):
    """What a worker says of a trial."""

    clip: str | None = None
    """the clip that was played"""
    result: dict[str, Any] | None = None
    """at the end"""


class _WorstWindow:
    def __init__(self) -> None:
        self.index = 0
        self._error = -1.0

    def add(self, index: int, reference: npt.NDArray[Any], estimate: npt.NDArray[Any]) -> float:
        error = float(np.abs(reference - estimate).max())
        if error > self._error:
            self.index, self._error = index, error
        return error


def play(request: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Play a dataset; yields `{"clip": id}` after each clip and `{"result": …}` at the end."""
    parsed = TrialRequest.model_validate(request, strict=False)
    task = load_task(parsed.task)
    dataset = load_dataset(Path(parsed.dataset), audio=parsed.audio, task=task)
    reference = {name: np.load(Path(parsed.reference) / f"{name}.npy", mmap_mode="r") for name in parsed.outputs}
    runtime, notices, call = _open(parsed, reference)
    windows = np.load(parsed.windows, mmap_mode="r")
    meter, worst, clips = ParityMeter(), _WorstWindow(), []
    for clip, span in zip(dataset.clips, parsed.spans, strict=True):
        outputs = _play_clip(call, windows, span)
        errors = [0.0]
        for index in range(span[1]) if parsed.model else ():
            for name, values in outputs.items():
                meter.add(name, reference[name][span[0] + index], values[index], clip=clip.id)
                errors.append(worst.add(span[0] + index, reference[name][span[0] + index], values[index]))
        scored = _score(clip, outputs, parsed, task, span[2])
        clips.append(_add_error(scored, max(errors)) if parsed.model else scored)
        yield {"clip": clip.id}
    result = TrialResult(
        runtime=runtime, parity=meter.results(), clips=tuple(clips), worst_window=worst.index, notices=notices
    )
    yield {"result": result.model_dump(mode="json")}


def _open(parsed: TrialRequest, reference: Mapping[str, npt.NDArray[Any]]) -> tuple[str, tuple[str, ...], Play]:
    if parsed.model is None:
        return "source", (), lambda index, *_: {name: values[index] for name, values in reference.items()}
    emulator = open_model(Path(parsed.model), threads=parsed.threads)
    binding = bind(emulator, parsed.audio, parsed.outputs, parsed.state)
    listener = Listener(emulator, binding)

    def hear(_: int, window: Window, starts: bool) -> Mapping[str, npt.NDArray[Any]]:
        if starts:
            listener.reset()
        return listener.hear(window)

    return emulator.runtime, binding.notices, hear


def _play_clip(call: Play, windows: npt.NDArray[Any], span: tuple[int, int, int]) -> dict[str, npt.NDArray[Any]]:
    first, count, _ = span
    each = [call(index, np.array(windows[index]), index == first) for index in range(first, first + count)]
    return {name: np.stack([outputs[name] for outputs in each]) for name in each[0]}


def _score(
    clip: Clip, outputs: Mapping[str, npt.NDArray[Any]], parsed: TrialRequest, task: Task, n_samples: int
) -> ClipScores:
    stitched = {name: stitch(values, parsed.audio, n_samples) for name, values in outputs.items()}
    estimate = task.decode(stitched)
    basis: Basis = "emulated" if parsed.model else "measured_host"  # the source runs here as it does anywhere
    return ClipScores(
        clip=clip.id,
        scores=task.score(clip.labels, estimate, basis=basis),
        notes=task.notes(estimate),
        curves=draw_curves(stitched, parsed.outputs),
    )


def _add_error(clip: ClipScores, error: float) -> ClipScores:
    """The clip with how far its outputs lie from the source model's: what ranks clips where a task has no metric."""
    if not np.isfinite(error):  # told once, by the parity of the whole dataset
        return clip
    score = Score(value=error, unit="dimensionless", direction="lower", basis="emulated")
    return clip.model_copy(update={"scores": {**clip.scores, MAX_ABS_ERROR: score}})


def time_calls(request: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Time single calls on the dataset's first window; yields one `{"result": …}`.

    Calls before `WARMUP_CALLS` are not counted; then up to `MAX_CALLS` calls or `MAX_TIMING_S`, whichever ends first.
    """
    parsed = TrialRequest.model_validate(request, strict=False)
    assert parsed.model is not None
    window = np.array(np.load(parsed.windows, mmap_mode="r")[0])
    open_model(Path(parsed.model), threads=parsed.threads)  # the runtime's own libraries are not the model's memory
    before = _reset_peak_memory()
    emulator = open_model(Path(parsed.model), threads=parsed.threads)
    binding = bind(emulator, parsed.audio, parsed.outputs, parsed.state)
    for _ in range(WARMUP_CALLS):
        binding.call(emulator, window)
    samples: list[int] = []
    end = time.perf_counter() + MAX_TIMING_S
    while len(samples) < MAX_CALLS and time.perf_counter() < end:
        start = time.perf_counter_ns()
        binding.call(emulator, window)
        samples.append(time.perf_counter_ns() - start)
    peak = max(_peak_memory() - before, 0)
    result = TimingResult(threads=parsed.threads, samples_ns=tuple(samples), peak_memory_bytes=peak)
    yield {"result": result.model_dump(mode="json")}


def find_drift(request: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Locate where `candidate` departs from `reference`; yields one `{"result": …}`."""
    from evaluators.drift import locate_drift

    parsed = DriftRequest.model_validate(request, strict=False)
    binding = bind(open_model(Path(parsed.candidate)), parsed.audio, {}, parsed.state)
    window = np.array(np.load(parsed.windows, mmap_mode="r")[parsed.window])
    drift = locate_drift(Path(parsed.reference), Path(parsed.candidate), [binding.shape_inputs(window)])
    yield {"result": drift.model_copy(update={"reference": parsed.reference_name}).model_dump(mode="json")}


def _reset_peak_memory() -> int:
    """Resident bytes now; where the system lets it, the peak counts from here on."""
    if sys.platform == "linux":
        Path("/proc/self/clear_refs").write_text("5")
        return _status_bytes("VmRSS")
    return _peak_memory()


def _peak_memory() -> int:
    if sys.platform == "linux":
        return _status_bytes("VmHWM")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _status_bytes(field: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"/proc/self/status has no {field}")
