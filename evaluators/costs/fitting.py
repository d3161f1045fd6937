"""Fits the coefficients of a kind of compute unit to published measurements, and tells how far off they are elsewhere.

Least squares of log time in the coefficients' logarithms, every family of models weighing the same, drawn to a prior
from physics, which keeps a term from taking another's place where a unit was measured with few families. What the
prediction needs of it is stored in coefficients.json by `python -m benchmarks.latency_model --write`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from evaluators.costs.calibration import SMALL_MS, Calibration, base_chip, half_width
from evaluators.costs.op_kinds import OP_KINDS
from evaluators.costs.op_times import Coefficients, Hardware, Vector, Work, split_times
from evaluators.costs.placement import Compute
from evaluators.costs.published import COMPUTES, Row

_ERROR_SD = 0.2
"""expected size of the model's own error, in log time: published two-parameter models of one phone err by about that"""

_CPU = Coefficients(0.02, 1.0, 0.2, 0.7, 0.3, 0.6, 0.04, 0.6, 0.6, 4.0, 3.0, 6.0, 12.0, 20.0, 1.5, 1.0, 1.0)
_APPLE_CPU = replace(_CPU, conv=1.0, window_gain=2.0)
_GPU = Coefficients(1.0, 15.0, 5.0, 0.5, 0.2, 0.5, 0.1, 0.5, 0.5, 100.0, 100.0, 32.0, 64.0, 1.0, 0.001, 1.5, 1.0, 0.5)
_APPLE_GPU = replace(_GPU, window_gain=1.0, product=1.0)
_NPU = Coefficients(0.1, 1.0, 0.3, 0.4, 0.03, 0.3, 0.03, 0.5, 0.5, 400.0, 64.0, 32.0, 64.0, 1.0, 0.0001, 1.0, 1.0)
_ANE = Coefficients(0.03, 0.3, 0.1, 1.1, 0.3, 0.4, 0.03, 5.0, 0.9, 2000.0, 4.0, 4.0, 8.0, 1.0, 0.0001, 1.0, 1.0)
"""orders of magnitude, which the rows then move. The Neural Engine's are narrow, since few architectures were measured:
activations stay on the chip, weights come over the memory's bandwidth, convolutions reach the maker's peak. Products of
tokens and channels do not, since it lays data out as pictures: to it they are convolutions over a picture one place
high, the tokens turned before and after (apple/ml-ane-transformers)"""

_CPU_SDS = Coefficients(0.5, 0.3, 0.3, 0.4, 0.5, 0.4, 0.7, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 1.0, 0.5, 0.0, 0.0, 0.0)
_GPU_SDS = Coefficients(1.0, 1.0, 1.0, 0.5, 1.0, 0.7, 0.7, 0.7, 0.5, 0.7, 1.2, 1.2, 1.2, 0.0, 1.0, 0.5, 0.0, 1.0)
_NPU_SDS = replace(_GPU_SDS, window_gain=0.0, product=0.0)
"""how far each may lie from its prior, in logarithms: 0.7 is a factor of two, 0 holds it"""
_ANE_SDS = Coefficients(0.2, 0.2, 0.2, 0.2, 0.2, 0.3, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2, 0.0, 1.0, 0.0, 0.0, 0.0)
_EARLY = {"growth": 0.3}
"""GPU and Neural Engine were measured on iOS 13 call by call in an app, where clocks may follow the load; other rows
are of tight loops, or of a CPU"""

_PRIORS = {
    COMPUTES["tflite_cpu_float"]: (_CPU, _CPU_SDS),
    COMPUTES["tflite_cpu_int8"]: (_CPU, _CPU_SDS),
    COMPUTES["tflite_gpu"]: (_GPU, _GPU_SDS),
    COMPUTES["tflite_npu"]: (_NPU, _NPU_SDS),
    COMPUTES["tflite_npu_int8"]: (_NPU, _NPU_SDS),
    COMPUTES["coreml_cpu"]: (_APPLE_CPU, replace(_GPU_SDS, product=0.0)),
    COMPUTES["coreml_gpu"]: (_APPLE_GPU, replace(_NPU_SDS, **_EARLY)),
    COMPUTES["coreml_npu"]: (_ANE, _ANE_SDS),
    COMPUTES["coreml_npu_early"]: (_NPU, replace(_NPU_SDS, **_EARLY)),
}

_SHARED = {
    **dict.fromkeys(
        (
            "call_ms",
            "op_kilocycles",
            "light_kilocycles",
            "spectrum",
            "memory_share",
            "weight_share",
            "cache_bytes_per_cycle",
        ),
        0.3,
    ),
    # An addition of integers brings both of its inputs and its result to other scales.
    "value_cycles": 1.0,
}
_PARENTS = {
    COMPUTES["tflite_cpu_int8"]: COMPUTES["tflite_cpu_float"],
    COMPUTES["tflite_npu_int8"]: COMPUTES["tflite_npu"],
}
"""kinds whose prior is the fit of another kind: integers are computed by other kernels, but called and stored alike"""

