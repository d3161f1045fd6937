"""What a model file says of itself: author, licence, what goes in at what rate, labels. Read from the file alone.

Nothing of it decides how a model runs. It is text of strangers: cut to a length, counted to a bound, and cleaned where
it is shown.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal

from device_profiles.record import Record
from device_profiles.text import shorten
from packager.bounds import MAX_SAMPLE_RATE_HZ

_LONGEST = 400
_FIRST_LABELS = 5
_RATE = re.compile(r"(?<![\w.])(\d{1,3}(?:\.\d{1,3})?\s?k|\d{4,6}\s?)Hz\b", re.IGNORECASE)
_RATE_KEYS = frozenset({"samplerate", "samplingrate", "samplefrequency", "samplingfrequency", "sampleratehz"})
_LEAST_RATE_HZ = 4000


class Labels(Record):
    """Names of an output's values."""

    output: str
    """the output, or the file they lie in"""
    count: int
    first: tuple[str, ...]
    """the first of them"""


class TensorText(Record):
    """What is said of one input or output."""

    role: Literal["in", "out"]
    name: str
    """as the metadata calls it"""
    text: str


class ModelMetadata(Record):
    """What a file says of itself; empty texts and none for what it leaves out."""

    name: str = ""
    description: str = ""
    version: str = ""
    author: str = ""
    license: str = ""
    sample_rate_hz: int | None = None
    """of the audio it hears"""
    rate_from: Literal["properties", "words"] | None = None
    """properties: a field says so · words: a description does"""
    channels: int | None = None
    tensors: tuple[TensorText, ...] = ()
    labels: tuple[Labels, ...] = ()
    others: dict[str, str] = {}
    """what else is said, by key"""
    fault: str | None = None
    """why it cannot be read, where it is damaged"""


def make_labels(output: str, names: Iterable[str]) -> Labels:
    """A record of labels, of which the first are kept."""
    known = list(names)
    return Labels(output=cut(output), count=len(known), first=tuple(cut(name) for name in known[:_FIRST_LABELS]))


def cut(text: str) -> str:
    """Text of strangers on one line, cleaned and bounded."""
    return shorten(text, _LONGEST)


def with_rate(found: ModelMetadata) -> ModelMetadata:
    """The metadata with the sample rate that its words name, if no field does and they name one only."""
    if found.sample_rate_hz is not None:
        return found
    named = {
        int(value)
        for key, value in found.others.items()
        if re.sub(r"[^a-z]", "", key.lower()) in _RATE_KEYS and value.isdecimal()
    }
    inputs = " ".join(tensor.text for tensor in found.tensors if tensor.role == "in")
    for text in (inputs, found.description):
        named = named or {_rate_hz(match) for match in _RATE.findall(text)}
    rates = {rate for rate in named if _LEAST_RATE_HZ <= rate <= MAX_SAMPLE_RATE_HZ}
    if len(rates) != 1 or len(named) != 1:
        return found
    return found.model_copy(update={"sample_rate_hz": rates.pop(), "rate_from": "words"})


def _rate_hz(text: str) -> int:
    number = text.strip().lower()
    return round(float(number[:-1]) * 1000) if number.endswith("k") else int(number)
