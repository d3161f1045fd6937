"""What a model file would cost on phones: predicted time of a call, op by op, and memory. Nothing is run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from device_profiles.errors import ProfileError
from device_profiles.profile import ComputeUnitKind, DeviceProfile
from device_profiles.record import Record, parse_record
from device_profiles.text import shorten
from evaluators.costs.graph import OPEN_SIZES, Graph
from evaluators.costs.latency import predict_latency
from evaluators.costs.memory import predict_memory
from evaluators.costs.own_measurements import (
    MEASURED,
    NO_CALIBRATIONS,
    OwnMeasurements,
    PhoneCalibration,
    digest_model,
)
from evaluators.costs.phone_model import apply_calibration, tell_calibration
from evaluators.costs.placement import NOTHING_ASKED, Placement, PlacementRequest
from evaluators.errors import EvaluationError
from evaluators.formats import get_reader, name_precision, place, read_floor, runs_on
from evaluators.playing.predictions import real_time_factor
from evaluators.score import Score
from packager.attestation.verification import check_files
from packager.bundle import AudioContract, Floor, Format
from packager.formats.phones import carry, find_runtime, read_phone
from reports.notation import (
    BASIS_WORDS,
    format_count,
    format_interval,
    format_number,
    format_threads,
    name_unit,
)
from testpress.inspection.entries import open_notices, read_graphs
from testpress.model_file import ModelFile
from testpress.table import align

TOP_OPS = 10

_ELSEWHERE = " Custom ops run where their own kernels put them."

_COLD_START = Score(value=None, unit="ms", direction="lower", basis="predicted", reason="")
"""to load the model and make the first call"""

_LABELS = {
    MEASURED: "measured on the phone",
    "latency_ms": "latency of one call",
    "latency_p90_ms": "latency, 90 % stay below",
    "cold_start_ms": "cold start",
    "real_time_factor": "real-time factor",
    "memory_bytes": "peak memory",
}


class OpCost(Record):
    """One op's part of a call."""

    name: str
    kind: str
    dtype: str
    predicted_ms: float
    predicted_share: float
    """of the call's predicted latency"""
    macs: int
    moved_bytes: int


class PhonePrediction(Record):
    """A model on one phone; every score's basis is "predicted", but for what was measured."""

    device: str
    name: str
    signature: str | None
    """which one is predicted; none where the file names none"""
    macs: int
    """multiply-adds of one call of it"""
    lower_bound: bool
    """whether they are only those that follow from the file; the notices say why"""
    runs: bool
    """whether the phone meets the model's floor, and its runtime holds every op"""
    floor_reason: str
    compute_unit: ComputeUnitKind
    threads: int | None
    """how many it would run in, where that is a CPU"""
    runtime: str
    """what would play it there"""
    placement_reason: str
    calibrated: str
    """what measured rows of the phone moved in the prediction; empty without a calibration"""
    scores: dict[str, Score]
    predicted_call_overhead_ms: float | None
    """what a call costs besides its ops; none where nothing could be predicted"""
    ops: tuple[OpCost, ...]
    """dearest first"""


class CostPrediction(Record):
    """A model file on some phones."""

    file: str
    format: Format
    precision: str
    macs: int | None
    """multiply-adds of one call; none where several signatures were predicted, each with its own"""
    lower_bound: bool
    """whether those of a signature are only what follows from the file"""
    notices: tuple[str, ...]
    phones: tuple[PhonePrediction, ...]


def read_phones(devices: Sequence[str], runtime: str | None = None) -> list[DeviceProfile]:
    """The phones asked for, each once, in their order.

    Args:
        devices: Identifiers, or paths of profiles.
        runtime: What their apps carry; none for all that their profiles list.

    Raises:
        ProfileError: A profile is unknown or faulty, two of them have one identifier, or a phone has no such runtime.
    """
    found: dict[str, DeviceProfile] = {}
    for device in devices:
        profile = read_phone(device)
        if found.setdefault(profile.id, profile) != profile:
            raise ProfileError(f"{device}: another profile is named {profile.id!r} too; right is one of them")
    return [profile if runtime is None else carry(profile, (runtime,)) for profile in found.values()]


