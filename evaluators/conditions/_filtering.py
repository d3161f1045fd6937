"""Filters of linear phase, their delay undone."""

from __future__ import annotations

from scipy.signal import oaconvolve

from evaluators.condition import Wide
from evaluators.errors import EvaluationError


def filter_in_place(samples: Wide, taps: Wide) -> Wide:
    """Each channel through a symmetric filter, every event at its own time.

    Args:
        samples: `(channels, samples)`. Not modified.
        taps: Symmetric, an odd number of them.
    """
    half = len(taps) // 2
    filtered: Wide = oaconvolve(samples, taps[None], axes=1)[:, half : half + samples.shape[1]]
    return filtered


def check_low_end(low_hz: float, sample_rate_hz: int) -> None:
    """See that a filter's lower end leaves something of the audio.

    Raises:
        EvaluationError: It is not below half the rate.
    """
    if low_hz >= sample_rate_hz / 2:
        raise EvaluationError(
            f"low_hz {low_hz:g} leaves nothing of audio at {sample_rate_hz} Hz; "
            f"right is less than {sample_rate_hz / 2:g}"
        )
