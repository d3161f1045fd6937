"""Audio at another rate and back, on the same time line."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import soxr

from evaluators.condition import Wide, fit_length

_TAIL_S = 0.1
"""of silence behind a clip while it is coded: codecs and filters give their last samples late"""


def resample(samples: Wide, from_hz: float, to_hz: float, quality: str = "VHQ") -> Wide:
    """Audio at another rate; soxr's filters have no delay."""
    if from_hz == to_hz:
        return samples
    changed: Wide = np.ascontiguousarray(soxr.resample(np.ascontiguousarray(samples.T), from_hz, to_hz, quality).T)
    return changed


def treat_at(samples: Wide, rate_hz: int, other_hz: int, treat: Callable[[Wide], Wide]) -> Wide:
    """Audio that was brought to another rate, treated there, and brought back to its own rate and length.

    Args:
        samples: `(channels, samples)`.
        rate_hz: Its rate.
        other_hz: Where it is treated.
        treat: Given and giving `(channels, samples)` at that rate; what it adds at the end is left out.
    """
    n_samples = samples.shape[1]
    tail = max(int(_TAIL_S * rate_hz), 1)
    there = resample(fit_length(samples, n_samples + tail), rate_hz, other_hz)
    there = fit_length(there, max(there.shape[1], 1))
    return fit_length(resample(fit_length(treat(there), there.shape[1]), other_hz, rate_hz), n_samples)


def choose_rate(rate_hz: int, known: Sequence[int]) -> int:
    """The lowest of the rates that loses nothing of audio at `rate_hz`, else the highest."""
    return next((one for one in sorted(known) if one >= rate_hz), max(known))
