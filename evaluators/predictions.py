"""What a variant would do on one phone: floor, placement, predicted latency and memory, put together as a result."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from device_profiles.profile import DeviceProfile
from device_profiles.record import Record
from evaluators.costs.graph import Graph, read_graph
from evaluators.costs.latency import predict_latency
from evaluators.costs.memory import predict_memory
from evaluators.costs.placement import place
from evaluators.costs.precision import name_precision
from evaluators.evaluation import DeviceResult, Score
from evaluators.floors import read_floor, runs_on
from packager.bundle import AudioContract, Floor


class PredictionRequest(Record):
    """What to predict."""

    model: str
    precision: str | None
    """as the manifest says; none tells it from the graph"""
    audio: AudioContract
    devices: tuple[DeviceProfile, ...]


class Prediction(Record):
    """What was read of a model file, and what phones would make of it."""

    precision: str
    floor: Floor
    devices: tuple[DeviceResult, ...]


def predict(request: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Inside the worker: read files and predict each on its phones; yields one `{"result": …}` a request, in order."""
    for one in request["requests"]:
        yield {"result": _predict(PredictionRequest.model_validate(one, strict=False)).model_dump(mode="json")}


def _predict(request: PredictionRequest) -> Prediction:
    graph, floor = read_graph(Path(request.model)), read_floor(Path(request.model))
    precision = request.precision or name_precision(graph)
    devices = [predict_device(graph, floor, each, precision=precision, audio=request.audio) for each in request.devices]
    return Prediction(precision=precision, floor=floor, devices=tuple(devices))


def predict_device(
    graph: Graph, floor: Floor, profile: DeviceProfile, *, precision: str, audio: AudioContract
) -> DeviceResult:
    """Predict one bundle on one phone.

    Args:
        graph: Of the model file.
        floor: The oldest system it runs on.
        profile: The phone.
        precision: Decides where the ops would run.
        audio: Decides how much audio one call advances by.
    """
    runs, floor_reason = runs_on(graph, floor, profile)
    placement = place(graph, precision, profile)
    latency = predict_latency(graph, placement, profile)
    return DeviceResult(
        device=profile.id,
        runs=runs,
        floor_reason=floor_reason,
        compute_unit=placement.unit,
        placement_reason=placement.reason,
        scores={
            "latency_ms": latency.latency_ms,
            "latency_p90_ms": latency.latency_p90_ms,
            "real_time_factor": _real_time_factor(latency.latency_ms, audio),
            "memory_bytes": predict_memory(graph, profile, placement),
        },
    )


def _real_time_factor(latency_ms: Score, audio: AudioContract) -> Score:
    """Processing time over audio time, one call advancing by one hop; below 1 keeps up with live audio."""
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
