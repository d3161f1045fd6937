"""Audio through codecs of whole numbers of 16 bits, frame by frame, their delay undone."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from evaluators.condition import Wide, fit_length

Pcm = npt.NDArray[np.int16]
FULL_SCALE = 32_768


def code_pcm(samples: Wide, code: Callable[[Pcm], Pcm], *, delay_samples: int, frame_samples: int) -> Wide:
    """What a codec makes of audio, each channel coded alone, on the same time line.

    Args:
        samples: `(channels, samples)`; what lies beyond full scale is cut off.
        code: Codes and decodes `(samples,)`, whole frames, and gives at least as many samples.
        delay_samples: By how much what it gives is late; as much silence is coded behind the clip.
        frame_samples: How many are coded at once.
    """
    n_samples = samples.shape[1]
    limited = np.clip(np.round(samples * FULL_SCALE), -FULL_SCALE, FULL_SCALE - 1).astype(np.int16)
    behind = delay_samples + -(n_samples + delay_samples) % frame_samples
    decoded = np.stack([code(channel)[delay_samples:] for channel in np.pad(limited, ((0, 0), (0, behind)))])
    return fit_length(decoded.astype(np.float64) / FULL_SCALE, n_samples)
