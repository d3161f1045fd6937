"""The result types: what an evaluation found, as `evaluation.json` holds it.

This file is the only interface between evaluating and reporting. Every number is a `Score`: value, unit, direction and
basis, with an interval where there is one. What could not be measured is a score without a value and with a reason,
never 0 and never NaN.
"""

from __future__ import annotations

import base64
import binascii
import json
from typing import Annotated, Any, Literal

import pydantic
import pydantic.dataclasses

from device_profiles.record import Record
from packager.bounds import MAX_SAMPLE_RATE_HZ, Count, check_unique
from packager.bundle import AudioContract, Floor, Format, ModelIdentity

SCHEMA_VERSION: Literal[2] = 2
"""2 added curves, spectrograms and previews of audio, all optional: files of version 1 are read as they are"""

Basis = Literal["measured_host", "emulated", "predicted", "measured_device"]
"""measured_host: timed or weighed on the machine that evaluated · emulated: computed by running the bundle as the phone
would · predicted: from a cost model · measured_device: on a physical phone"""

Direction = Literal["higher", "lower"]
"""which way is better"""

NotNegative = Annotated[float, pydantic.Field(ge=0)]
Frequency = Annotated[float, pydantic.Field(ge=0, le=MAX_SAMPLE_RATE_HZ)]


class Score(Record):
    """One number, with all that is needed to read it."""

    value: float | None
    unit: str
    """ratio, ms, bytes, db, dimensionless …"""
    direction: Direction
    basis: Basis
    low: float | None = None
    """lower end of the interval"""
    high: float | None = None
    confidence: Annotated[float, pydantic.Field(gt=0, lt=1)] | None = None
    """the interval's coverage, for example 0.95"""
    reason: str | None = None
    """why there is no value"""

    @pydantic.model_validator(mode="after")
    def _complete(self) -> Score:
        if (self.value is None) == (self.reason is None):
            raise ValueError("a score has either a value or the reason why it has none")
        if len({self.low is None, self.high is None, self.confidence is None}) != 1:
            raise ValueError("an interval has low, high and confidence, or none of them")
        if self.low is not None and self.high is not None and self.low > self.high:
            raise ValueError(f"an interval's low end {self.low:g} is above its high end {self.high:g}")
        return self

    @property
    def goodness(self) -> float | None:
        """The value with its sign turned where lower is better, so that more is better."""
        return self.value if self.value is None or self.direction == "higher" else -self.value


@pydantic.dataclasses.dataclass(
    frozen=True, slots=True, kw_only=True, config={"extra": "forbid", "strict": True, "allow_inf_nan": False}
)
class Note:
    """A note event; times in seconds from the clip's start, pitch as a MIDI number, 0 to 127.

    A record in all but its base: an evaluation may hold a million, and a slotted class takes a fifth of the memory.
    """

    onset_s: float
    offset_s: float
    pitch_midi: Annotated[int, pydantic.Field(ge=0, le=127)]


MAX_CURVE_VALUES = 4096
"""more than any figure has pixels"""


class Curve(Record):
    """An output with one value a frame over one clip, thinned to what can be drawn."""

    output: str
    start_s: float
    step_s: NotNegative
    """distance of two values; where frames were thinned, a pair of values is the extremes of those between"""
    values: Annotated[tuple[float | None, ...], pydantic.Field(max_length=MAX_CURVE_VALUES)]
    """none where the output is not a number, for example the pitch of silence"""


class ClipScores(Record):
    """One clip under one variant (or under the source model)."""

    clip: str
    """the clip's identifier in the dataset"""
    scores: dict[str, Score]
    """the task's metrics, and for a variant max_abs_error: the largest of all outputs against the source model's"""
    notes: tuple[Note, ...] | None = None
    """what the model heard, for tasks that find notes"""
    curves: tuple[Curve, ...] = ()
    """of the clips that a report shows with pictures"""

    @pydantic.model_validator(mode="after")
    def _outputs_named_once(self) -> ClipScores:
        check_unique((curve.output for curve in self.curves), "curve of output")
        return self


class OutputParity(Record):
    """How far one output of a variant lies from the source model's, over all windows of the dataset."""

    output: str
    snr_db: Score
    max_abs_error: Score
    cosine: Score


class DriftStep(Record):
    """One op of the candidate program, in program order."""

    op: str
    kind: str
    """the op's type, for example conv or log"""
    error_after: NotNegative
    """largest absolute error left in the outputs when this op and all before it are put right"""


class Drift(Record):
    """Where a variant departs from its reference, found by putting ever longer prefixes of it right."""

    reference: str
    """the variant it was compared with"""
    output_error: NotNegative
    """largest absolute error of the outputs with nothing put right"""
    first_op: str
    """the earliest op at which the departure starts: putting right all up to it removes a tenth of the error"""
    worst_op: str
    """the op that, put right, removes the most"""
    explanation: str
    """one sentence for the reviewer"""
    steps: tuple[DriftStep, ...]


class Timing(Record):
    """Calls of the model, one window each, timed on the evaluating machine."""

    threads: Count
    warmup_calls: Count
    samples_ns: tuple[Count, ...]
    """one entry a call, in order"""
    p50_ms: Score
    p90_ms: Score


class DeviceResult(Record):
    """What a variant would do on one phone."""

    device: str
    """profile identifier"""
    runs: bool
    """whether the phone meets the bundle's floor"""
    floor_reason: str
    """the floor, and whether the phone meets it"""
    compute_unit: str
    """where the ops would run: cpu, gpu, npu"""
    placement_reason: str
    scores: dict[str, Score]
    """latency_ms (with interval), latency_p90_ms, real_time_factor, memory_bytes"""


