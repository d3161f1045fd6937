"""DNSMOS: how listeners would rate speech, its background and both together, predicted from the sound alone.

The network is the one that the package speechmos brings. Its own code is not imported: it needs librosa for a number
that is not asked for here (P.808), and takes all cores. What it does around the network is done here as there, odd as
it is, so that numbers are those that are published: a sound shorter than 9.01 s is doubled until it is as long, a
window of 9.01 s begins each second, those that come out a sample short by rounding are left out (they begin at 7 to
23 s and at 119 to 122 s), the network's three numbers each go through a parabola, and the mean over windows counts.

Source: Reddy, Gopal and Cutler, "DNSMOS P.835: A Non-Intrusive Perceptual Objective Speech Quality Metric to Evaluate
Noise Suppressors", ICASSP 2022, as speechmos 0.0.1.1 computes it.
"""

from __future__ import annotations

import functools
import importlib.resources
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from evaluators.task import Absent

RATE_HZ = 16_000
WINDOW_S = 9.01
WINDOW_SAMPLES = int(WINDOW_S * RATE_HZ)
PACKAGES = ("speechmos", "onnxruntime")
"""that decide a rating"""

_NETWORK = "dnsmos_models/sig_bak_ovr.onnx"
_PARABOLAS = {
    "sig": (-0.08397278, 1.22083953, 0.0052439),
    "bak": (-0.13166888, 1.60915514, -0.39604546),
    "ovrl": (-0.06766283, 1.11546468, 0.04602535),
}
"""of the network's outputs in their order, the highest power first"""


class Ratings(NamedTuple):
    """From 1, bad, to 5, excellent."""

    ovrl: float
    """of both together"""
    sig: float
    """of the speech"""
    bak: float
    """of the background: how little of it there is"""


def rate_sound(samples: npt.NDArray[np.float64], rate_hz: int) -> Ratings | Absent:
    """Rate sound; of several channels it is the mean over those that are not silent.

    Another rate than 16 kHz is resampled as the dataset's clips are, and as speechmos does with files. What goes beyond
    -1 or 1 is cut there, as a file of 16 bits would have it; speechmos refuses it.

    Args:
        samples: `(channels, samples)`.
        rate_hz: Its rate.
    """
    sounds = [_convert(row, rate_hz) for row in samples if row.any()]
    rated = [np.mean(_rate_windows(sound), axis=0) for sound in sounds if sound.any()]
    return Ratings(*np.mean(rated, axis=0).tolist()) if rated else Absent("the output is silent")


def _convert(row: npt.NDArray[np.float64], rate_hz: int) -> npt.NDArray[np.float32]:
    if rate_hz != RATE_HZ:
        import soxr

        row = soxr.resample(row, rate_hz, RATE_HZ, quality="HQ")
    return np.clip(row, -1, 1).astype(np.float32)


def _rate_windows(sound: npt.NDArray[np.float32]) -> list[Ratings]:
    """Of each window; those that are equal, since a short sound is repeated, are rated once."""
    repeated = sound
    while len(repeated) < WINDOW_SAMPLES:
        repeated = np.append(repeated, repeated)
    rated: dict[int, Ratings] = {}
    windows = []
    for start in find_starts(len(repeated)):
        place = start % len(sound)
        if place not in rated:
            rated[place] = _rate_window(repeated[start : start + WINDOW_SAMPLES])
        windows.append(rated[place])
    return windows


def find_starts(n_samples: int) -> list[int]:
    """The first sample of each window of a sound that is at least as long as one."""
    hops = int(n_samples // RATE_HZ - WINDOW_S) + 1
    return [hop * RATE_HZ for hop in range(hops) if int((hop + WINDOW_S) * RATE_HZ) >= hop * RATE_HZ + WINDOW_SAMPLES]


def _rate_window(window: npt.NDArray[np.float32]) -> Ratings:
    ((found,),) = _open_network().run(None, {"input_1": window[None]})
    values = zip(_PARABOLAS.items(), found, strict=True)
    return Ratings(**{part: float(np.polyval(parabola, float(value))) for (part, parabola), value in values})


@functools.cache
def _open_network() -> Any:
    """The network on one thread, so that a rating does not depend on the machine's load and workers do not crowd."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    network = importlib.resources.files("speechmos").joinpath(_NETWORK).read_bytes()
    return onnxruntime.InferenceSession(network, options, providers=["CPUExecutionProvider"])
