"""The latency model's coefficients, fitted at load on published measurements of real phones.

`published_latency.csv` holds the measurements, each with the repository, path and commit it was read from, and what the
model does in one call; `published_phones.csv` holds what those phones can do at most. The model is a roofline whose
terms add up instead of hiding each other:

    ms = call + Σ op + macs / (peak · u) + activation_bytes / (bandwidth · v) + weight_bytes / (bandwidth · w)

Adding makes the sum over ops a sum over totals, so that rows whose graphs are not at hand can be fitted, and an op of a
graph is priced by the same coefficients. The coefficients are positive and drawn to a prior (a normal one on their
logarithms), which keeps a term from taking another's place where a kind of compute unit was measured with few families.
"""

from __future__ import annotations

import csv
import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import numpy as np
import numpy.typing as npt

from evaluators.costs.placement import ComputeKind

KINDS: tuple[ComputeKind, ...] = get_args(ComputeKind)
CONFIDENCE = 0.8
_ERROR_SD = 0.2
"""expected size of the model's own error, in log time: published two-parameter models of one phone err by about that"""
_PRIOR_SD = 0.7
"""how far a coefficient may lie from its prior, in logarithms: a factor of two is one standard deviation"""

VALUE_BYTES: dict[ComputeKind, int] = {
    "tflite_cpu_float": 4, "tflite_cpu_int8": 1, "tflite_gpu": 2, "coreml_cpu": 4, "coreml_gpu": 2, "coreml_npu": 2,
}  # fmt: skip
"""bytes of one value where it is computed; GPUs and the Neural Engine hold float16 even for float32 models"""

_PRIORS: dict[ComputeKind, tuple[float, float, float, float, float]] = {
    "tflite_cpu_float": (0.05, 0.01, 0.5, 0.33, 0.5),
    "tflite_cpu_int8": (0.05, 0.01, 0.5, 0.33, 0.5),
    "tflite_gpu": (1.0, 0.02, 0.33, 0.33, 0.5),
    "coreml_cpu": (0.5, 0.01, 0.5, 0.33, 0.5),
    "coreml_gpu": (1.0, 0.02, 0.5, 0.33, 0.5),
    "coreml_npu": (0.1, 0.001, 0.33, 0.5, 0.5),
}
"""call ms, op ms, utilisations u, v, w before any row is seen: orders of magnitude, which the rows then move"""
_OLD_CALL_PRIOR_MS = 1.0


@dataclass(frozen=True)
class Row:
    """One published measurement, in the model's terms."""

    kind: ComputeKind
    family: str
    model: str
    device: str
    chip: str
    latency_ms: float
    mac_ms: float
    """multiply-adds at the phone's peak"""
    activation_ms: float
    """activations at the phone's peak bandwidth"""
    weight_ms: float
    ops: int
    old_runtime: bool
    """measured on a Neural Engine of iOS 13, whose calls cost more"""

    @property
    def terms(self) -> tuple[float, ...]:
        """What the coefficients multiply."""
        return (1.0, self.ops, self.mac_ms, self.activation_ms, self.weight_ms, float(self.old_runtime))


@dataclass(frozen=True)
class Coefficients:
    """Of one kind of compute unit."""

    call_ms: float
    op_ms: float
    mac_utilisation: float
    """share of the peak; above 1 where the unit has matrix hardware the peak does not count (Apple's AMX)"""
    activation_utilisation: float
    """share of the bandwidth; above 1 where caches hold the activations"""
    weight_utilisation: float
    old_call_ms: float

    @property
    def weights(self) -> npt.NDArray[np.float64]:
        """Factors of `Row.terms`."""
        u = (self.mac_utilisation, self.activation_utilisation, self.weight_utilisation)
        return np.array([self.call_ms, self.op_ms, *(1 / share for share in u), self.old_call_ms])


@dataclass(frozen=True)
class Calibration:
    """Coefficients of a kind and how far they were off on families they had not seen."""

    kind: ComputeKind
    coefficients: Coefficients
    rows: tuple[Row, ...]
    family_errors: tuple[float, ...]
    """a row: log(measured / predicted), fitted without the row's family"""
    phone_errors: tuple[float, ...]
    """a phone: median of log(measured / predicted), fitted without the phone; empty where there is only one"""

    def saw(self, chip: str) -> bool:
        """Whether a phone with this chip is among the measured ones."""
        return any(f" {row.chip} " in f" {chip} " for row in self.rows)

    def ratio(self, *, seen: bool) -> float:
        """Factor by which the 80 % interval reaches below and above the prediction.

        From the errors on families left out (`half_width`). For a phone that was not measured the error on phones left
        out is added, as independent errors add.
        """
        family = half_width(self.family_errors, [row.family for row in self.rows])
        return math.exp(family if seen else math.hypot(family, phone_half_width(self)))


