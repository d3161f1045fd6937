"""What came of minutes of audio through one bundle, call after call, as `evaluation.json` holds it."""

from __future__ import annotations

from typing import Annotated, Literal

import pydantic

from device_profiles.record import Record
from evaluators.picture_records import NotNegative
from evaluators.score import Score
from packager.bounds import Count, PositiveCount, check_unique

MOST_STRETCHES = 400
MOST_CHUNKS = 16
MOST_MINUTES = 30.0

_Words = Annotated[str, pydantic.Field(min_length=1, max_length=2000)]
_Minutes = Annotated[float, pydantic.Field(ge=0.25, le=MOST_MINUTES)]
_ChunkMs = Annotated[float, pydantic.Field(ge=0.1, le=10_000)]
_ChunkSamples = Annotated[int, pydantic.Field(ge=1, le=1_000_000)]


class LongRunSpec(Record):
    """The recipe's [long_run] section: minutes of audio through every bundle, its states carried all the time."""

    minutes: _Minutes = 5.0
    """how long the audio lasts, its silence included"""
    silence_s: Annotated[float, pydantic.Field(ge=0, le=600)] = 10.0
    """digital silence in its middle"""
    chunks_ms: Annotated[tuple[_ChunkMs, ...], pydantic.Field(max_length=MOST_CHUNKS)] = (10.0, 20.0)
    """in which pieces an app's microphone hands the audio over, in milliseconds"""
    chunks_samples: Annotated[tuple[_ChunkSamples, ...], pydantic.Field(max_length=MOST_CHUNKS)] = (4096,)
    """the same in samples"""

    @pydantic.model_validator(mode="after")
    def _leaves_audio(self) -> LongRunSpec:
        if self.silence_s > self.minutes * 60 / 2:
            raise ValueError(
                f"silence_s {self.silence_s:g} leaves less than half of {self.minutes:g} minutes for audio; "
                f"right is {self.minutes * 30:g} at most"
            )
        return self


class StreamPlan(Record):
    """What is heard: a round of clips, silence, and the same round again; all in whole windows.

    Windows beyond the second round, which an overlap needs, are played and not compared.
    """

    round_windows: PositiveCount
    """of each of the two rounds; a whole number of stretches"""
    silent_windows: Count
    """between them; a whole number of stretches"""
    stretch_windows: PositiveCount
    """of which one error is told"""
    stretch_s: NotNegative
    clips: Count
    """clips joined to a round; one that is heard again counts again"""

    @property
    def count(self) -> int:
        """Stretches of all."""
        return (2 * self.round_windows + self.silent_windows) // self.stretch_windows

    @property
    def round_stretches(self) -> int:
        """Stretches of a round."""
        return self.round_windows // self.stretch_windows

    @property
    def second(self) -> int:
        """The stretch with which the second round starts."""
        return (self.round_windows + self.silent_windows) // self.stretch_windows

    @property
    def duration_s(self) -> float:
        """How long all of it lasts."""
        return self.count * self.stretch_s


GrowthVerdict = Literal["does not grow", "grows", "unknown"]


class OutputOverTime(Record):
    """One output's departure from the source model's over a long run."""

    output: str
    snr: Score
    """over all of it"""
    growth: Score
    """dB a minute by which the error grows: the same audio in the second round against the first"""
    verdict: GrowthVerdict
    snr_db: Annotated[tuple[float | None, ...], pydantic.Field(max_length=MOST_STRETCHES)]
    """of each stretch: the mean power of the source model's output over the whole run against the error's in the
    stretch, `MOST_DB` at most; none where a value is not finite"""


class AfterSilence(Record):
    """What became of source and bundle after the digital silence."""

    silence_s: NotNegative
    back_after_s: NotNegative | None = None
    """seconds of sound after the silence until every output is as near to the source model's as it was before; none
    where it never is"""
    loss: Score
    """dB that the first seconds after the silence are farther from the source model than the same audio at the start"""
    source_stuck: str | None = None
    """how the source model's own outputs hang after it; none where they do not"""
    stuck: str | None = None
    """the same of the bundle's outputs and states"""
    subnormal_share: Annotated[float, pydantic.Field(ge=0, le=1)] = 0.0
    """of the values that the bundle carries at the silence's end: numbers so small that many processors are slow"""

    @property
    def holds(self) -> bool:
        """Whether the bundle comes back, or its source does not either."""
        return self.source_stuck is not None or (self.stuck is None and self.back_after_s is not None)


class Repeat(Record):
    """The start of the run played anew in another way, which must give the same bits."""

    name: _Words
    """what is otherwise, for example "reset" or "chunks of 160 samples\""""
    windows: Count
    max_abs_error: NotNegative | None
    """the largest difference; 0 where all bits are the same, none where a value is not finite"""
    reason: str | None = None
    """what went wrong, where it could not be played so"""

    @property
    def holds(self) -> bool:
        """Whether all bits are the same."""
        return self.max_abs_error == 0


class OtherLength(Record):
    """Calls of another length than the window, of a bundle whose input length is not fixed."""

    samples: PositiveCount
    """of one call"""
    snr: Score
    """of the worst output, against the same audio in calls of one window"""
    reason: str | None = None
    """why there is no number"""


class DecisionDelay(Record):
    """How much later the bundle's decisions come than the source model's on the same audio."""

    median: Score
    """ms; below 0 where they come earlier"""
    worst: Score
    """ms of the decision that is latest"""
    frame_ms: NotNegative
    """from one of the model's frames to the next"""
    matched: Count
    """decisions that both make"""
    source_alone: Count
    bundle_alone: Count


class LongRun(Record):
    """What came of a long run of one bundle, on its row's own target."""

    problem: str | None = None
    """why there is nothing"""
    log: str | None = None
    """of what failed, relative to the output folder"""
    plan: StreamPlan | None = None
    outputs: tuple[OutputOverTime, ...] = ()
    silence: AfterSilence | None = None
    repeats: Annotated[tuple[Repeat, ...], pydantic.Field(max_length=2 * MOST_CHUNKS + 2)] = ()
    lengths: tuple[OtherLength, ...] = ()
    decisions: DecisionDelay | None = None
    decisions_reason: str | None = None
    """why no decisions are compared, where the task makes none or they cannot be"""
    algorithmic_latency_ms: NotNegative | None = None
    """by window and hop: the longest that a sample waits until the call that its result is kept of can begin"""

    @pydantic.model_validator(mode="after")
    def _coherent(self) -> LongRun:
        check_unique((one.output for one in self.outputs), "output of the long run")
        if self.problem is None and self.plan is None:
            raise ValueError("a long run has a plan, or a problem")
        if self.plan is not None:
            if self.plan.count > MOST_STRETCHES:
                raise ValueError(f"a long run has {self.plan.count} stretches; right are {MOST_STRETCHES} at most")
            for one in self.outputs:
                if len(one.snr_db) != self.plan.count:
                    raise ValueError(
                        f"output {one.output[:100]!r} has {len(one.snr_db)} stretches, the plan {self.plan.count}"
                    )
        return self
