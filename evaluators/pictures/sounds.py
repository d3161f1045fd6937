"""Sound that a report lets one hear beside a clip: never dangerously loud, short, and drawn as it sounds."""

from __future__ import annotations

import base64
import hashlib
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from evaluators.picture_records import Envelope, Preview, Track
from packager.storage import write_bytes_atomically

FOLDER = "previews"
MAX_HEARD_SAMPLES = 96_000
"""6 s at 16 kHz, some 130 kB of FLAC: there are several of each clip"""

_COLUMNS = 240
_LOUDER_DB = 12.0
"""by which sound may be louder than the clip: a quiet clip that comes back as noise at full scale hurts the ear"""
_QUIETEST_RMS = 0.01
"""a clip counts as at least so loud, -40 dB of full scale, so that what is made of silence can be heard"""

_FARTHEST = 1e6


@dataclass(frozen=True)
class Sound:
    """What a task lets hear.

    Attributes:
        name: What it is of its side, see `Track`; empty where it is all.
        samples: `(samples,)`, full scale 1, from the clip's start.
        rate_hz: Their rate.
    """

    name: str
    samples: npt.NDArray[Any]
    rate_hz: int


def name_channels(rows: npt.NDArray[Any], rate_hz: int) -> tuple[Sound, ...]:
    """Each channel, or source of a mixture, as a sound of its own; one alone needs no name.

    Args:
        rows: `(channels, samples)`.
        rate_hz: Their rate.
    """
    names = [f"channel {number}" if len(rows) > 1 else "" for number in range(1, len(rows) + 1)]
    return tuple(Sound(name, row, rate_hz) for name, row in zip(names, rows, strict=True))


def find_loudness(clip: npt.NDArray[Any]) -> float:
    """How loud sound beside a clip may be, as the root of its mean square."""
    rms = float(np.sqrt(np.mean(np.square(clip, dtype=np.float64)))) if clip.size else 0.0
    return float(max(rms, _QUIETEST_RMS) * 10 ** (_LOUDER_DB / 20))


def keep_sound(sound: Sound, loudest_rms: float, out: Path) -> Track:
    """Store the beginning of a sound, turned down where it is too loud, and draw it.

    Args:
        sound: What is heard; it may be of a stranger's making.
        loudest_rms: See `find_loudness`.
        out: The file goes to its folder `previews`, named by content.
    """
    samples = np.asarray(sound.samples[:MAX_HEARD_SAMPLES], np.float64)
    finite = np.isfinite(samples)
    # Squares of what is very far beyond full scale have no sum.
    samples = np.clip(np.where(finite, samples, 0.0), -_FARTHEST, _FARTHEST)
    rms = float(np.sqrt(np.mean(np.square(samples)))) if samples.size else 0.0
    gain = min(1.0, loudest_rms / rms) if rms > 0 else 1.0
    heard = np.clip(samples * gain, -1.0, 1.0)
    return Track(
        name=sound.name[:200],
        sound=store_flac(heard.astype(np.float32), sound.rate_hz, out),
        envelope=draw_envelope(heard),
        turned_down_db=round(-20 * float(np.log10(gain)), 1) if gain < 1 else 0.0,
        clipped_samples=int((~finite).sum() + (np.abs(samples * gain) > 1).sum()),
    )


def draw_envelope(samples: npt.NDArray[np.float64]) -> Envelope:
    """The outline of samples within full scale; at least one sample."""
    columns = min(_COLUMNS, len(samples))
    starts = np.linspace(0, len(samples), columns, endpoint=False).astype(int)
    ends = np.stack([np.minimum.reduceat(samples, starts), np.maximum.reduceat(samples, starts)], axis=1)
    levels = np.round(ends * 127).astype(np.int8)
    return Envelope(columns=columns, levels=base64.b64encode(levels.tobytes()).decode())


def store_flac(samples: npt.NDArray[np.float32], rate_hz: int, out: Path) -> Preview:
    """Store mono samples as a small FLAC file, named by what it holds, so that none is ever stale.

    Args:
        samples: `(samples,)`; what is beyond full scale is clipped.
        rate_hz: Their rate.
        out: The file goes to its folder `previews`.
    """
    import soundfile

    file = io.BytesIO()
    soundfile.write(file, np.clip(samples, -1, 1), rate_hz, format="FLAC", subtype="PCM_16")
    data = file.getvalue()
    sha256 = hashlib.sha256(data).hexdigest()
    path = f"{FOLDER}/{sha256[:32]}.flac"
    if not _holds(out / path, data):
        write_bytes_atomically(out / path, data)
    return Preview(path=path, sha256=sha256, duration_s=len(samples) / rate_hz)


def _holds(path: Path, data: bytes) -> bool:
    """Whether a file is there and still what was written."""
    try:
        return path.is_file() and path.stat().st_size == len(data) and path.read_bytes() == data
    except OSError:
        return False
