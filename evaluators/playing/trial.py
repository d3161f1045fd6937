"""Inside the evaluation worker: play one model over a dataset, time its calls, or locate its drift.

A model file comes from a stranger and its runtime may crash, so each runs in a process of its own (`packager.jobs`).
Windows and reference outputs are memory-mapped; of a clip only its own windows are held.
"""

from __future__ import annotations

import functools
import resource
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from device_profiles.record import Record
from evaluators.chart_records import Charts, store_charts
from evaluators.comparing.agreement import Agreement
from evaluators.comparing.dataset_scores import DatasetScore, score_dataset
from evaluators.datasets.outputs import combine_outputs
from evaluators.datasets.prepared import read_prepared
from evaluators.environment import describe_machine
from evaluators.errors import EvaluationError
from evaluators.evaluation import MAX_ABS_ERROR, ClipScores
from evaluators.formats import reader_of
from evaluators.parity import ParityMeter
from evaluators.picture_records import store_pictures
from evaluators.pictures.curves import draw_curves
from evaluators.playing.binding import WindowRunner, bind
from evaluators.score import Basis, Score
from evaluators.target_records import OutputParity, Refusal, Target
from evaluators.targets import find_refusal, open_model
from evaluators.task import SideBySide, Task, make_scores
from evaluators.task_loading import TaskReference, open_task
from evaluators.windows import Stitched
from packager.bundle import AudioContract
from packager.frontends.opening import Frontend, FrontendSource, open_frontend
from packager.model import OutputSpec

Window = npt.NDArray[np.float32]
Play = Callable[[int, Window, bool], Mapping[str, npt.NDArray[Any]]]
"""`play(index, window, starts)` → outputs by the recipe's names, without the batch; `starts` where a clip does"""

Verb = Callable[[dict[str, Any]], Iterator[dict[str, Any]]]

WARMUP_CALLS = 5
MAX_CALLS = 100
MAX_TIMING_S = 10.0


class TrialRequest(Record):
    """What to play on what."""

    model: str | None
    """the model file; none plays the stored reference itself"""
    audio: AudioContract
    outputs: dict[str, OutputSpec]
    state: dict[str, str] = {}
    """state input → the output it is fed from"""
    frontend: FrontendSource | None = None
    """what computes features of audio, for models that take them"""
    dataset: str
    """the file that holds the prepared dataset"""
    task: TaskReference
    folder: str
    """where the clips' label files lie"""
    windows: str
    """`.npy`, float32 (windows, channels, window_samples)"""
    reference: str
    """folder of the source model's outputs"""
    threads: int = 1
    target: Target | None = None
    """where it is played; none plays it where bulk numbers of its format are made"""
    draws: bool = True
    """whether curves, pictures and charts are made"""


class DriftRequest(Record):
    """Which programs to compare on which window."""

    reference: str
    reference_name: str
    candidate: str
    audio: AudioContract
    state: dict[str, str] = {}
    frontend: FrontendSource | None = None
    windows: str
    window: int


class TrialResult(Record):
    """What a play found."""

    runtime: str
    parity: tuple[OutputParity, ...]
    clips: tuple[ClipScores, ...]
    dataset_scores: dict[str, DatasetScore] = {}
    """the task's metrics of scope "dataset" """
    charts: Charts | None = None
    """what the task wants drawn of all clips at once"""
    worst_window: int
    """index of the window with the largest absolute error of any output"""
    notices: tuple[str, ...]


class TimingResult(Record):
    """What timed calls found."""

    threads: int
    samples_ns: tuple[int, ...]
    peak_memory_bytes: int
    machine: str
    """where it was timed"""


class TrialEvent(Record):
    """What a worker says of a trial."""

    clip: str | None = None
    """the clip that was played"""
    result: dict[str, Any] | None = None
    """at the end"""
    refusal: Refusal | None = None
    """what the target cannot do, before the reason why there is no result"""


Combined = tuple[dict[str, Stitched], tuple[str, ...]]


class _WorstWindow:
    def __init__(self) -> None:
        self.index = 0
        self._error = -1.0

    def add(self, index: int, reference: npt.NDArray[Any], estimate: npt.NDArray[Any]) -> float:
        error = float(np.abs(reference - estimate).max())
        if error > self._error:
            self.index, self._error = index, error
        return error


def _tells_refusals(verb: Verb) -> Verb:
    """The verb, which says as data what its target cannot do, before it fails for that."""

    @functools.wraps(verb)
    def telling(request: dict[str, Any]) -> Iterator[dict[str, Any]]:
        try:
            yield from verb(request)
        except EvaluationError as fault:
            refusal = find_refusal(fault, TrialRequest.model_validate(request, strict=False).target)
            if refusal is not None:
                yield {"refusal": refusal.model_dump(mode="json")}
            raise

    return telling


