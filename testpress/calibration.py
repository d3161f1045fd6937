"""Measured times of a phone beside what is predicted of them, and the calibration file that follows."""

from __future__ import annotations

import functools
import math
import statistics
from collections.abc import Sequence
from pathlib import Path

from device_profiles.errors import TestpressError
from device_profiles.profile import ComputeUnitKind, DeviceProfile
from device_profiles.record import Record
from device_profiles.text import shorten
from evaluators.costs.graph import Graph
from evaluators.costs.latency import predict_latency
from evaluators.costs.own_measurements import (
    MOST_ROWS,
    MeasuredCall,
    PhoneCalibration,
    describe_cost_model,
    describe_profile,
    digest_model,
)
from evaluators.costs.phone_model import fit_phone, left_out_ms, spent_of
from evaluators.costs.placement import Compute, PlacementRequest
from evaluators.errors import EvaluationError
from evaluators.formats import list_entries, name_precision, place, read_graph
from evaluators.measurements.measured_row import MeasuredRow
from packager.formats.phones import carry, find_runtime
from reports.notation import format_number
from testpress.measured_models import Measurements, find_models
from testpress.model_file import ModelFile
from testpress.table import align


class CalibratedRow(Record):
    """A measured time and what is predicted of it."""

    file: str
    signature: str | None
    compute: str | None
    """runtime, unit and type it multiplies in; none where nothing could be predicted"""
    threads: int
    measured_ms: float
    predicted_before_ms: float | None
    predicted_after_ms: float | None
    predicted_left_out_ms: float | None
    """by a calibration on the other models' rows: what it is worth for a model that was not measured"""
    reason: str | None
    """why nothing is predicted"""


class PartFactor(Record):
    """What the rows say of one part of predicted times."""

    compute: str
    part: str
    factor: float
    """what it is multiplied by"""


class CalibrationSummary(Record):
    """Mean absolute errors of predictions against the measured times, as shares of these."""

    rows: int
    predicted_rows: int
    before: float | None
    after: float | None
    left_out: float | None
    """with each model's rows left out; none where there is one model"""


class CalibrationReport(Record):
    """What `testpress calibrate` found."""

    device: str
    name: str
    summary: CalibrationSummary
    rows: tuple[CalibratedRow, ...]
    factors: tuple[PartFactor, ...]
    calibration: PhoneCalibration


def calibrate(profile: DeviceProfile, measurements: Measurements) -> CalibrationReport:
    """Hold measured times of a phone against its predictions, and find the factors between them.

    Raises:
        TestpressError: A file is missing or faulty, or no row can be predicted; one line a fault.
    """
    faults: list[str] = []
    rows = find_models(measurements, profile, faults)
    if len(rows) > MOST_ROWS:
        raise EvaluationError(f"{len(rows)} measured rows in all; right are at most {MOST_ROWS}, and a handful will do")
    calls: list[MeasuredCall] = []
    for row, model in rows:
        try:
            calls.append(_predict(row, model, profile))
        except TestpressError as fault:
            faults += [f"{row.source}: {line}" for line in str(fault).split("\n")]
    if faults:
        raise EvaluationError("\n".join(faults))
    if not any(call.parts for call in calls):
        raise EvaluationError("\n".join(f"{call.source}: cannot be predicted: {call.reason}" for call in calls))
    calibration = PhoneCalibration(
        device=profile.id,
        profile_sha256=describe_profile(profile),
        cost_model_sha256=describe_cost_model(),
        rows=tuple(calls),
    )
    return _report(profile, calibration)


def _predict(row: MeasuredRow, model: ModelFile, profile: DeviceProfile) -> MeasuredCall:
    phone = profile if row.runtime is None else carry(profile, [row.runtime])
    runtime = find_runtime(phone, model.format)
    if runtime is None:
        carried = " and ".join(one.name for one in phone.runtimes)
        raise EvaluationError(f"apps on {profile.id} carry {carried}, which do not play {model.format} models")
    signature = _check_signature(row, model)
    graph = _read_graph(model.path, signature)
    precision = model.bundle.manifest.precision if model.bundle else name_precision(graph)
    parts: dict[str, float] = {}
    kinds: dict[str, float] = {}
    unit: ComputeUnitKind = "cpu" if row.unit is None or row.unit == "default" else row.unit
    compute, threads, reason = Compute(runtime.name, unit, precision), row.threads or 1, None
    try:
        asked = PlacementRequest(
            unit=None if row.unit == "default" else row.unit, threads=row.threads if row.unit == "cpu" else None
        )
        placement = place(graph, precision, phone, asked)
        prediction = predict_latency(graph, placement, phone)
        parts, kinds, compute, threads = prediction.parts, prediction.kinds, placement.compute, placement.threads
        reason = prediction.latency_ms.reason
    except EvaluationError as fault:
        reason = str(fault)
    return MeasuredCall(
        file=row.file or str(model.path),
        sha256=digest_model(model.path),
        signature=row.signature,
        runtime=compute.runtime,
        unit=compute.unit,
        number=compute.number,
        threads=threads,
        measured_ms=row.ms,
        source=row.source,
        parts=parts,
        kinds=kinds,
        reason=reason,
    )


