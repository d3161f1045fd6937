"""The result types: what an evaluation found, as `evaluation.json` holds it, and all that reports read.

Every number is a `Score`: value, unit, direction and basis, with an interval where there is one. What could not be
measured is a score without a value and with a reason, never 0 and never NaN.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

import pydantic

from device_profiles.record import Record
from evaluators.chart_records import Charts
from evaluators.condition_records import ConditionInfo, check_conditions
from evaluators.core_records import CoreResult
from evaluators.drift_records import Drift
from evaluators.environment import Environment
from evaluators.identity import Identity
from evaluators.long_run_records import LongRun
from evaluators.picture_records import Curve, Note, NotNegative, Pictures, Preview, Spectrogram, Tracks
from evaluators.score import MetricInfo, Score
from evaluators.target_records import Failure, OutputParity, Target, Word
from packager.bounds import Count, check_unique
from packager.bundle import AudioContract, Floor, Format, ModelIdentity

SCHEMA_VERSION: Literal[3] = 3
"""2 added curves, spectrograms and previews of audio; 3 how each metric is to be read, a task's options, its pictures,
groups of clips and targets. All are optional: files of older versions are read as they are"""

MAX_ABS_ERROR = "max_abs_error"
"""of a clip: the largest error of all outputs against the source model's"""


class ClipScores(Record):
    """One clip under one variant (or under the source model)."""

    clip: str
    """the clip's identifier in the dataset"""
    scores: dict[str, Score]
    """the task's metrics, and for a variant max_abs_error: the largest of all outputs against the source model's"""
    notes: tuple[Note, ...] | None = None
    """of versions 1 and 2: what `pictures.events` is now"""
    curves: tuple[Curve, ...] = ()
    """outputs of one value a frame, of the clips that a report shows with pictures"""
    pictures: Pictures | None = None
    """what the task wants drawn of what the model made of the clip"""
    tracks: Tracks = ()
    """what the task lets hear of what the model made of the clip, of the few that lost most"""

    @pydantic.model_validator(mode="after")
    def _outputs_named_once(self) -> ClipScores:
        check_unique((curve.output for curve in self.curves), "curve of output")
        return self

    @property
    def drawn(self) -> Pictures:
        """What the task wants drawn, of a file of any version."""
        return self.pictures or Pictures(events=self.notes)


PARITY_NUMBERS = ("max_abs_error", "snr_db", "cosine")
"""the metrics of an output: each has a field in `OutputParity`"""


class Timing(Record):
    """Calls of the model, one window each, timed on a machine of ours."""

    threads: Count
    warmup_calls: Count
    samples_ns: tuple[Count, ...]
    """one entry a call, in order"""
    p50_ms: Score
    p90_ms: Score
    machine: str | None = None
    """which machine timed it: with workers elsewhere, not the one that evaluates"""


TIMINGS = {"host_latency_p50_ms": "p50_ms", "host_latency_p90_ms": "p90_ms"}
"""the metrics of calls timed on the host → their fields in `Timing`"""


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
    threads: Count | None = None
    """how many it would run in, where that is a CPU"""
    runtime: str | None = None
    """what would play it there"""
    scores: dict[str, Score]
    """latency_ms (with interval), latency_p90_ms, real_time_factor, memory_bytes, and measured_latency_ms where this
    very bundle was measured on the phone"""
    target: str | None = None
    """the target whose parity, decisions and host timing are this phone's; phones of one runtime share one"""
    meant: bool = True
    """whether the recipe means the bundle for the phone; where it does not, nothing is judged there"""
    cores: tuple[str, ...] = ()
    """the targets of the bundle's `cores` that stand for the phone's cores, the big ones first"""
    cores_missing: tuple[str, ...] = ()
    """cores of the phone that no emulated type stands for, each with why"""
    stand_in: str = ""
    """how that target differs from what the phone's apps carry; empty where it does not"""


class TargetResult(Record):
    """What a variant gave on one more target than the one that its row's numbers are of."""

    target: Target
    failure: Failure | None = None
    scores: dict[str, Score] = {}
    """the task's metrics, peak_memory_bytes"""
    differences: dict[str, Score] = {}
    """as the row's"""
    parity: tuple[OutputParity, ...] = ()
    timing: Timing | None = None
    notices: tuple[str, ...] = ()


class ExtraLoss(Record):
    """Whether a bundle loses more under a condition than its source does, by one metric."""

    change: Score
    """bundle minus source under the condition, minus the same on the clean audio"""
    p_value: Annotated[float, pydantic.Field(ge=0, le=1)] | None = None
    """of a change as far from 0 where both lose alike; Holm's, over the metric's bundles and conditions"""
    loses_more: bool = False
    """whether the change is for the worse, by more than the metric's tolerance, and its p-value below 0.05"""


class ConditionResult(Record):
    """What the source model, or a bundle, made of the clips under one condition."""

    condition: Word
    failure: Failure | None = None
    scores: dict[str, Score] = {}
    differences: dict[str, Score] = {}
    """of a bundle, as its row's, with the source model under the condition"""
    parity: tuple[OutputParity, ...] = ()
    extra_losses: dict[str, ExtraLoss] = {}
    """of a bundle, by metric"""
    worst_clips: tuple[str, ...] = ()
    """of a bundle: the clips on which it loses most beyond what the source loses, by the leading metric"""


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
    target: Target | None = None
    """where the row's own parity, decisions, timing and clips are of; none of versions before 3"""
    more_targets: tuple[TargetResult, ...] = ()
    """the same of the other targets that phones of the evaluation need"""
    conditions: tuple[ConditionResult, ...] = ()
    """the same under other conditions than the clips' own, on the row's own target"""
    charts: Charts | None = None
    """what the task wants drawn of all clips at once, on the row's own target"""
    long_run: LongRun | None = None
    cores: tuple[CoreResult, ...] = ()
    """the same on emulated types of core, on a few windows"""

    @pydantic.model_validator(mode="after")
    def _named_once(self) -> VariantResult:
        check_unique((result.device for result in self.devices), "phone")
        check_unique((parity.output for parity in self.parity), "output")
        check_unique((clip.clip for clip in self.clips), "clip")
        own = [] if self.target is None else [self.target.name]
        check_unique([*own, *(one.target.name for one in self.more_targets)], "target")
        check_unique((core.target.name for core in self.cores), "type of core")
        return self


