"""How long one call of a model would take on a phone, predicted from its graph."""

from __future__ import annotations

from dataclasses import dataclass

from device_profiles.profile import ComputeUnit, CpuCluster, DeviceProfile
from evaluators.costs.calibration import CONFIDENCE, VALUE_BYTES, Coefficients, calibrate
from evaluators.costs.graph import Graph, Op
from evaluators.costs.placement import ComputeKind, Placement
from evaluators.evaluation import Score

_DOT_PRODUCT_SPEEDUP = 4.0
_PLAIN_INT8_SPEEDUP = 2.0
"""integer multiply-adds a cycle against float32 ones: a dot product does four in the place of one; without it int8
takes the form of int16, two in the place of one. Source: Arm's Cortex-A76 and A75 instruction tables (SDOT, SMLAL).
i8mm counts as the dot product: no published row here shows its gain"""


_TURN_MS = 0.001
"""what an op costs each further time that a loop runs it, besides multiply-adds and bytes. An op's own cost in the
published models holds what happens once a call: other caches, other threads. Source: LiteRT 2.3.0, x86-64, one thread:
a loop of 17 ops and 227,000 multiply-adds takes 0.6 µs an op and turn, all in all"""

_TURN_SPREAD = 4.0
"""factor by which that may be wrong on a phone; no published model has loops"""


@dataclass(frozen=True)
class LatencyPrediction:
    """Time of one call, and of each op in it."""

    latency_ms: Score
    """the central prediction with its 80 % interval"""
    latency_p90_ms: Score
    """the bound that 90 % of the predicted outcomes stay below; the same interval"""
    per_op: tuple[tuple[Op, float], ...]
    """op and its ms, in execution order; empty where nothing could be predicted"""


@dataclass(frozen=True)
class _Peak:
    gmac_s: float
    bandwidth_gb_s: float


def predict_latency(graph: Graph, placement: Placement, profile: DeviceProfile) -> LatencyPrediction:
    """Predict the time of one call where `placement` puts it.

    A roofline whose terms add up (see `calibration`), fitted on published measurements of other models. The interval
    comes from its errors on families of models it had not seen, and is wider for a phone whose chip was not measured
    and for loops.
    Neither throttling nor other work on the phone is in it.

    Returns:
        Scores without a value, and with the reason, where the profile lacks a number the prediction needs, or the cost
        of an op does not follow from the file or the placement.
    """
    unpriced = [*graph.unpriced, *([placement.unpriced] if placement.unpriced else [])]
    if unpriced:
        score = _score(None, reason="; ".join(unpriced))
        return LatencyPrediction(score, score, ())
    used = sorted({placement.compute_of(op) for op in graph.ops} | {placement.compute})
    peaks: dict[ComputeKind, _Peak] = {}
    for kind in used:
        peak = _peak(kind, placement, profile)
        if isinstance(peak, str):
            score = _score(None, reason=peak)
            return LatencyPrediction(score, score, ())
        peaks[kind] = peak
    coefficients = {kind: calibrate(kind).coefficients for kind in used}
    per_op = []
    for op in graph.ops:
        kind = placement.compute_of(op)
        per_op.append((op, _op_ms(op, kind, peaks[kind], coefficients[kind])))
    value = coefficients[placement.compute].call_ms + sum(ms for _, ms in per_op)
    calibration = calibrate(placement.compute)
    ratio = calibration.ratio(seen=calibration.saw(profile.chip))
    turning_ms = sum((op.runs - 1) * _TURN_MS for op in graph.ops if op.runs > 1 and op.moved_bytes)
    low_ms, high_ms = value - turning_ms * (1 - 1 / _TURN_SPREAD), value + turning_ms * (_TURN_SPREAD - 1)
    interval = (low_ms / ratio, high_ms * ratio)
    return LatencyPrediction(_score(value, interval), _score(interval[1], interval), tuple(per_op))


def _score(value: float | None, interval: tuple[float, float] | None = None, *, reason: str | None = None) -> Score:
    low, high = interval or (None, None)
    return Score(
        value=value, unit="ms", direction="lower", basis="predicted", low=low, high=high,
        confidence=None if interval is None else CONFIDENCE, reason=reason,
    )  # fmt: skip


def _op_ms(op: Op, kind: ComputeKind, peak: _Peak, k: Coefficients) -> float:
    if op.moved_bytes == 0:  # a view, or a value known before the call: no kernel runs
        return 0.0
    # Units that compute in float16 hold float16 whatever the file says.
    narrower = VALUE_BYTES[kind] / 4 if op.dtype == "float32" and kind in ("tflite_gpu", "coreml_gpu") else 1.0
    activations = (op.read_bytes + op.written_bytes) * narrower
    return (
        (k.op_ms if op.runs else 0.0)
        + max(op.runs - 1, 0) * _TURN_MS
        + op.macs / (peak.gmac_s * k.mac_utilisation) / 1e6
        + activations / (peak.bandwidth_gb_s * k.activation_utilisation) / 1e6
        + op.weight_bytes * narrower / (peak.bandwidth_gb_s * k.weight_utilisation) / 1e6
    )


def _peak(kind: ComputeKind, placement: Placement, profile: DeviceProfile) -> _Peak | str:
    """What the phone can do at most, or the reason why that is not known."""
    if profile.bandwidth_gb_s is None:
        return f"{profile.id}: the profile gives no bandwidth_gb_s"
    if kind in ("tflite_cpu_float", "tflite_cpu_int8", "coreml_cpu"):
        gmac_s = _cpu_gmac_s(kind, placement, profile)
    else:
        unit = profile.unit("gpu" if kind.endswith("gpu") else "npu")
        gmac_s = None if unit is None else _unit_gmac_s(unit)
    if gmac_s is None:
        where = "cpu.clusters" if kind.startswith("tflite_cpu") or kind == "coreml_cpu" else f"the {placement.unit}"
        return f"{profile.id}: the profile gives no peak for {where}"
    return _Peak(gmac_s, profile.bandwidth_gb_s.value)


def _unit_gmac_s(unit: ComputeUnit) -> float | None:
    if unit.peak_gmac_s is None:
        return None
    # The last doublings of the Neural Engine's claimed rate are int8's; float16 runs at half of it.
    return unit.peak_gmac_s.value / (2 if unit.peak_precision == "int8" else 1)


def _cpu_gmac_s(kind: ComputeKind, placement: Placement, profile: DeviceProfile) -> float | None:
    threads = placement.threads
    if kind == "coreml_cpu":  # also for the ops that leave a Neural Engine, whose placement counts one thread
        threads = sum(int(cluster.cores.value) for cluster in profile.cpu.clusters if cluster.role == "big")
    total = 0.0
    for cluster in profile.cpu.clusters:  # fastest first
        cores = min(threads, int(cluster.cores.value))
        if cores == 0:
            break
        one = cluster.core_float32_gmac_s
        if one is None:
            return None
        total += cores * one * (_int8_speedup(cluster) if kind == "tflite_cpu_int8" else 1.0)
        threads -= cores
    return total


def _int8_speedup(cluster: CpuCluster) -> float:
    return _DOT_PRODUCT_SPEEDUP if {"dotprod", "i8mm"} & set(cluster.isa.features) else _PLAIN_INT8_SPEEDUP
