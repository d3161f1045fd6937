"""Where in a clean recording somebody speaks, by its level: for studio prompts without noise, and for nothing else.

Frames of 20 ms every 10 ms are speech where their level is above the clip's loud frames' (the 95th percentile) less
`RANGE_DB`. Gaps shorter than `GAP_S`, such as those of plosives, are closed, and what is shorter than `LEAST_S` then is
left out. Nothing is added before or after.
"""

from __future__ import annotations

import numpy as np

from evaluators.datasets.builtin.collection import Mono

FRAME_S = 0.02
HOP_S = 0.01
RANGE_DB = 40.0
GAP_S = 0.25
LEAST_S = 0.05
_FLOOR = 1e-12

RULE = (
    f"speech is where frames of {FRAME_S * 1000:.0f} ms are louder than the clip's 95th percentile less "
    f"{RANGE_DB:.0f} dB; gaps below {GAP_S * 1000:.0f} ms are closed, runs below {LEAST_S * 1000:.0f} ms left out"
)


def find_speech(samples: Mono, sample_rate_hz: int) -> list[list[float]]:
    """Runs of speech, each `[start_s, end_s]`, in order and within the clip.

    Args:
        samples: Float32 `(samples,)`, without noise. Not modified.
        sample_rate_hz: Their rate.
    """
    length, hop = round(FRAME_S * sample_rate_hz), round(HOP_S * sample_rate_hz)
    if len(samples) < length:
        return []
    frames = np.lib.stride_tricks.sliding_window_view(samples, length)[::hop]
    levels_db = 10 * np.log10(np.mean(np.square(frames, dtype=np.float64), axis=1) + _FLOOR)
    loud = levels_db > np.percentile(levels_db, 95) - RANGE_DB
    edges = np.flatnonzero(np.diff(loud.astype(np.int8), prepend=0, append=0))
    end_s = len(samples) / sample_rate_hz
    runs: list[list[float]] = []
    for first, last in zip(edges[::2], edges[1::2], strict=True):
        run = [first * hop / sample_rate_hz, min(((last - 1) * hop + length) / sample_rate_hz, end_s)]
        if runs and run[0] - runs[-1][1] < GAP_S:
            runs[-1][1] = run[1]
        else:
            runs.append(run)
    return [[round(start, 4), round(end, 4)] for start, end in runs if end - start >= LEAST_S]
