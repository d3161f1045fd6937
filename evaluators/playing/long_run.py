"""Inside the evaluation worker: minutes of audio through one model, then its start again in other ways.

What the source model gave for the same audio is stored already (`packager/proving/reference.py`). The bundle hears all
of it once; then it is reset and hears the start again: as it was, and in pieces as a microphone hands them over.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from device_profiles.record import Record
from evaluators.chunking import stream_windows
from evaluators.comparing.decision_delays import Delays, list_decisions, match_decisions
from evaluators.comparing.over_time import OutputMeter, look_after_silence
from evaluators.datasets.long_stream import find_algorithmic_latency_ms
from evaluators.datasets.outputs import combine_outputs
from evaluators.errors import EvaluationError
from evaluators.long_run_records import AfterSilence, DecisionDelay, LongRun, OtherLength, Repeat, StreamPlan
from evaluators.playing.binding import WindowRunner, bind
from evaluators.playing.other_lengths import LengthTrial
from evaluators.score import Score
from evaluators.target_records import Target
from evaluators.targets import open_model
from evaluators.task import Task
from evaluators.task_loading import TaskReference, open_task
from evaluators.windows import Samples, uncut
from packager.bundle import AudioContract
from packager.frontends.opening import FrontendSource, open_frontend
from packager.model import OutputSpec
from packager.stitching import find_lead_in

RESTART_S = 10.0
"""of the run's start are heard again"""
_FEWEST = 8
Outputs = Mapping[str, npt.NDArray[Any]]


class LongRunRequest(Record):
    """What to play on what."""

    model: str
    audio: AudioContract
    outputs: dict[str, OutputSpec]
    state: dict[str, str] = {}
    frontend: FrontendSource | None = None
    task: TaskReference
    windows: str
    """`.npy`, float32 (windows, channels, window_samples): the stream"""
    samples: int
    """of the stream"""
    plan: StreamPlan
    chunks: tuple[int, ...]
    """samples of the pieces in which the start is heard again"""
    lengths: tuple[int, ...] = ()
    """samples of one call, of a model whose input length is not fixed"""
    reference: str
    """folder of the source model's outputs"""
    target: Target | None = None


