"""What models like one another are off by: a Gaussian process over what is left of measured times once parts are moved.

A formula of a few coefficients errs by architecture: what it takes for a convolution of one model it takes for all of
the same shape, and a phone's kernels do not. Two sizes of one architecture, or one model in two lengths, are off alike.
How alike two models are follows from what their predicted time is made of, and from its size.

    log (measured / predicted) = f(model) + error,    cov f = amplitude² · exp(−½ distance²)

Amplitude and error are not settled: each pair of some counts as much as it explains the rows (their marginal
likelihood), no likeness at all among them. Source: Rasmussen and Williams, "Gaussian Processes for Machine Learning",
chapters 2 and 5.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

_AMPLITUDES = (0.0, 0.1, 0.2, 0.4)
"""in log time: held-out families of published models err by 0.15 to 0.6"""
_ERRORS = (0.05, 0.1, 0.2)
"""standard deviations of one row, in log time: from repeated runs of one phone to models that have nothing alike"""
_SHARE_SCALE = 0.2
"""distance of shares of the time, as the root of their squares' sum, over which likeness is lost. Of 0.1 to 0.3, this
predicted the other rows of twelve phones best (`python -m benchmarks.latency_model`)"""
_SIZE_SCALE = 1.0
"""the same for the logarithm of the time"""

Vector = npt.NDArray[np.float64]


class Spent(NamedTuple):
    """What a predicted time is spent on, in ms: two accounts of it."""

    parts: Mapping[str, float]
    """by `LatencyPrediction.parts`"""
    kinds: Mapping[str, float]
    """by kinds of ops; the call's own cost is in none"""


@dataclass(frozen=True)
class SimilarModels:
    """Measured models of one kind of computing."""

    models: tuple[Spent, ...]
    weights: tuple[tuple[float, float, Vector], ...]
    """of each pair of amplitude and error: how much it counts, the amplitude, and what each measured model adds"""

    def log_factor(self, model: Spent) -> float:
        """By how much a model's predicted time is moved, in log time; 0 for one that is like no measured one.

        Args:
            model: What its prediction is spent on.
        """
        if not self.models:
            return 0.0
        likeness = _likeness([model], self.models)[0]
        return sum(counts * amplitude**2 * float(likeness @ each) for counts, amplitude, each in self.weights)


def fit_similar(models: Sequence[Spent], errors: Vector) -> SimilarModels:
    """What measured models say of those like them.

    Args:
        models: What their predictions are spent on.
        errors: log (measured / predicted) of each.
    """
    if not models:
        return SimilarModels((), ())
    values, vectors = np.linalg.eigh(_likeness(models, models))
    turned = vectors.T @ errors
    pairs = []
    for amplitude in _AMPLITUDES:
        for error in _ERRORS:
            variances = amplitude**2 * np.maximum(values, 0.0) + error**2
            evidence = -0.5 * float((turned**2 / variances + np.log(variances)).sum())
            pairs.append((evidence, amplitude, vectors @ (turned / variances)))
    best = max(evidence for evidence, _, _ in pairs)
    counts = [math.exp(evidence - best) for evidence, _, _ in pairs]
    return SimilarModels(
        tuple(models),
        tuple((one / sum(counts), *pair[1:]) for one, pair in zip(counts, pairs, strict=True) if pair[1] > 0),
    )


def _likeness(some: Sequence[Spent], others: Sequence[Spent]) -> Vector:
    """1 for models whose times are made of the same, towards 0 for others; one row a model of the first."""
    names = [sorted({name for model in (*some, *others) for name in model[account]}) for account in (0, 1)]

    def describe(models: Sequence[Spent]) -> tuple[Vector, Vector]:
        """Shares of each model's time, and its logarithm."""
        totals = np.array([sum(model.parts.values()) for model in models])
        times = [[model[i].get(name, 0.0) for i in (0, 1) for name in names[i]] for model in models]
        return np.array(times) / totals[:, None], np.log(totals)

    (shares, sizes), (other_shares, other_sizes) = describe(some), describe(others)
    apart = ((shares[:, None] - other_shares[None]) ** 2).sum(2) / _SHARE_SCALE**2
    apart += (sizes[:, None] - other_sizes[None]) ** 2 / _SIZE_SCALE**2
    return np.asarray(np.exp(-0.5 * apart))
