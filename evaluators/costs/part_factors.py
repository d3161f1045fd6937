"""What measured rows of a phone say of the parts of predicted times.

A predicted time is a sum of parts in ms (`LatencyPrediction.parts`). Measured rows of a phone say how far each part is
off there, by a factor: one for all parts of a compute unit, times one for each part of each kind of computing. Their
logarithms have normal priors around 0 (a factor of 1), so that a handful of rows moves what they tell of and nothing
else, and no row moves nothing.

    log ms = common + log Σ part · exp(factor of the part) + error

The error is Student's t: a model with ops that a runtime leaves to slow kernels is off by a factor of its own, and must
not move the others. The factors are the posterior's mode, and its curvature there says how well they are known
(Laplace's approximation; MacKay, "Information Theory, Inference, and Learning Algorithms", chapter 27).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from evaluators.costs.own_measurements import MeasuredCall
from evaluators.costs.placement import Compute

_PART_SD = 0.5
"""how far one part may be off, in log time: held-out families of published models err by 0.15 to 0.6"""
_COMMON_SD = 0.8
"""how far all parts of a unit may be off together, in log time: one phone's software changes its time by up to several
times"""
_ERROR_SCALE = 0.1
_ERROR_FREEDOM = 3.0
"""of the error in log time, as Student's t has them. Source: `benchmarks.host_phone`, 28 models of which two are off by
a factor of 4 and more: each predicted by the others' rows errs by 12 % (median), with a normal error of whatever size
by 33 % and more. The scale is also that of measurements: nine of ten repeated runs on AI Hub's CPUs differ by 12 % at
most"""
_NORMAL = math.inf
"""degrees of freedom of a normal error"""
_STEPS = 200
_STARTS = (0.0, 0.25, 0.5, 0.75, 1.0)
"""quantiles of the rows' errors that the search for factors also begins at"""
_SMALL = 1e-8

Vector = npt.NDArray[np.float64]


@dataclass(frozen=True)
class PartFactors:
    """What measured rows say of the parts of predictions."""

    rows: tuple[MeasuredCall, ...]
    logs: Vector
    """logarithms of the factors, in the order of `names`"""
    covariance: Vector
    names: dict[tuple[str, ...], int]
    """(runtime, unit) of a common factor and (runtime, unit, number, part) of a part's → its place"""

    def factor(self, compute: Compute, part: str) -> float:
        """What one part of a prediction is multiplied by."""
        common, own = _names(compute, part)
        return math.exp(sum(self.logs[self.names[name]] for name in (common, own) if name in self.names))

    def predict_ms(self, compute: Compute, parts: Mapping[str, float]) -> float:
        """The time of parts with their factors."""
        return sum(ms * self.factor(compute, part) for part, ms in parts.items())

    def knowledge(self, compute: Compute, parts: Mapping[str, float]) -> float:
        """Share of the prior's variance of a predicted log time that the rows leave, 0 to 1; 1 where they say nothing.

        Factors that no row tells of keep their prior.
        """
        total = self.predict_ms(compute, parts)
        slope, prior, left = np.zeros(len(self.logs)), _COMMON_SD**2, 0.0
        common, _ = _names(compute, "")
        if common in self.names:
            slope[self.names[common]] = 1.0
        else:
            left += _COMMON_SD**2
        for part, ms in parts.items():
            share = ms * self.factor(compute, part) / total
            _, own = _names(compute, part)
            prior += (share * _PART_SD) ** 2
            if own in self.names:
                slope[self.names[own]] = share
            else:
                left += (share * _PART_SD) ** 2
        return float((slope @ self.covariance @ slope + left) / prior)


def fit_factors(rows: Sequence[MeasuredCall]) -> PartFactors:
    """The factors most probable after some measured rows.

    Args:
        rows: Of one phone; those without a prediction tell nothing.
    """
    used = [row for row in rows if row.parts]
    mentioned = (name for row in used for part in row.parts for name in _names(row.compute, part))
    names = {name: index for index, name in enumerate(dict.fromkeys(mentioned))}
    precision = np.array([(1 / (_COMMON_SD if len(name) == 2 else _PART_SD)) ** 2 for name in names])
    measured = np.log([row.measured_ms for row in used])

    times, common = np.zeros((len(used), len(names))), np.zeros((len(used), len(names)))
    for index, row in enumerate(used):
        for part, ms in row.parts.items():
            shared, own = _names(row.compute, part)
            times[index, names[own]] = ms
            common[index, names[shared]] = 1.0

    def model(logs: Vector) -> tuple[Vector, Vector]:
        """Log time of each row, and its slopes."""
        parts = times * np.exp(logs)
        totals = parts.sum(1)
        return common @ logs + np.log(totals), common + parts / totals[:, None]

    starts = [np.zeros(len(names))]
    # Where all rows are far off, each is an outlier to the prior: a normal error first brings the factors near.
    starts.append(_descend(model, measured, precision, starts[0], _NORMAL))
    # Rows that contradict each other have a mode each: the common factor alone begins at some of them.
    if used:
        is_common = np.array([len(name) == 2 for name in names])
        errors = np.unique(np.quantile(measured - model(starts[0])[0], _STARTS))
        starts += [np.where(is_common, error, 0.0) for error in errors]
    found = [_descend(model, measured, precision, start, _ERROR_FREEDOM) for start in starts]
    logs = min(found, key=lambda one: _cost(measured - model(one)[0], precision, one, _ERROR_FREEDOM))
    values, slopes = model(logs)
    _, weights = _lose(measured - values, _ERROR_FREEDOM)
    covariance = np.linalg.inv((slopes * weights[:, None]).T @ slopes + np.diag(precision))
    return PartFactors(tuple(used), logs, covariance, names)


def _lose(errors: Vector, freedom: float) -> tuple[Vector, Vector]:
    """Twice the negative logarithm of each error's density, and the weight of its square as the density bends it."""
    squares = (errors / _ERROR_SCALE) ** 2
    if freedom == _NORMAL:
        return squares, np.full(len(errors), _ERROR_SCALE**-2)
    return (freedom + 1) * np.log1p(squares / freedom), (freedom + 1) / (freedom + squares) / _ERROR_SCALE**2


def _cost(errors: Vector, precision: Vector, logs: Vector, freedom: float) -> float:
    return float(_lose(errors, freedom)[0].sum() + (precision * logs**2).sum())


def _descend(
    model: Callable[[Vector], tuple[Vector, Vector]], measured: Vector, precision: Vector, logs: Vector, freedom: float
) -> Vector:
    """The nearest mode, by reweighted Gauss–Newton steps; Levenberg's damping shortens one until it leads downhill."""
    damping = 1e-3
    values, slopes = model(logs)
    for _ in range(_STEPS if len(logs) else 0):
        errors = measured - values
        weights = _lose(errors, freedom)[1]
        curvature = (slopes * weights[:, None]).T @ slopes + np.diag(precision)
        downhill = slopes.T @ (weights * errors) - precision * logs
        step = np.linalg.solve(curvature + damping * np.diag(np.diag(curvature)), downhill)
        tried = logs + step
        tried_values, tried_slopes = model(tried)
        before = _cost(errors, precision, logs, freedom)
        if _cost(measured - tried_values, precision, tried, freedom) <= before:
            logs, values, slopes, damping = tried, tried_values, tried_slopes, damping / 10
        else:
            damping *= 10
        if np.abs(step).max() < _SMALL:
            break
    return logs


def _names(compute: Compute, part: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return (compute.runtime, compute.unit), (*compute, part)