@functools.lru_cache(maxsize=8)
def _read_graph(path: Path, signature: str | None) -> Graph:
    """A model is measured on several units and threads, row after row."""
    return read_graph(path, signature)


def _check_signature(row: MeasuredRow, model: ModelFile) -> str | None:
    known = list_entries(model.path)
    if row.signature is None and len(known) > 1:
        raise EvaluationError(f"{model.path}: has signatures {', '.join(known)}; say in the row which was called")
    return row.signature


def _report(profile: DeviceProfile, calibration: PhoneCalibration) -> CalibrationReport:
    phone, left_out = fit_phone(calibration.rows), left_out_ms(calibration.rows)
    rows = tuple(
        CalibratedRow(
            file=call.file,
            signature=call.signature,
            compute=str(call.compute) if call.parts else None,
            threads=call.threads,
            measured_ms=call.measured_ms,
            predicted_before_ms=call.before_ms if call.parts else None,
            predicted_after_ms=phone.predict_ms(call.compute, spent_of(call)) if call.parts else None,
            predicted_left_out_ms=without,
            reason=call.reason,
        )
        for call, without in zip(calibration.rows, left_out, strict=True)
    )
    several = len({(call.sha256, call.signature) for call in calibration.predicted}) > 1
    summary = CalibrationSummary(
        rows=len(rows),
        predicted_rows=len(calibration.predicted),
        before=_mean_error(rows, "predicted_before_ms"),
        after=_mean_error(rows, "predicted_after_ms"),
        left_out=_mean_error(rows, "predicted_left_out_ms") if several else None,
    )
    computes = dict.fromkeys((call.compute, part) for call in calibration.predicted for part in call.parts)
    return CalibrationReport(
        device=profile.id,
        name=profile.name,
        summary=summary,
        rows=rows,
        factors=tuple(
            PartFactor(compute=str(compute), part=part, factor=phone.factors.factor(compute, part))
            for compute, part in computes
        ),
        calibration=calibration,
    )


def _mean_error(rows: Sequence[CalibratedRow], name: str) -> float | None:
    predicted = [(getattr(row, name), row.measured_ms) for row in rows]
    errors = [abs(ms / measured - 1) for ms, measured in predicted if ms is not None]
    return statistics.fmean(errors) if errors else None


def as_text(report: CalibrationReport, out: Path | None) -> str:
    """The report for people.

    Args:
        report: What was found.
        out: Where the calibration was written.
    """
    head = ("measured ms", "before", "after", "left out", "on", "file")
    rows = [head, *(_row_text(row) for row in report.rows)]
    factors = [(one.compute, one.part, f"x {one.factor:.2f}") for one in report.factors]
    parts = [
        f"{report.name} ({report.device}): measured, and predicted before and after the calibration",
        align(rows, right=(0, 1, 2, 3), indent="  "),
        _summary_text(report.summary),
        align([("computing", "part of a call", "factor"), *factors], indent="  "),
    ]
    if out is not None:
        parts.append(f"calibration: {out}")
    return "\n\n".join(parts)


def _row_text(row: CalibratedRow) -> tuple[str, ...]:
    predicted = (row.predicted_before_ms, row.predicted_after_ms, row.predicted_left_out_ms)
    shown = tuple("-" if ms is None else format_number(ms, "") for ms in predicted)
    name = shorten(row.file, 60) + (f" {row.signature}" if row.signature else "")
    threads = f", {row.threads} threads" if row.threads > 1 else ""
    where = f"{row.compute}{threads}" if row.compute else ""
    return (
        format_number(row.measured_ms, ""),
        *shown,
        where,
        name + (f": not predicted: {row.reason}" if row.reason else ""),
    )


def _summary_text(summary: CalibrationSummary) -> str:
    counted = f"{summary.predicted_rows} of {summary.rows} rows"
    words = [f"mean error of {counted}: {_percent(summary.before)} before, {_percent(summary.after)} after"]
    if summary.left_out is None:
        words.append("one model says nothing of how well others are predicted by it")
    else:
        words.append(f"{_percent(summary.left_out)} for each model by the others' rows alone")
    return "; ".join(words)


def _percent(share: float | None) -> str:
    return "-" if share is None or not math.isfinite(share) else f"{share:.1%}"