def half_width(errors: Sequence[float], groups: Sequence[str]) -> float:
    """Half width of the 80 % interval of a log error on a new group, from the errors on groups left out.

    Groups, not rows, are the sample: rows of one family err alike. The root mean square error, every group weighing the
    same, is widened by Student's t for the few groups there are: t(0.9; n − 1) · √(1 + 1/n). Plain quantiles of the
    errors held 16 to 87 % of the rows of a family that had not lent them its own.
    """
    from scipy.special import stdtrit

    names = sorted(set(groups))
    squares = [
        np.mean([error**2 for error, group in zip(errors, groups, strict=True) if group == name]) for name in names
    ]
    n = len(names)
    return float(stdtrit(n - 1, (1 + CONFIDENCE) / 2) * math.sqrt(1 + 1 / n) * math.sqrt(np.mean(squares)))


def phone_half_width(calibration: Calibration) -> float:
    """As `half_width`, of a phone that was left out.

    From the kind's own phones where there are three at least, else from those of all kinds.
    """
    errors = calibration.phone_errors
    if len(errors) < 3:
        errors = tuple(error for kind in KINDS for error in calibrate(kind).phone_errors)
    return half_width(errors, [str(i) for i in range(len(errors))])


@functools.cache
def calibrate(kind: ComputeKind) -> Calibration:
    """Fit one kind's coefficients, and again without each family and each phone."""
    rows = tuple(row for row in published_rows() if row.kind == kind)
    family = _left_out(rows, kind, lambda row: row.family)
    phone = _left_out(rows, kind, lambda row: row.device)
    devices = sorted({row.device for row in rows})
    return Calibration(
        kind=kind,
        coefficients=fit(rows, kind),
        rows=rows,
        family_errors=family,
        phone_errors=tuple(
            float(np.median([error for error, row in zip(phone, rows, strict=True) if row.device == device]))
            for device in devices
        )
        if len(devices) > 1
        else (),
    )


def fit(rows: Sequence[Row], kind: ComputeKind) -> Coefficients:
    """Coefficients of a kind from these rows: least squares of log time, every family weighing the same."""
    from scipy.optimize import least_squares

    terms = np.array([row.terms for row in rows])
    measured = np.log([row.latency_ms for row in rows])
    families = [row.family for row in rows]
    weight = np.sqrt([len(rows) / len(set(families)) / families.count(family) for family in families]) / _ERROR_SD
    prior = np.log(Coefficients(*_PRIORS[kind], _OLD_CALL_PRIOR_MS).weights)

    def residuals(logs: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return np.concatenate([(np.log(terms @ np.exp(logs)) - measured) * weight, (logs - prior) / _PRIOR_SD])

    def slopes(logs: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        parts = terms * np.exp(logs)
        return np.concatenate([parts / parts.sum(1, keepdims=True) * weight[:, None], np.eye(len(logs)) / _PRIOR_SD])

    call, op, macs, activations, weights, old = np.exp(least_squares(residuals, prior, jac=slopes).x).tolist()
    return Coefficients(call, op, 1 / macs, 1 / activations, 1 / weights, old)


def log_errors(coefficients: Coefficients, rows: Sequence[Row]) -> tuple[float, ...]:
    """log(measured / predicted) of each row."""
    predicted = np.array([row.terms for row in rows]) @ coefficients.weights
    return tuple(np.log(np.array([row.latency_ms for row in rows]) / predicted).tolist())


@functools.cache
def published_rows() -> tuple[Row, ...]:
    """All rows of `published_latency.csv`."""
    phones = {(p["device"], p["kind"], p["threads"]): p for p in _read("published_phones.csv")}
    return tuple(
        _row(entry, phones[entry["device"], entry["kind"], entry["threads"]])
        for entry in _read("published_latency.csv")
    )


def _row(entry: dict[str, str], phone: dict[str, str]) -> Row:
    kind = _kind(entry["kind"])
    peak, bandwidth = float(phone["peak_gmac_s"]), float(phone["bandwidth_gb_s"])
    return Row(
        kind=kind,
        family=entry["family"],
        model=f"{entry['model']} {entry['input']}",
        device=entry["device"],
        chip=phone["chip"],
        latency_ms=float(entry["latency_ms"]),
        mac_ms=int(entry["macs"]) / peak / 1e6,
        activation_ms=int(entry["activation_values"]) * VALUE_BYTES[kind] / bandwidth / 1e6,
        weight_ms=int(entry["weight_values"]) * VALUE_BYTES[kind] / bandwidth / 1e6,
        ops=int(entry["ops"]),
        old_runtime=entry["runtime"].startswith("iOS 13") and kind == "coreml_npu",
    )


def _kind(word: str) -> ComputeKind:
    return next(kind for kind in KINDS if kind == word)


def _left_out(rows: Sequence[Row], kind: ComputeKind, group_of: Callable[[Row], str]) -> tuple[float, ...]:
    """log(measured / predicted) of each row, fitted without the row's group; nan where there is one group only."""
    errors = np.full(len(rows), np.nan)
    groups = np.array([group_of(row) for row in rows])
    names = sorted(set(groups.tolist()))
    for name in names if len(names) > 1 else []:
        coefficients = fit([row for row, group in zip(rows, groups, strict=True) if group != name], kind)
        errors[groups == name] = log_errors(coefficients, [rows[i] for i in np.flatnonzero(groups == name)])
    return tuple(errors.tolist())


def _read(name: str) -> list[dict[str, str]]:
    with (Path(__file__).parent / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