def play_long(request: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Play the stream; yields one `{"result": …}`, a `LongRun`."""
    parsed = LongRunRequest.model_validate(request, strict=False)
    task = open_task(parsed.task)
    run = _Run(parsed, task)
    run.hear_all()
    decisions, reason = run.compare_decisions()
    result = LongRun(
        plan=parsed.plan,
        outputs=tuple(meter.result() for meter in run.meters.values()),
        silence=run.look_after_silence(),
        repeats=tuple(run.repeat_start()),
        lengths=tuple(run.try_lengths()),
        decisions=decisions,
        decisions_reason=reason,
        algorithmic_latency_ms=find_algorithmic_latency_ms(parsed.audio),
    )
    yield {"result": result.model_dump(mode="json")}


class _Run:
    """One model and its stream."""

    def __init__(self, parsed: LongRunRequest, task: Task) -> None:
        self._parsed, self._task, self._plan = parsed, task, parsed.plan
        emulator = open_model(Path(parsed.model), parsed.target)
        frontend = None if parsed.frontend is None else open_frontend(parsed.frontend, parsed.audio)
        binding = bind(emulator, parsed.audio, parsed.outputs, parsed.state, frontend)
        self._lengths = LengthTrial(emulator, (parsed.audio, frontend), parsed.state)
        self._runner = WindowRunner(emulator, binding)
        self._windows = np.load(parsed.windows, mmap_mode="r")
        self._reference = {
            name: np.load(Path(parsed.reference) / f"{name}.npy", mmap_mode="r") for name in parsed.outputs
        }
        self.meters = {name: OutputMeter(name, parsed.plan) for name in parsed.outputs}
        wanted = round(RESTART_S * parsed.audio.sample_rate_hz / parsed.audio.hop_samples)
        self._restart = min(max(wanted, _FEWEST), parsed.plan.round_windows)
        self._start: list[Outputs] = []
        self._decided: dict[str, list[npt.NDArray[Any]]] = {name: [] for name in task.required_outputs}
        self._subnormal_share = 0.0
        self._strange_state: str | None = None

    def hear_all(self) -> None:
        """The whole stream, from a reset on."""
        plan, ends = self._plan, self._plan.round_windows + self._plan.silent_windows
        self._runner.reset()
        for index, window in enumerate(self._windows):
            outputs = self._runner.run_window(np.array(window))
            for name, meter in self.meters.items():
                meter.add(index, self._reference[name][index], outputs[name])
            if index < self._restart:
                self._start.append(outputs)
            for name, kept in self._decided.items():
                kept.append(outputs[name])
            if index + 1 == ends and plan.silent_windows:
                self._subnormal_share = find_subnormal_share(self._runner.read_states())
        self._strange_state = find_strange_state(self._runner.read_states())

    def look_after_silence(self) -> AfterSilence | None:
        """What became of it after the silence; none where there was no silence."""
        if not self._plan.silent_windows:
            return None
        found = look_after_silence(tuple(self.meters.values()), self._plan, self._subnormal_share)
        return found.model_copy(update={"stuck": found.stuck or self._strange_state})

    def repeat_start(self) -> Iterator[Repeat]:
        """The start again: after a reset, and in pieces."""
        yield self._repeat("after a reset", np.array(self._windows[: self._restart]))
        heard = self._read_start()
        for chunk in self._parsed.chunks:
            yield self._repeat(f"in pieces of {chunk} samples", stream_windows(heard, chunk, self._parsed.audio))

    def try_lengths(self) -> Iterator[OtherLength]:
        """The start again, in calls of other lengths."""
        heard = self._read_start()
        for samples in self._parsed.lengths:
            yield self._lengths.play(samples, heard, self._parsed.outputs, self._start)

    def _read_start(self) -> Samples:
        audio = self._parsed.audio
        length = (self._restart - 1) * audio.hop_samples + audio.window_samples - find_lead_in(audio)
        return uncut(np.array(self._windows[: self._restart]), audio, length)

    def _repeat(self, name: str, windows: Iterable[npt.NDArray[np.float32]]) -> Repeat:
        self._runner.reset()
        played = [self._runner.run_window(window) for window, _ in zip(windows, self._start, strict=False)]
        if len(played) != len(self._start):
            reason = f"{len(played)} windows became full, and not {len(self._start)}"
            return Repeat(name=name, windows=len(played), max_abs_error=None, reason=reason)
        distance = max(
            (
                find_distance(one[key], again[key])
                for one, again in zip(self._start, played, strict=True)
                for key in self.meters
            ),
            default=0.0,
        )
        if not np.isfinite(distance):
            return Repeat(name=name, windows=len(played), max_abs_error=None, reason="a value is not finite")
        return Repeat(name=name, windows=len(played), max_abs_error=distance)

    def compare_decisions(self) -> tuple[DecisionDelay | None, str | None]:
        """How much later the bundle decides, or why nothing is compared."""
        task, parsed = self._task, self._parsed
        if not task.required_outputs:
            return None, f"the task {task.kind} makes no decisions"
        try:
            source = self._combine({name: np.asarray(self._reference[name]) for name in task.required_outputs})
            bundle = self._combine({name: np.stack(kept) for name, kept in self._decided.items()})
            drawn = [list_decisions(task.draw(task.decode(outputs))) for outputs in (source, bundle)]
        except EvaluationError as fault:
            return None, f"the outputs cannot be decoded: {fault}"[:2000]
        first, second = drawn
        if first is None or second is None:
            return None, f"the task {parsed.task.kind} makes no decisions at a time"
        times_s = next(iter(source.values())).times_s
        frame_ms = 1000 * float(np.median(np.diff(times_s))) if len(times_s) > 1 else 0.0
        return describe_delays(match_decisions(first, second), frame_ms), None

    def _combine(self, outputs: Outputs) -> dict[str, Any]:
        parsed, required = self._parsed, self._task.required_outputs
        specs = {name: parsed.outputs[name] for name in required}
        found, _ = combine_outputs(outputs, specs, parsed.audio, parsed.samples, required=required)
        return found


def describe_delays(found: Delays, frame_ms: float) -> DecisionDelay:
    """What came of a match, as numbers of an evaluation.

    Args:
        found: The match.
        frame_ms: From one frame to the next.
    """
    delays_ms = 1000 * found.delays_s
    reason = "no decision was made by both"
    # Times are sums of frames; what is left of rounding is no delay.
    median, worst = (
        (round(float(np.median(delays_ms)), 6), round(float(delays_ms.max()), 6)) if len(delays_ms) else (None, None)
    )

    def score(value: float | None) -> Score:
        return Score(
            value=value, unit="ms", direction="lower", basis="emulated", reason=None if value is not None else reason
        )

    return DecisionDelay(
        median=score(median),
        worst=score(worst),
        frame_ms=frame_ms,
        matched=len(delays_ms),
        source_alone=found.reference_alone,
        bundle_alone=found.estimate_alone,
    )


def find_distance(one: npt.NDArray[Any], other: npt.NDArray[Any]) -> float:
    """The largest difference; 0 where all bits are the same, infinite where others differ in no finite number."""
    if one.tobytes() == other.tobytes():
        return 0.0
    with np.errstate(all="ignore"):
        distance = float(np.max(np.abs(np.subtract(one, other, dtype=np.float64))))
    return distance if distance > 0 else float("inf")


def find_subnormal_share(states: Outputs) -> float:
    """Of all values, the share that is not 0 and smaller than the smallest normal number of its type."""
    floats = [value for value in states.values() if np.issubdtype(value.dtype, np.floating)]
    total = sum(value.size for value in floats)
    small = sum(int(np.sum((value != 0) & (np.abs(value) < np.finfo(value.dtype).tiny))) for value in floats)
    return small / total if total else 0.0


def find_strange_state(states: Outputs) -> str | None:
    """The first state that holds what is not finite, in words."""
    for name, value in states.items():
        if np.issubdtype(value.dtype, np.floating) and not np.isfinite(value).all():
            return f"state {name} is not finite"
    return None