class Failure(Record):
    """Why a variant has no result."""

    stage: Literal["package", "evaluate"]
    reason: str
    log: str | None = None
    """the log file, relative to the output folder"""


class VariantResult(Record):
    """One row of the comparison: a bundle, or a ready-made model file, and all that was found of it."""

    variant: str
    origin: Literal["bundle", "file"]
    path: str
    format: Format
    precision: str
    key: str
    """content address of what was evaluated"""
    failure: Failure | None = None
    broken: str | None = None
    """how a bundle departs from its source, by its manifest's proof; none where it keeps its precision's promise"""
    floor: Floor | None = None
    scores: dict[str, Score] = {}
    """over the whole dataset: the task's metrics, size_bytes, compressed_bytes, peak_memory_bytes"""
    differences: dict[str, Score] = {}
    """task metric → variant minus source model, with its paired bootstrap interval"""
    parity: tuple[OutputParity, ...] = ()
    timing: Timing | None = None
    drift: Drift | None = None
    devices: tuple[DeviceResult, ...] = ()
    clips: tuple[ClipScores, ...] = ()
    notices: tuple[str, ...] = ()
    """what a reader should know: runtime used, inputs bound by alias …"""

    @pydantic.model_validator(mode="after")
    def _named_once(self) -> VariantResult:
        check_unique((result.device for result in self.devices), "phone")
        check_unique((parity.output for parity in self.parity), "output")
        check_unique((clip.clip for clip in self.clips), "clip")
        return self


class SourceResult(Record):
    """The source model on the same clips: the reference of every difference and parity."""

    framework: str
    sha256: str
    scores: dict[str, Score]
    clips: tuple[ClipScores, ...]

    @pydantic.model_validator(mode="after")
    def _named_once(self) -> SourceResult:
        check_unique((clip.clip for clip in self.clips), "clip")
        return self


class Spectrogram(Record):
    """A clip's energy over time and frequency, as one byte a place."""

    frames: Annotated[int, pydantic.Field(gt=0, le=512)]
    """columns, over the whole clip"""
    bands: Annotated[int, pydantic.Field(gt=0, le=128)]
    """rows, the highest first, spaced by ratio"""
    low_hz: Frequency
    high_hz: Frequency
    range_db: NotNegative
    """from 0, which is that far or farther below the loudest place, to 255"""
    levels: str
    """`bands` rows of `frames` bytes, base64"""

    @pydantic.model_validator(mode="after")
    def _whole(self) -> Spectrogram:
        try:
            size = len(base64.b64decode(self.levels, validate=True))
        except binascii.Error as fault:
            raise ValueError(f"levels are not base64: {fault}") from None
        if size != self.frames * self.bands:
            raise ValueError(f"levels hold {size} bytes where {self.frames} frames of {self.bands} bands need as many")
        return self


class Preview(Record):
    """The beginning of a clip as the model heard it, mixed down to mono: a FLAC file beside evaluation.json."""

    path: str
    """relative to evaluation.json's folder, with forward slashes"""
    sha256: str
    duration_s: NotNegative


class ClipInfo(Record):
    """One clip of the dataset."""

    clip: str
    duration_s: NotNegative
    reference_notes: tuple[Note, ...] | None = None
    notices: tuple[str, ...] = ()
    """for example: resampled from 44100 Hz"""
    spectrogram: Spectrogram | None = None
    preview: Preview | None = None
    """of the clips that lost most"""


class DatasetInfo(Record):
    name: str
    sha256: str
    clips: tuple[ClipInfo, ...]

    @pydantic.model_validator(mode="after")
    def _named_once(self) -> DatasetInfo:
        check_unique((clip.clip for clip in self.clips), "clip")
        return self


MAX_VARIANTS = 1024
"""what is compared by pairs; two formats have 16 precisions together"""
MAX_CLIP_RESULTS = 5_000_000
"""clips times variants: 100,000 clips under 50 variants"""


class Environment(Record):
    """The machine that evaluated."""

    platform: str
    processor: str
    cores: Count
    python: str
    packages: dict[str, str]


def _check_finite(recipe: dict[str, Any]) -> dict[str, Any]:
    json.dumps(recipe, allow_nan=False)  # raises ValueError
    return recipe


class Evaluation(Record):
    """`evaluation.json`: all that a report, a check or a later comparison needs."""

    schema_version: Literal[1, 2] = SCHEMA_VERSION
    testpress_version: str
    created: str
    """UTC, ISO 8601"""
    command: str
    """reproduces this evaluation"""
    model: ModelIdentity
    audio: AudioContract
    task: str
    recipe: Annotated[dict[str, Any], pydantic.AfterValidator(_check_finite)]
    """the recipe it was made from, as read"""
    dataset: DatasetInfo
    environment: Environment
    source: SourceResult
    variants: Annotated[tuple[VariantResult, ...], pydantic.Field(max_length=MAX_VARIANTS)]
    device_names: dict[str, str]
    """profile identifier → the phone's name"""

    @pydantic.model_validator(mode="after")
    def _coherent(self) -> Evaluation:
        check_unique((variant.variant for variant in self.variants), "variant")
        known = {clip.clip for clip in self.dataset.clips}
        if len(known) * sum(bool(variant.clips) for variant in self.variants) > MAX_CLIP_RESULTS:
            raise ValueError(f"clips times variants are more than {MAX_CLIP_RESULTS}; evaluate fewer at once")
        for owner, clips in (("the source model", self.source.clips), *((v.variant, v.clips) for v in self.variants)):
            strange = next((clip.clip for clip in clips if clip.clip not in known), None)
            if strange is not None:
                raise ValueError(f"{owner[:100]!r} has a clip {strange[:100]!r} that the dataset has not")
        return self