_FEWEST_GROUPS = 4
"""families or phones from which a quantile of their errors says something: with n of them it is the largest below 4"""

_FEW_PHONES_HALF_WIDTH = 0.5
"""where fewer phones were measured: a factor of 1.65. The phones that could be left out erred by 0.02 to 0.5"""

_WEIGHTY_SHARE = 0.05

_LIBRARIES = {"cpu": "XNNPACK", "gpu": "LiteRT 2"}
"""by unit, in the names of runtimes whose rows tell of the ops once a factor is their own: XNNPACK's kernels, below
TFLite or ExecuTorch or alone, where most rows are of TFLite's own kernels; ML Drift's, which LiteRT 2 runs a
`CompiledModel` with (google-ai-edge/LiteRT, README.md), where the others are of TFLite's GPU delegate"""

_LIBRARY_FACTOR = 0.8
_APP_CALL_MS = 0.4
"""what both factors are before any row is seen; 0.5 in logarithms is how far each may lie from it, 0.3 XNNPACK's"""

_APP = ("Core ML, in an app", "Core ML, Xcode's report on iOS")
"""how runtimes begin whose rows hold the whole call: those measured by an app, and Xcode's reports outside Apple, which
give even the smallest networks 0.6 ms. Apple's own tables, from Xcode 15 and iOS 17, hold the unit's time alone,
0.13 ms and more"""


@dataclass(frozen=True)
class Fit:
    """What some rows say of a kind."""

    coefficients: Coefficients
    library_factor: float
    """time of the kernels of `_LIBRARIES` over that of the others', on the same ops"""
    app_call_ms: float
    """what a whole call of Core ML adds"""

    @property
    def logs(self) -> Vector:
        """What is fitted."""
        return np.log([*self.coefficients.vector, self.library_factor, self.app_call_ms])

    @classmethod
    def of(cls, logs: Vector) -> Fit:
        """From what is fitted."""
        *values, library, app = np.exp(logs).tolist()
        return cls(Coefficients(*values), library, app)


@dataclass(frozen=True)
class Stack:
    """Rows, their ops one under another."""

    work: Work
    hardware: Hardware
    starts: npt.NDArray[np.int64]
    is_library: npt.NDArray[np.bool_]
    is_app: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, rows: Sequence[Row]) -> Stack:
        """Of these rows."""
        lengths = [len(row.work.kind) for row in rows]
        work = Work(*(np.concatenate(columns) for columns in zip(*(row.work for row in rows), strict=True)))
        names = Hardware.__dataclass_fields__
        hardware = Hardware(*(np.repeat([getattr(row.hardware, name) for row in rows], lengths) for name in names))
        starts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
        is_library = np.array([_LIBRARIES.get(row.compute.unit, "?") in row.runtime for row in rows])
        is_app = np.array([row.runtime.startswith(_APP) for row in rows])
        return cls(work, hardware, starts, is_library, is_app)

    def predict(self, fit: Fit) -> Vector:
        """Ms of each row."""
        each = split_times(self.work, self.hardware, fit.coefficients).total * self.work.times
        ops = np.add.reduceat(each, self.starts) * np.where(self.is_library, fit.library_factor, 1.0)
        call = fit.coefficients.call_ms + np.where(self.is_app, fit.app_call_ms, 0.0)
        return np.asarray(ops * fit.coefficients.stretch(ops) + call)


def fit(all_rows: Sequence[Row], compute: Compute) -> Fit:
    """Fit one kind's coefficients.

    Args:
        all_rows: Measurements; those of the kind, and of the kind that its prior comes from, count.
        compute: The kind.
    """
    from scipy.optimize import least_squares

    rows = rows_of(all_rows, compute)
    stack = Stack.of(rows)
    measured = np.log([row.latency_ms for row in rows])
    families = [row.family for row in rows]
    counts = Counter(families)
    weight = np.sqrt([len(rows) / len(counts) / counts[family] for family in families])
    start, spread = _PRIORS[compute]
    if compute in _PARENTS:
        parent = fit(all_rows, _PARENTS[compute]).coefficients
        start = replace(start, **{name: getattr(parent, name) for name in _SHARED})
        spread = replace(spread, **_SHARED)
    prior = Fit(start, _LIBRARY_FACTOR, _APP_CALL_MS).logs
    sds = np.append(spread.vector, [0.3 if compute.unit == "cpu" else 0.5, 0.5])

    free = sds > 0

    def fit_of(moved: Vector) -> Fit:
        logs = prior.copy()
        logs[free] = moved
        return Fit.of(logs)

    def residuals(moved: Vector) -> Vector:
        errors = np.log(stack.predict(fit_of(moved))) - measured
        return np.concatenate([errors / _ERROR_SD * weight, (moved - prior[free]) / sds[free]])

    return fit_of(least_squares(residuals, prior[free]).x)


