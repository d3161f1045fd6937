"""The signal-to-noise ratio, by one rule for all who ask: proofs, parity, searches for the op to blame, quantizers."""

from __future__ import annotations

import math


def snr_db(signal: float, error: float) -> float | None:
    """10 log10(signal / error).

    Args:
        signal: Sum or mean of the squares of a reference.
        error: Of its difference from an estimate, over the same values.

    Returns:
        Infinite where nothing differs. None where the reference is silent (0 throughout), or not finite: no error is
        large or small beside it. Minus infinite where the estimate alone is not finite.
    """
    if error == 0:
        return math.inf
    if signal == 0 or not math.isfinite(signal):
        return None
    if not math.isfinite(error):
        return -math.inf
    ratio = signal / error
    if ratio == 0 or math.isinf(ratio):  # the quotient of two that are finite may not be
        return 10 * (math.log10(signal) - math.log10(error))
    return 10 * math.log10(ratio)


def bounded_db(signal: float, error: float, most: float) -> float:
    """The same, cut to `-most` and `most`, for those who look for what is bad: where there is none, it is `most`."""
    ratio = snr_db(signal, error)
    return most if ratio is None else max(-most, min(most, ratio))
