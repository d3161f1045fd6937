"""How long one call of a model would take on a phone, predicted from its graph."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from device_profiles.profile import DeviceProfile
from evaluators.costs.calibration import CONFIDENCE, Calibration, calibrations
from evaluators.costs.graph import Graph, Op
from evaluators.costs.hardware import find_hardware, has_matrix_unit
from evaluators.costs.op_kinds import OP_KINDS
from evaluators.costs.op_times import Hardware, split_times, work_of
from evaluators.costs.placement import Compute, Placement
from evaluators.score import Score

_TURN_SPREAD = 4.0
"""factor by which an op's own cost in each turn of a loop may be off; no published model has loops"""

_GUESS_SPREAD = 3.0
"""factor by which the time of ops may be off whose kind no published model has on the unit: their cost follows from
priors, which lie within a factor of 2 of what was fitted for other kinds, at one standard deviation"""

_MATRIX_LOG_SD = math.log(2)
"""further half width of the interval where the cores have a matrix unit (SME2): no published row shows its gain"""


@dataclass(frozen=True)
class LatencyPrediction:
    """Time of one call, and of each op in it."""

    latency_ms: Score
    """the central prediction with its 80 % interval"""
    latency_p90_ms: Score
    """the bound that 90 % of the predicted outcomes stay below; the same interval"""
    per_op: tuple[tuple[Op, float], ...]
    """op and its ms, in execution order; empty where nothing could be predicted"""
    parts: dict[str, float] = field(default_factory=dict)
    """what the latency is the sum of, in ms: the call's own cost, the ops' own, arithmetic and memory traffic of those
    that multiply, values that the others compute and move; empty where nothing could be predicted"""
    kinds: dict[str, float] = field(default_factory=dict)
    """the same time without the call's own cost, by kinds of ops"""


def predict_latency(graph: Graph, placement: Placement, profile: DeviceProfile) -> LatencyPrediction:
    """Predict the time of one call where `placement` puts it.

    The formula of `op_times` with the coefficients of `calibration`, fitted on published measurements of other models.
    The interval comes from its errors on families of models it had not seen, and is wider for a phone whose chip was
    not measured, for kinds of ops that were not, and for loops. Neither throttling nor other work on the phone is in
    it.

    Returns:
        Scores without a value, and with the reason, where the profile lacks a number the prediction needs, or the cost
        of an op does not follow from the file or the placement.
    """
    unpriced = [*graph.unpriced, *([placement.unpriced] if placement.unpriced else [])]
    if unpriced:
        return _unknown("; ".join(unpriced))
    computes = [placement.compute_of(op) for op in graph.ops]
    units: dict[Compute, tuple[Hardware, Calibration]] = {}
    for compute in sorted({*computes, placement.compute}):
        hardware = find_hardware(profile, compute, placement.threads_of(compute))
        if isinstance(hardware, str):
            return _unknown(hardware)
        measured = calibrations().get(_measured_as(compute, profile))
        if measured is None:
            return _unknown(f"no published time is known of {compute}")
        units[compute] = hardware, measured
    calibration = units[placement.compute][1]
    parts = {"call": calibration.coefficients.call_ms, "ops": 0.0, "arithmetic": 0.0, "memory": 0.0, "values": 0.0}
    kinds: dict[str, float] = {}
    each = np.zeros(len(graph.ops))
    turning_ms = guessed_ms = 0.0
    for compute, (hardware, found) in units.items():
        places = np.array([i for i, one in enumerate(computes) if one == compute], int)
        work = work_of([graph.ops[i] for i in places], float_bytes=_float_bytes(compute), is_cpu=compute.unit == "cpu")
        found_parts = split_times(work, hardware, found.coefficients)
        each[places] = found_parts.total
        for name, ms in found_parts.sums(work).items():
            parts[name] += ms
        for kind, ms in found_parts.kinds(work).items():
            kinds[kind] = kinds.get(kind, 0.0) + ms
        is_guessed = ~np.isin(work.kind, [OP_KINDS.index(kind) for kind in found.op_kinds])
        turning_ms += float(np.sum(found_parts.overhead[work.runs > 1]))
        guessed_ms += float(np.sum(found_parts.total[is_guessed]))
    stretch = float(calibration.coefficients.stretch(float(np.sum(each))))
    each *= stretch
    parts = {name: ms * (1 if name == "call" else stretch) for name, ms in parts.items()}
    kinds = {kind: ms * stretch for kind, ms in kinds.items()}
    value = sum(parts.values())
    low, high = value, value
    for uncertain_ms, spread in ((turning_ms * stretch, _TURN_SPREAD), (guessed_ms * stretch, _GUESS_SPREAD)):
        low, high = low - uncertain_ms * (1 - 1 / spread), high + uncertain_ms * (spread - 1)
    ratio = calibration.ratio(value, seen=calibration.saw(profile.chip))
    if placement.compute.unit == "cpu" and has_matrix_unit(profile):
        ratio = math.exp(math.hypot(math.log(ratio), _MATRIX_LOG_SD))
    # Guesses may overlap with loops: the low end stays above nothing.
    interval = (max(low, value / _TURN_SPREAD) / ratio, high * ratio)
    per_op = tuple(zip(graph.ops, each.tolist(), strict=True))
    return LatencyPrediction(_score(value, interval), _score(interval[1], interval), per_op, parts, kinds)


def _measured_as(compute: Compute, profile: DeviceProfile) -> Compute:
    """Core ML's calls of the Neural Engine cost more before iOS 14, which has rows of its own."""
    early = Compute("Core ML of iOS 13", "npu", "float16")
    return early if compute == early._replace(runtime="Core ML") and profile.os_number < 14 else compute


def _float_bytes(compute: Compute) -> int | None:
    """Units that compute in float16 hold float16 whatever the file says."""
    return None if compute.unit == "cpu" else 2


def _unknown(reason: str) -> LatencyPrediction:
    score = _score(None, reason=reason)
    return LatencyPrediction(score, score, ())


def _score(value: float | None, interval: tuple[float, float] | None = None, *, reason: str | None = None) -> Score:
    low, high = interval or (None, None)
    return Score(
        value=value, unit="ms", direction="lower", basis="predicted", low=low, high=high,
        confidence=None if interval is None else CONFIDENCE, reason=reason,
    )  # fmt: skip