def rows_of(rows: Sequence[Row], compute: Compute) -> tuple[Row, ...]:
    """Those of one kind."""
    return tuple(row for row in rows if row.compute == compute)


def log_errors(found: Fit, rows: Sequence[Row]) -> Vector:
    """log(measured / predicted) of each row."""
    return np.asarray(np.log([row.latency_ms for row in rows]) - np.log(Stack.of(rows).predict(found)))


def leave_out(all_rows: Sequence[Row], compute: Compute, group_of: Callable[[Row], str]) -> Vector:
    """log(measured / predicted) of a kind's rows, each fitted without its group; nan where there is one group only."""
    return leave_out_by(
        all_rows, rows_of(all_rows, compute), group_of, lambda known, left: log_errors(fit(known, compute), left)
    )


def leave_out_by(
    all_rows: Sequence[Row],
    rows: Sequence[Row],
    group_of: Callable[[Row], str],
    errors_of: Callable[[Sequence[Row], Sequence[Row]], Vector],
) -> Vector:
    """Errors of each row, predicted from what is not of its group; nan where there is one group only.

    Args:
        all_rows: What may be predicted from.
        rows: What is predicted.
        group_of: Name of a row's group.
        errors_of: The errors of the second rows, predicted from the first.
    """
    errors = np.full(len(rows), np.nan)
    groups = np.array([group_of(row) for row in rows])
    names = sorted(set(groups.tolist()))
    for name in names if len(names) > 1 else []:
        left = np.flatnonzero(groups == name)
        errors[left] = errors_of([row for row in all_rows if group_of(row) != name], [rows[i] for i in left])
    return errors


def calibrate(all_rows: Sequence[Row], compute: Compute) -> Calibration:
    """Everything that is stored of a kind.

    Args:
        all_rows: Measurements, as `fit` takes them.
        compute: The kind.
    """
    rows = rows_of(all_rows, compute)
    found = fit(all_rows, compute).coefficients
    errors = leave_out(all_rows, compute, lambda row: row.family)
    families = [row.family for row in rows]
    is_small = np.array([row.latency_ms < SMALL_MS for row in rows])
    return Calibration(
        coefficients=found,
        rows=len(rows),
        families=tuple(sorted(set(families))),
        chips=tuple(sorted({base_chip(row.chip) for row in rows})),
        op_kinds=tuple(sorted({kind for row in rows for kind in _weighty_kinds(row, found)})),
        small_half_width=regime_half_width(errors, families, is_small),
        large_half_width=regime_half_width(errors, families, ~is_small),
        phone_half_width=_phone_half_width(all_rows, compute),
    )


def _phone_half_width(all_rows: Sequence[Row], compute: Compute) -> float:
    """Half width of the 80 % interval that a phone whose chip was left out adds.

    Of each phone the median error counts, since the families' own errors are in the other term, and only families that
    another phone was measured with: else a family would be left out with the phone.
    """
    rows = rows_of(all_rows, compute)
    errors = leave_out(all_rows, compute, lambda row: base_chip(row.chip))
    seen_on: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        seen_on[row.family].add(base_chip(row.chip))
    by_chip: dict[str, list[float]] = defaultdict(list)
    for row, error in zip(rows, errors, strict=True):
        if len(seen_on[row.family]) > 1:
            by_chip[base_chip(row.chip)].append(error)
    if len(by_chip) < _FEWEST_GROUPS:
        return _FEW_PHONES_HALF_WIDTH
    return half_width([float(np.median(found)) for found in by_chip.values()], list(by_chip))


def regime_half_width(errors: Vector, families: Sequence[str], chosen: npt.NDArray[np.bool_]) -> float:
    """Half width of the 80 % interval, in log time, of the chosen rows; of all where too few families are among them.

    Args:
        errors: Of each row, its family left out.
        families: Of each row.
        chosen: The rows of one regime.
    """
    names = [family for family, is_chosen in zip(families, chosen, strict=True) if is_chosen]
    if len(set(names)) < _FEWEST_GROUPS:
        chosen, names = np.ones(len(families), bool), list(families)
    return half_width(errors[chosen].tolist(), names)


def _weighty_kinds(row: Row, found: Coefficients) -> list[str]:
    each = split_times(row.work, row.hardware, found).total * row.work.times
    return [kind for i, kind in enumerate(OP_KINDS) if each[row.work.kind == i].sum() > _WEIGHTY_SHARE * each.sum()]