def read_request(unit: str | None, threads: int | None) -> PlacementRequest:
    """What the command line asks of runtimes.

    Raises:
        EvaluationError: There is no such unit, or no phone has so many cores.
    """
    said = {"unit": unit, "threads": threads}
    return parse_record(said, PlacementRequest, where="--unit, --threads", error=EvaluationError)


def predict_costs(
    model: ModelFile,
    profiles: Sequence[DeviceProfile],
    asked: PlacementRequest = NOTHING_ASKED,
    *,
    signature: str | None = None,
    window: int | None = None,
    calibrations: Mapping[str, PhoneCalibration] = NO_CALIBRATIONS,
) -> CostPrediction:
    """Predict latency and memory on each phone.

    Args:
        model: The model file.
        profiles: The phones, each once.
        asked: What the app asks of each phone's runtime.
        signature: Which signature or function; else every one the file has.
        window: The length of what a file leaves open, in samples.
        calibrations: Measured rows of phones, by the phone's identifier.

    Raises:
        TestpressError: The file is damaged, lacks the signature, leaves no length open for a window, or a phone runs
            models of the other format or has not what is asked for.
    """
    graphs = read_graphs(model, signature, window)
    floor = read_floor(model.path)
    manifest = model.bundle.manifest if model.bundle else None
    precisions = [manifest.precision if manifest else name_precision(graph) for graph in graphs]
    audio = manifest.audio if manifest else None
    appended = get_reader(model.format).describe_appended(model.path)
    notices = [*(check_files(model.bundle) if model.bundle else []), *([appended] if appended else [])]
    for graph in graphs:
        name = f"signature {graph.entry}: " if len(graphs) > 1 else ""
        notices += [f"{name}{notice}" for notice in open_notices(graph)]
        hint = "; --window SAMPLES says how long an input is"
        notices += [
            f"{name}multiply-adds are a lower bound: {reason}{hint if reason == OPEN_SIZES else ''}"
            for reason in graph.unpriced
        ]
    sha256 = digest_model(model.path) if calibrations else ""
    own = {device: OwnMeasurements(calibration, sha256) for device, calibration in calibrations.items()}
    return CostPrediction(
        file=str(model.path),
        format=model.format,
        precision=", ".join(dict.fromkeys(precisions)),
        macs=graphs[0].macs if len(graphs) == 1 else None,
        lower_bound=any(graph.unpriced for graph in graphs),
        notices=tuple(notices),
        phones=tuple(
            _on_phone((graph, floor), profile, place(graph, precision, profile, asked), audio, own.get(profile.id))
            for graph, precision in zip(graphs, precisions, strict=True)
            for profile in profiles
        ),
    )


def _on_phone(
    read: tuple[Graph, Floor],
    profile: DeviceProfile,
    placement: Placement,
    audio: AudioContract | None,
    own: OwnMeasurements | None,
) -> PhonePrediction:
    graph, floor = read
    latency = predict_latency(graph, placement, profile)
    calibrated, measured = "", {}
    if own is not None:
        latency = apply_calibration(latency, placement.compute, own.calibration)
        calibrated = tell_calibration(own.calibration, placement.compute)
        measured = own.find_scores(graph, placement)
    scores = {
        "latency_ms": latency.latency_ms,
        "latency_p90_ms": latency.latency_p90_ms,
        "cold_start_ms": _COLD_START.model_copy(update={"reason": placement.cold_start}),
        "memory_bytes": predict_memory(graph, profile, placement),
        **measured,
    }
    if audio is not None:
        scores["real_time_factor"] = real_time_factor(latency.latency_ms, audio)
    runs, floor_reason = runs_on(graph, floor, profile)
    runtime = find_runtime(profile, graph.format)
    assert runtime is not None  # without one there is no placement
    total_ms = latency.latency_ms.value
    ops = [
        OpCost(
            name=op.name,
            kind=op.kind,
            dtype=op.dtype,
            predicted_ms=ms,
            predicted_share=ms / total_ms,
            macs=op.macs,
            moved_bytes=op.moved_bytes,
        )
        for op, ms in latency.per_op
        if total_ms
    ]
    return PhonePrediction(
        device=profile.id,
        name=profile.name,
        signature=graph.entry,
        macs=graph.macs,
        lower_bound=bool(graph.unpriced),
        runs=runs,
        floor_reason=floor_reason,
        compute_unit=placement.unit,
        threads=placement.threads if placement.unit == "cpu" else None,
        runtime=runtime.name,
        placement_reason=placement.reason + (_ELSEWHERE if graph.needs else ""),
        calibrated=calibrated,
        scores=scores,
        predicted_call_overhead_ms=None if total_ms is None else total_ms - sum(op.predicted_ms for op in ops),
        ops=tuple(sorted(ops, key=lambda op: -op.predicted_ms)),
    )


