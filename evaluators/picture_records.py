"""What a report may draw of a clip: events, curves, spans of time, text, sound, and a picture of the clip itself."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Literal

import pydantic
import pydantic.dataclasses

from device_profiles.record import Record
from packager.bounds import MAX_SAMPLE_RATE_HZ, Count

NotNegative = Annotated[float, pydantic.Field(ge=0)]
Frequency = Annotated[float, pydantic.Field(ge=0, le=MAX_SAMPLE_RATE_HZ)]


@pydantic.dataclasses.dataclass(
    frozen=True, slots=True, kw_only=True, config={"extra": "forbid", "strict": True, "allow_inf_nan": False}
)
class Note:
    """A note event; times in seconds from the clip's start, pitch as a MIDI number, 0 to 127.

    A record in all but its base: an evaluation may hold a million, and a slotted class takes a fifth of the memory.
    """

    onset_s: float
    offset_s: float
    pitch_midi: Annotated[int, pydantic.Field(ge=0, le=127)]


MAX_CURVE_VALUES = 4096
"""more than any figure has pixels"""


class Curve(Record):
    """An output with one value a frame over one clip, thinned to what can be drawn."""

    output: str
    start_s: float
    step_s: NotNegative
    """distance of two values; where frames were thinned, a pair of values is the extremes of those between"""
    values: Annotated[tuple[float | None, ...], pydantic.Field(max_length=MAX_CURVE_VALUES)]
    """none where the output is not a number, for example the pitch of silence"""
    meaning: Literal["value", "pitch_hz", "probability"] = "value"
    """what the values are, which decides how they are drawn"""
    thresholds: Annotated[tuple[float, ...], pydantic.Field(max_length=4)] = ()
    """values at which something is decided, drawn as lines"""


class Span(Record):
    """A stretch of the clip with a label, for example "speech" or a chord."""

    start_s: float
    end_s: float
    label: Annotated[str, pydantic.Field(max_length=200)] = ""

    @pydantic.model_validator(mode="after")
    def _forward(self) -> Span:
        if self.end_s < self.start_s:
            raise ValueError(f"a span ends at {self.end_s:g} s, before it starts at {self.start_s:g} s")
        return self


MAX_TEXT = 20_000
"""characters of a clip's text: half an hour of speech"""


class Pictures(Record):
    """What a task wants drawn of a clip's labels, or of what a model made of the clip; all optional."""

    events: tuple[Note, ...] | None = None
    """drawn as a piano roll"""
    spans: Annotated[tuple[Span, ...], pydantic.Field(max_length=10_000)] | None = None
    """drawn as bars on the clip's time"""
    moments: bool = False
    """whether spans are moments, drawn long enough to be seen"""
    text: Annotated[str, pydantic.Field(max_length=MAX_TEXT)] | None = None
    """shown beside the labels' text"""
    words: bool = False
    """whether the text is words, to be laid beside the labels' one by one"""
    curves: tuple[Curve, ...] = ()
    """drawn as lines, the source model's beside the bundle's"""


def store_pictures(pictures: Pictures) -> Pictures | None:
    """What an evaluation holds of them: nothing where nothing is drawn."""
    return None if pictures == Pictures() else pictures


class Spectrogram(Record):
    """A clip's energy over time and frequency, as one byte a place."""

    frames: Annotated[int, pydantic.Field(gt=0, le=512)]
    """columns, over the whole clip"""
    bands: Annotated[int, pydantic.Field(gt=0, le=128)]
    """rows, the highest first, spaced by ratio"""
    low_hz: Frequency
    high_hz: Frequency
    range_db: NotNegative
    """from 0, which is that far or farther below the loudest place, to 255"""
    levels: str
    """`bands` rows of `frames` bytes, base64"""

    @pydantic.model_validator(mode="after")
    def _whole(self) -> Spectrogram:
        try:
            size = len(base64.b64decode(self.levels, validate=True))
        except binascii.Error as fault:
            raise ValueError(f"levels are not base64: {fault}") from None
        if size != self.frames * self.bands:
            raise ValueError(f"levels hold {size} bytes where {self.frames} frames of {self.bands} bands need as many")
        return self


class Preview(Record):
    """The beginning of a clip as the model heard it, mixed down to mono: a FLAC file beside evaluation.json."""

    path: str
    """relative to evaluation.json's folder, with forward slashes"""
    sha256: str
    duration_s: NotNegative


class Envelope(Record):
    """A waveform's outline: the least and the greatest sample of each of some stretches, evenly long."""

    columns: Annotated[int, pydantic.Field(gt=0, le=1000)]
    levels: Annotated[str, pydantic.Field(max_length=4000)]
    """of each column the least and the greatest, as signed bytes, full scale 127, base64"""

    @pydantic.model_validator(mode="after")
    def _whole(self) -> Envelope:
        try:
            size = len(base64.b64decode(self.levels, validate=True))
        except binascii.Error as fault:
            raise ValueError(f"levels are not base64: {fault}") from None
        if size != 2 * self.columns:
            raise ValueError(f"levels hold {size} bytes where {self.columns} columns need two each")
        return self


MAX_TRACKS = 8


class Track(Record):
    """Sound that can be compared by ear with other sound of the same clip: it starts where the clip does."""

    name: Annotated[str, pydantic.Field(max_length=200)]
    """what it is of the side that it belongs to, for example "input" or "channel 2"; may be empty where that is all"""
    sound: Preview
    envelope: Envelope
    """as it sounds: after it was turned down and clipped"""
    turned_down_db: NotNegative = 0.0
    """by how much it is quieter than it was, since it was far louder than the clip"""
    clipped_samples: Count = 0
    """how many lay beyond full scale, or were no number, and were put right to be played"""


Tracks = Annotated[tuple[Track, ...], pydantic.Field(max_length=MAX_TRACKS)]