class SourceResult(Record):
    """The source model on the same clips: the reference of every difference and parity."""

    framework: str
    sha256: str
    scores: dict[str, Score]
    clips: tuple[ClipScores, ...]
    conditions: tuple[ConditionResult, ...] = ()
    charts: Charts | None = None
    """what the task wants drawn of all clips at once"""

    @pydantic.model_validator(mode="after")
    def _named_once(self) -> SourceResult:
        check_unique((clip.clip for clip in self.clips), "clip")
        return self


class ClipInfo(Record):
    """One clip of the dataset."""

    clip: str
    duration_s: NotNegative
    reference_notes: tuple[Note, ...] | None = None
    """of versions 1 and 2: what `reference.events` is now"""
    reference: Pictures | None = None
    """what the task wants drawn of the labels"""
    group: str | None = None
    """what clips have in common that are drawn together when intervals are made, for example the speaker"""
    notices: tuple[str, ...] = ()
    """for example: resampled from 44100 Hz"""
    spectrogram: Spectrogram | None = None
    preview: Preview | None = None
    """of the clips that lost most"""
    tracks: Tracks = ()
    """the clip itself, and what the task lets hear of its labels, of the few that lost most"""

    @property
    def drawn(self) -> Pictures:
        """What the task wants drawn, of a file of any version."""
        return self.reference or Pictures(events=self.reference_notes)


class DatasetInfo(Record):
    name: str
    sha256: str
    clips: tuple[ClipInfo, ...]
    attribution: Annotated[str, pydantic.Field(max_length=2000)] | None = None
    """who made the audio, and its licence: the first line of `ATTRIBUTION.txt` beside the manifest"""
    notices: tuple[str, ...] = ()
    """what a reader should know of what lists the clips, for example keys that nobody reads"""

    @pydantic.model_validator(mode="after")
    def _named_once(self) -> DatasetInfo:
        check_unique((clip.clip for clip in self.clips), "clip")
        return self


MAX_VARIANTS = 1024
"""what is compared by pairs; two formats have 16 precisions together"""
MAX_CLIP_RESULTS = 5_000_000
"""clips times variants: 100,000 clips under 50 variants"""


def _check_finite(recipe: dict[str, Any]) -> dict[str, Any]:
    json.dumps(recipe, allow_nan=False)  # raises ValueError
    return recipe


class Evaluation(Record):
    """`evaluation.json`: all that a report, a check or a later comparison needs."""

    schema_version: Literal[1, 2, 3] = SCHEMA_VERSION
    testpress_version: str
    created: str
    """UTC, ISO 8601"""
    command: str
    """reproduces this evaluation"""
    model: ModelIdentity
    audio: AudioContract
    task: str
    task_options: dict[str, Any] = {}
    """as they held: those that the recipe sets, and defaults"""
    metrics: dict[str, MetricInfo] = {}
    """how each is to be read; of versions 1 and 2 that is known of the metrics there were"""
    leading_metric: str | None = None
    """the task's metric that stands for how good a model is at it"""
    recipe: Annotated[dict[str, Any], pydantic.AfterValidator(_check_finite)]
    """the recipe it was made from, as read"""
    dataset: DatasetInfo
    environment: Environment
    source: SourceResult
    variants: Annotated[tuple[VariantResult, ...], pydantic.Field(max_length=MAX_VARIANTS)]
    cores_reason: str = ""
    """why nothing was played on emulated cores though phones have some; empty where it was, or none was asked for"""
    device_names: dict[str, str]
    """profile identifier → the phone's name"""
    conditions: tuple[ConditionInfo, ...] = ()
    """what was done to the clips, beside playing them as they are"""
    identity: Identity | None = None
    """which state of which repository it is of, and which run made it"""

    @pydantic.model_validator(mode="after")
    def _coherent(self) -> Evaluation:
        check_unique((variant.variant for variant in self.variants), "variant")
        for name, metric in self.metrics.items():
            if (metric.scope == "output") != (name in PARITY_NUMBERS) or (metric.scope == "host") != (name in TIMINGS):
                raise ValueError(f"the metric {name[:100]!r} cannot be of scope {metric.scope!r}")
        check_conditions(self.conditions, (self.source, *self.variants))
        known = {clip.clip for clip in self.dataset.clips}
        if len(known) * sum(bool(variant.clips) for variant in self.variants) > MAX_CLIP_RESULTS:
            raise ValueError(f"clips times variants are more than {MAX_CLIP_RESULTS}; evaluate fewer at once")
        for owner, clips in (("the source model", self.source.clips), *((v.variant, v.clips) for v in self.variants)):
            strange = next((clip.clip for clip in clips if clip.clip not in known), None)
            if strange is not None:
                raise ValueError(f"{owner[:100]!r} has a clip {strange[:100]!r} that the dataset has not")
        return self
