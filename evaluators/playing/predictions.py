"""What a variant would do on one phone: floor, placement, predicted latency and memory, put together as a result."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from device_profiles.profile import DeviceProfile
from device_profiles.record import Record
from evaluators.costs.graph import Graph
from evaluators.costs.latency import predict_latency
from evaluators.costs.memory import predict_memory
from evaluators.costs.op_kinds import tell_uncounted
from evaluators.costs.own_measurements import OwnMeasurements, PhoneCalibration, digest_model
from evaluators.costs.phone_model import apply_calibration, tell_calibration
from evaluators.costs.placement import NOTHING_ASKED, PlacementRequest
from evaluators.errors import EvaluationError
from evaluators.evaluation import DeviceResult
from evaluators.formats import name_precision, place, read_floor, read_graph, reader_of, runs_on
from evaluators.score import Score
from packager.bundle import AudioContract, Floor
from packager.floors import meets
from packager.formats import get_format
from packager.formats.phones import find_runtime


class PredictionRequest(Record):
    """What to predict."""

    model: str
    precision: str | None
    """as the manifest says; none tells it from the graph"""
    audio: AudioContract
    devices: tuple[DeviceProfile, ...]
    asked: PlacementRequest = NOTHING_ASKED
    """of every phone's runtime"""
    calibrations: tuple[PhoneCalibration, ...] = ()
    """measured rows of phones, one each at most"""


class Prediction(Record):
    """What was read of a model file, and what phones would make of it."""

    precision: str
    floor: Floor
    devices: tuple[DeviceResult, ...]
    notices: tuple[str, ...] = ()
    """what a reader of the predictions should know"""


@dataclass(frozen=True)
class ReadModel:
    """A bundle, read.

    Attributes:
        graph: Of the model file.
        floor: The oldest system it runs on.
        precision: Decides where the ops would run.
        audio: Decides how much audio one call advances by.
    """

    graph: Graph
    floor: Floor
    precision: str
    audio: AudioContract


def predict(request: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Inside the worker: read files and predict each on its phones; yields one `{"result": …}` a request, in order."""
    for one in request["requests"]:
        yield {"result": _predict(PredictionRequest.model_validate(one, strict=False)).model_dump(mode="json")}


def _predict(request: PredictionRequest) -> Prediction:
    path = Path(request.model)
    reader = reader_of(path)
    if reader.read_graph is None:
        floor = read_floor(path)
        reason = f"the ops of {get_format(reader.name).title} models are not counted"
        uncounted = tuple(
            _leave_open(each, meets(floor, each, reader.name), reader.name, reason) for each in request.devices
        )
        return Prediction(precision=request.precision or "unknown", floor=floor, devices=uncounted)
    graph, floor = read_graph(path), read_floor(path)
    precision = request.precision or name_precision(graph)
    sha256 = digest_model(path) if request.calibrations else ""
    own = {calibration.device: OwnMeasurements(calibration, sha256) for calibration in request.calibrations}
    model = ReadModel(graph, floor, precision, request.audio)
    devices = [predict_device(model, each, request.asked, own.get(each.id)) for each in request.devices]
    told = tell_uncounted(graph)
    caveat = get_format(reader.name).caveat_of(precision)
    notices = (*([caveat] if caveat else []), *([f"predictions: ops are {told}"] if told else []))
    return Prediction(precision=precision, floor=floor, devices=tuple(devices), notices=notices)


def _leave_open(profile: DeviceProfile, runs: tuple[bool, str], format_: str, reason: str) -> DeviceResult:
    """A phone of which whether it runs a model is known, and how fast is not."""
    runtime = find_runtime(profile, format_)
    units = {"latency_ms": "ms", "latency_p90_ms": "ms", "real_time_factor": "ratio", "memory_bytes": "bytes"}
    return DeviceResult(
        device=profile.id,
        runs=runs[0],
        floor_reason=runs[1],
        compute_unit="cpu" if runtime is None else runtime.units[0],
        placement_reason=f"Not known: {reason}.",
        runtime=None if runtime is None else runtime.name,
        scores={
            name: Score(value=None, unit=unit, direction="lower", basis="predicted", reason=reason)
            for name, unit in units.items()
        },
    )


def predict_device(
    model: ReadModel,
    profile: DeviceProfile,
    asked: PlacementRequest = NOTHING_ASKED,
    own: OwnMeasurements | None = None,
) -> DeviceResult:
    """Predict one bundle on one phone; where it cannot run as asked, scores say why.

    Args:
        model: The bundle.
        profile: The phone.
        asked: What the app asks of the runtime.
        own: What was measured on the phone.
    """
    graph = model.graph
    runs, floor_reason = runs_on(graph, model.floor, profile)
    try:
        placement = place(graph, model.precision, profile, asked)
    except EvaluationError as fault:
        return _leave_open(profile, (runs, floor_reason), graph.format, str(fault))
    runtime = find_runtime(profile, graph.format)
    latency, calibrated, measured = predict_latency(graph, placement, profile), "", {}
    if own is not None:
        latency = apply_calibration(latency, placement.compute, own.calibration)
        calibrated = f" {tell_calibration(own.calibration, placement.compute)}"
        measured = own.find_scores(graph, placement)
    return DeviceResult(
        device=profile.id,
        runs=runs,
        floor_reason=floor_reason,
        compute_unit=placement.unit,
        placement_reason=placement.reason + calibrated,
        threads=placement.threads if placement.unit == "cpu" else None,
        runtime=None if runtime is None else runtime.name,
        scores={
            "latency_ms": latency.latency_ms,
            "latency_p90_ms": latency.latency_p90_ms,
            "real_time_factor": real_time_factor(latency.latency_ms, model.audio),
            "memory_bytes": predict_memory(graph, profile, placement),
            **measured,
        },
    )


def real_time_factor(latency_ms: Score, audio: AudioContract) -> Score:
    """Processing time over audio time, one call advancing by one hop; below 1 keeps up with live audio.

    Args:
        latency_ms: Of one call.
        audio: Says how much audio one call advances by.
    """
    hop_ms = 1000 * audio.hop_samples / audio.sample_rate_hz

    def scaled(value: float | None) -> float | None:
        return None if value is None else value / hop_ms

    return latency_ms.model_copy(
        update={
            "value": scaled(latency_ms.value),
            "low": scaled(latency_ms.low),
            "high": scaled(latency_ms.high),
            "unit": "ratio",
        }
    )