def as_text(prediction: CostPrediction, *, top: int | None = TOP_OPS) -> str:
    """The prediction for people.

    Args:
        prediction: What was predicted.
        top: How many ops to list for each phone; none lists all.
    """
    several = prediction.macs is None
    counted = "several signatures" if prediction.macs is None else _count_text(prediction.macs, prediction.lower_bound)
    head = f"{prediction.file}: {prediction.format} {prediction.precision}, {counted}"
    notices = [f"notice: {notice}" for notice in prediction.notices]
    return "\n\n".join(
        ["\n".join([head, *notices]), *(_phone_text(phone, top, several) for phone in prediction.phones)]
    )


def _phone_text(phone: PhonePrediction, top: int | None, several: bool) -> str:
    rows = [("runs", f"{'yes' if phone.runs else 'NO'}: {phone.floor_reason}")]
    rows.append(("placement", f"{_place_text(phone)}. {phone.placement_reason}"))
    if phone.calibrated:
        rows.append(("calibration", phone.calibrated))
    rows += [(label, _score_text(phone.scores[name])) for name, label in _LABELS.items() if name in phone.scores]
    title = f"{phone.name} ({phone.device})"
    if several:
        title += f", signature {phone.signature}: {_count_text(phone.macs, phone.lower_bound)}"
    parts = [title, align(rows, indent="  ")]
    if phone.ops:
        parts.append(_ops_text(phone, top))
    return "\n".join(parts)


def _place_text(phone: PhonePrediction) -> str:
    unit = name_unit(phone.compute_unit)
    return f"{phone.runtime}, {unit}" + ("" if phone.threads is None else f", {format_threads(phone.threads)}")


def _count_text(macs: int, lower_bound: bool) -> str:
    return f"{'at least ' if lower_bound else ''}{format_count(macs)} multiply-adds a call"


def _score_text(score: Score) -> str:
    if score.value is None:
        return f"not predicted: {score.reason}"
    # A ratio's three decimals may all be 0.
    unit = "" if score.unit == "ratio" else score.unit
    interval = format_interval(score.model_copy(update={"unit": unit}))
    return f"{format_number(score.value, unit)} {BASIS_WORDS[score.basis]}" + (f" ({interval})" if interval else "")


def _ops_text(phone: PhonePrediction, top: int | None) -> str:
    shown = phone.ops[:top]
    rows = [("predicted ms", "share", "multiply-adds", "moved", "op", "name")]
    rows += [
        (
            format_number(op.predicted_ms, ""),
            f"{op.predicted_share:.1%}",
            format_count(op.macs),
            format_number(op.moved_bytes, "bytes"),
            op.kind,
            shorten(op.name, 60),
        )
        for op in shown
    ]
    rest = phone.ops[len(shown) :]
    total_ms = phone.scores["latency_ms"].value or 1.0
    others = [("each call's own cost", phone.predicted_call_overhead_ms or 0.0)]
    if rest:
        others.insert(0, (f"{len(rest)} more ops (--all lists them)", sum(op.predicted_ms for op in rest)))
    rows += [(format_number(ms, ""), f"{ms / total_ms:.1%}", "", "", label, "") for label, ms in others]
    return align(rows, right=(0, 1, 2, 3), indent="  ")
