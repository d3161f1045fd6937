"""Noise under a clip at a signal-to-noise ratio."""

from __future__ import annotations

import numpy as np

from evaluators.condition import Wide, mean_power


def add_noise(samples: Wide, noise: Wide, snr_db: float) -> Wide:
    """The clip with noise at an exact ratio of their powers, both over all channels and the whole clip.

    Args:
        samples: `(channels, samples)`, not silent. Not modified.
        noise: The same shape, not silent; its level does not matter.
        snr_db: Power of the clip over that of the noise.
    """
    wanted = np.sqrt(mean_power(samples) / mean_power(noise)) * 10.0 ** (-snr_db / 20)
    noisy: Wide = samples + wanted * noise
    return noisy
