"""Predictions moved by measured rows of a phone: by factors of their parts, then by what similar models are off by."""

from __future__ import annotations

import dataclasses
import functools
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from device_profiles.record import dump_json
from evaluators.costs.latency import LatencyPrediction
from evaluators.costs.own_measurements import MeasuredCall, PhoneCalibration
from evaluators.costs.part_factors import PartFactors, fit_factors
from evaluators.costs.placement import Compute
from evaluators.costs.similar_models import SimilarModels, Spent, fit_similar

_MOST_FOLDS = 40
"""fits that are made to leave models out"""


@dataclass(frozen=True)
class PhoneModel:
    """What measured rows say of predictions."""

    factors: PartFactors
    similar: Mapping[Compute, SimilarModels]

    def predict_ms(self, compute: Compute, spent: Spent) -> float:
        """A time moved by the rows.

        Args:
            compute: What computes the model.
            spent: What its uncalibrated prediction is spent on.
        """
        similar = self.similar.get(compute)
        moved = 0.0 if similar is None else similar.log_factor(spent)
        return self.factors.predict_ms(compute, spent.parts) * math.exp(moved)


def fit_phone(rows: Sequence[MeasuredCall]) -> PhoneModel:
    """What some measured rows say.

    Args:
        rows: Of one phone; those without a prediction tell nothing.
    """
    factors = fit_factors(rows)
    by_compute: dict[Compute, list[MeasuredCall]] = {}
    for row in factors.rows:
        by_compute.setdefault(row.compute, []).append(row)
    similar = {
        compute: fit_similar(
            [spent_of(row) for row in some],
            np.log([row.measured_ms / factors.predict_ms(compute, row.parts) for row in some]),
        )
        for compute, some in by_compute.items()
    }
    return PhoneModel(factors, similar)


def spent_of(one: MeasuredCall | LatencyPrediction) -> Spent:
    """What an uncalibrated prediction is spent on."""
    return Spent(one.parts, one.kinds)


def left_out_ms(rows: Sequence[MeasuredCall]) -> tuple[float | None, ...]:
    """What each row would have been predicted as by a calibration on the other models' rows; none without parts.

    Of more than _MOST_FOLDS models some are left out together.
    """
    models = dict.fromkeys((row.sha256, row.signature) for row in rows if row.parts)
    fold_of = {model: index % _MOST_FOLDS for index, model in enumerate(models)}
    folds = [fold_of.get((row.sha256, row.signature)) for row in rows]
    without = {
        fold: fit_phone([row for row, other in zip(rows, folds, strict=True) if other != fold])
        for fold in dict.fromkeys(fold_of.values())
    }
    return tuple(
        without[fold].predict_ms(row.compute, spent_of(row)) if fold is not None and row.parts else None
        for row, fold in zip(rows, folds, strict=True)
    )


@functools.lru_cache(maxsize=8)
def _fit(text: str) -> tuple[PhoneModel, tuple[float | None, ...]]:
    """What a calibration, as JSON, says, with its left-out predictions: many predictions are made with one."""
    rows = PhoneCalibration.model_validate_json(text).predicted
    return fit_phone(rows), left_out_ms(rows)


def apply_calibration(
    prediction: LatencyPrediction, compute: Compute, calibration: PhoneCalibration
) -> LatencyPrediction:
    """A prediction moved by measured rows of the phone.

    The interval shrinks by what the rows tell of this model's parts, and is as wide as the rows' own errors were with
    their model left out; where no row tells anything, value and interval stay as they were.

    Args:
        prediction: Uncalibrated.
        compute: What most of the model computes with.
        calibration: Of the same phone.
    """
    value, low, high = (getattr(prediction.latency_ms, name) for name in ("value", "low", "high"))
    phone, left_out = _fit(dump_json(calibration))
    factors = phone.factors
    if value is None or not prediction.parts or not any(row.compute[:2] == compute[:2] for row in factors.rows):
        return prediction
    after = phone.predict_ms(compute, spent_of(prediction))
    similar = after / factors.predict_ms(compute, prediction.parts)
    known = [
        (math.log(row.measured_ms / row.before_ms), math.log(row.measured_ms / ms))
        for row, ms in zip(factors.rows, left_out, strict=True)
        if row.compute[:2] == compute[:2] and ms is not None
    ]
    unknown = factors.knowledge(compute, prediction.parts)
    ends = [after * math.exp(_widen(math.log(end / value), known, unknown)) for end in (low, high)]
    latency = prediction.latency_ms.model_copy(update={"value": after, "low": ends[0], "high": ends[1]})
    parts = {part: ms * factors.factor(compute, part) * similar for part, ms in prediction.parts.items()}
    ops_before, ops_after = (sum(p.values()) - p.get("call", 0.0) for p in (prediction.parts, parts))
    ratio = ops_after / ops_before if ops_before else 1.0
    return dataclasses.replace(
        prediction,
        latency_ms=latency,
        latency_p90_ms=latency.model_copy(update={"value": ends[1]}),
        per_op=tuple((op, ms * ratio) for op, ms in prediction.per_op),
        parts=parts,
        kinds={kind: ms * ratio for kind, ms in prediction.kinds.items()},
    )


def tell_calibration(calibration: PhoneCalibration, compute: Compute) -> str:
    """One sentence on what measured rows of a phone say of a kind of computing."""
    same = sum(row.compute == compute for row in calibration.predicted)
    near = sum(row.compute[:2] == compute[:2] for row in calibration.predicted) - same
    if not same and not near:
        return f"None of the {_rows(len(calibration.rows))} of this phone tells of {compute}."
    others = f", and {near} of other types there" if near else ""
    return f"Moved by {_rows(same)} of {compute} on this phone{others}."


def _rows(count: int) -> str:
    return f"{count} measured {'row' if count == 1 else 'rows'}"


def _widen(reach: float, errors: Sequence[tuple[float, float]], unknown: float) -> float:
    """How far an interval reaches after the rows, in log time.

    Its own reach counts as one more error of that size: of one row or two, the spread is not known.

    Args:
        reach: Before the rows; negative below.
        errors: Of each row, log(measured / predicted): uncalibrated, and with its model left out.
        unknown: `PartFactors.knowledge`.
    """
    z = statistics.NormalDist().inv_cdf(0.9)
    own = (reach / z) ** 2
    before, after = ((own + sum(pair[i] ** 2 for pair in errors)) / (1 + len(errors)) for i in (0, 1))
    return math.copysign(z * math.sqrt(unknown * max(own, before) + (1 - unknown) * after), reach)
