"""A clip's spectrogram as a small PNG within the page: loud is dark, and the style turns that round on dark paper."""

from __future__ import annotations

import base64
import math
import struct
import zlib

from evaluators.picture_records import Spectrogram
from reports.page.figures.scale import Tick

WIDTH, HEIGHT = 340, 84
_MARKS_HZ = (100, 1000, 10_000, 100_000)
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_INVERSE = bytes(range(255, -1, -1))


def draw_spectrogram(found: Spectrogram) -> str:
    """The picture as a data: URI.

    Source: W3C, "Portable Network Graphics (PNG) Specification", sections 5.3 and 11.2: greyscale, 8 bits, no filter.
    """
    levels = base64.b64decode(found.levels).translate(_INVERSE)
    rows = (levels[start : start + found.frames] for start in range(0, len(levels), found.frames))
    header = struct.pack(">IIBBBBB", found.frames, found.bands, 8, 0, 0, 0, 0)
    data = zlib.compress(b"".join(b"\0" + row for row in rows), 9)
    png = _SIGNATURE + _chunk(b"IHDR", header) + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"


def mark_frequencies(found: Spectrogram, height: float) -> tuple[Tick, ...]:
    """Powers of ten, from the bottom up: places in pixels of a picture so high."""
    if not 0 < found.low_hz < found.high_hz:
        return ()
    low, high = math.log(found.low_hz), math.log(found.high_hz)  # of each by itself: their ratio may be beyond a float
    marks = (mark for mark in _MARKS_HZ if found.low_hz * 1.05 < mark < found.high_hz)
    return tuple(
        Tick(round(height * (high - math.log(mark)) / (high - low), 1), _name_frequency(mark)) for mark in marks
    )


def _name_frequency(hz: int) -> str:
    return f"{hz // 1000} kHz" if hz >= 1000 else f"{hz} Hz"


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