@_tells_refusals
def play(request: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Play a dataset; yields `{"clip": id}` after each clip and `{"result": …}` at the end."""
    parsed = TrialRequest.model_validate(request, strict=False)
    task = open_task(parsed.task)
    dataset = read_prepared(Path(parsed.dataset))
    labels = dataset.parse_labels(task, Path(parsed.folder))
    reference = {name: np.load(Path(parsed.reference) / f"{name}.npy", mmap_mode="r") for name in parsed.outputs}
    runtime, notices, call = open_player(parsed, reference)
    windows = np.load(parsed.windows, mmap_mode="r")
    meter, worst, tally = ParityMeter(), _WorstWindow(), _Tally(parsed, task)
    for info, label, span in zip(dataset.info.clips, labels, dataset.spans, strict=True):
        outputs = play_clip(call, windows, span)
        errors = [0.0]
        for index in range(span[1]) if parsed.model else ():
            for name, values in outputs.items():
                meter.add(name, reference[name][span[0] + index], values[index], clip=info.clip)
                errors.append(worst.add(span[0] + index, reference[name][span[0] + index], values[index]))
        clip = Labelled(info.clip, label, span[2], info.duration_s)
        theirs = {name: values[span[0] : sum(span[:2])] for name, values in reference.items()} if parsed.model else None
        tally.add(clip, outputs, theirs, max(errors))
        yield {"clip": info.clip}
    result = TrialResult(
        runtime=runtime,
        parity=meter.results(),
        clips=tuple(tally.clips),
        dataset_scores=tally.score_dataset(),
        charts=tally.draw_dataset(),
        worst_window=worst.index,
        notices=(*notices, *tally.faults),
    )
    yield {"result": result.model_dump(mode="json")}


@dataclass(frozen=True)
class Labelled:
    """A clip as it is scored: its labels are the task's own."""

    clip: str
    labels: Any
    n_samples: int
    duration_s: float


class _Tally:
    """What the task makes of the clips, one after another, and of all at once."""

    def __init__(self, parsed: TrialRequest, task: Task) -> None:
        self.clips: list[ClipScores] = []
        self.faults: tuple[str, ...] = ()
        """why outputs that the task does not read could not be put together"""
        self._parsed, self._task = parsed, task
        # The source runs here as it does anywhere.
        self._basis: Basis = "emulated" if parsed.model else "measured_host"
        self._pairs: list[tuple[Any, Any]] = []
        self._agreement, self._beside = Agreement(task), list[tuple[Any, Any]]()

    def add(
        self,
        clip: Labelled,
        outputs: Mapping[str, npt.NDArray[Any]],
        source: Mapping[str, npt.NDArray[Any]] | None,
        error: float,
    ) -> None:
        """Score a clip.

        Args:
            clip: Which.
            outputs: What the model gave, `(windows, …)` by name.
            source: What the source model gave; none where it is the source model that plays.
            error: How far the outputs lie from the source model's.
        """
        task = self._task
        stitched, self.faults = self._combine(clip, outputs)
        try:
            estimate = task.decode(stitched)
            scores = make_scores(task, task.score(clip.labels, estimate), "clip", basis=self._basis)
        except EvaluationError as fault:
            raise EvaluationError(f"clip {clip.clip}: {fault}") from None
        if source is not None:
            scores |= self._agree(clip, source, estimate)
        if source is not None and np.isfinite(error):  # what is not is told once, by the parity of the whole dataset
            scores[MAX_ABS_ERROR] = Score(value=error, unit="dimensionless", direction="lower", basis="emulated")
        drawn = self._draw(stitched, estimate) if self._parsed.draws else {}
        self.clips.append(ClipScores(clip=clip.clip, scores=scores, **drawn))
        if task.names_of_scope("dataset") or type(task).draw_dataset is not Task.draw_dataset:
            self._pairs.append((clip.labels, estimate))

    def _draw(self, stitched: Mapping[str, Stitched], estimate: Any) -> dict[str, Any]:
        curves = draw_curves(stitched, self._parsed.outputs)
        return {"curves": curves, "pictures": store_pictures(self._task.draw(estimate))}

    def _combine(self, clip: Labelled, outputs: Mapping[str, npt.NDArray[Any]]) -> Combined:
        parsed, required = self._parsed, self._task.required_outputs
        return combine_outputs(outputs, parsed.outputs, parsed.audio, clip.n_samples, required=required)

    def _agree(self, clip: Labelled, source: Mapping[str, npt.NDArray[Any]], estimate: Any) -> dict[str, Score]:
        """Hold a clip's estimate against the source model's."""
        task, agreement = self._task, self._agreement
        if not agreement.metrics:
            return {}
        theirs = task.decode(self._combine(clip, source)[0])
        beside = SideBySide(theirs, estimate, clip.labels, clip.duration_s)
        if agreement.names_of_scope("dataset"):
            self._beside.append((beside, estimate))
        return make_scores(agreement, agreement.score(beside, estimate), "clip", basis=self._basis)

    def score_dataset(self) -> dict[str, DatasetScore]:
        """The metrics of scope "dataset", and of a bundle the agreements."""
        groups = [self._task.group(labels) for labels, _ in self._pairs]
        found = score_dataset(self._task, self._pairs, groups, basis=self._basis)
        if self._beside:
            groups = [self._task.group(beside.labels) for beside, _ in self._beside]
            found |= score_dataset(self._agreement, self._beside, groups, basis=self._basis)
        return found

    def draw_dataset(self) -> Charts | None:
        """What the task wants drawn of all clips."""
        return store_charts(self._task.draw_dataset(self._pairs)) if self._pairs and self._parsed.draws else None


def open_player(parsed: TrialRequest, reference: Mapping[str, npt.NDArray[Any]]) -> tuple[str, tuple[str, ...], Play]:
    """What plays a request's model: how its runtime is called, what is to be told of it, and the call."""
    if parsed.model is None:
        return "source", (), lambda index, *_: {name: values[index] for name, values in reference.items()}
    emulator = open_model(Path(parsed.model), parsed.target, threads=parsed.threads)
    binding = bind(emulator, parsed.audio, parsed.outputs, parsed.state, _open_frontend(parsed))
    runner = WindowRunner(emulator, binding)

    def run(_: int, window: Window, starts: bool) -> Mapping[str, npt.NDArray[Any]]:
        if starts:
            runner.reset()
        return runner.run_window(window)

    return emulator.runtime, binding.notices, run


def _open_frontend(parsed: TrialRequest | DriftRequest) -> Frontend | None:
    return None if parsed.frontend is None else open_frontend(parsed.frontend, parsed.audio)


def play_clip(call: Play, windows: npt.NDArray[Any], span: tuple[int, int, int]) -> dict[str, npt.NDArray[Any]]:
    """A clip's outputs by name, `(windows, …)`, in the order of its windows."""
    first, count, _ = span
    each = [call(index, np.array(windows[index]), index == first) for index in range(first, first + count)]
    return {name: np.stack([outputs[name] for outputs in each]) for name in each[0]}


@_tells_refusals
def time_calls(request: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Time single calls on the dataset's first window; yields one `{"result": …}`.

    Calls before `WARMUP_CALLS` are not counted; then up to `MAX_CALLS` calls or `MAX_TIMING_S`, whichever ends first.
    """
    parsed = TrialRequest.model_validate(request, strict=False)
    assert parsed.model is not None
    window = np.array(np.load(parsed.windows, mmap_mode="r")[0])
    open_model(
        Path(parsed.model), parsed.target, threads=parsed.threads
    )  # the runtime's own libraries are not the model's memory
    before = _reset_peak_memory()
    emulator = open_model(Path(parsed.model), parsed.target, threads=parsed.threads)
    binding = bind(emulator, parsed.audio, parsed.outputs, parsed.state, _open_frontend(parsed))
    inputs = binding.shape_inputs(window)  # a front end's time is the app's, not the model's
    for _ in range(WARMUP_CALLS):
        binding.call(emulator, inputs)
    samples: list[int] = []
    end = time.perf_counter() + MAX_TIMING_S
    while len(samples) < MAX_CALLS and time.perf_counter() < end:
        start = time.perf_counter_ns()
        binding.call(emulator, inputs)
        samples.append(time.perf_counter_ns() - start)
    peak = max(_peak_memory() - before, 0)
    result = TimingResult(
        threads=parsed.threads, samples_ns=tuple(samples), peak_memory_bytes=peak, machine=describe_machine()
    )
    yield {"result": result.model_dump(mode="json")}


def find_drift(request: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Locate where `candidate` departs from `reference`; yields one `{"result": …}`."""
    parsed = DriftRequest.model_validate(request, strict=False)
    binding = bind(open_model(Path(parsed.candidate)), parsed.audio, {}, parsed.state, _open_frontend(parsed))
    window = np.array(np.load(parsed.windows, mmap_mode="r")[parsed.window])
    locate_drift = reader_of(Path(parsed.candidate)).locate_drift
    assert locate_drift is not None, "who asks has seen that the format's drift is located"
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
