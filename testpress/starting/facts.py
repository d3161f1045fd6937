"""What workers find of a model and of data, before there is a recipe."""

from __future__ import annotations

import re

from device_profiles.record import Record

_LEAST_SAMPLES = 80
"""what one call hears of audio: 10 ms at 8 kHz"""
_FEATURES = re.compile(r"mel|spec|feat|mfcc|fbank|stft", re.IGNORECASE)


class TensorFacts(Record):
    """An input or an output of a model."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    time_axis: int | None = None
    """of an output, the axis that grows with the input, where that is known"""

    @property
    def sizes(self) -> tuple[int, ...]:
        """The shape without the batch."""
        return self.shape[1:] if self.shape[:1] == (1,) else self.shape

    @property
    def sound(self) -> tuple[int, int] | None:
        """Channels and samples of one call, where it may hold audio."""
        sizes = sorted(size for size in self.shape if size != 1)
        if not self.dtype.startswith("float") or _FEATURES.search(self.name):
            return None
        if len(sizes) == 1 and sizes[0] >= _LEAST_SAMPLES:
            return 1, sizes[0]
        if len(sizes) == 2 and sizes[0] == 2 and sizes[1] >= 8 * _LEAST_SAMPLES:
            return 2, sizes[1]
        return None


class ModelFacts(Record):
    """A model, loaded once."""

    framework: str
    inputs: tuple[TensorFacts, ...]
    outputs: tuple[TensorFacts, ...]
    is_positional: bool
    """whether outputs have no names of their own, so that a recipe may name them in their order"""
    assumed_window: bool = False
    """whether the length of its audio was chosen, since it takes any"""


class DataFacts(Record):
    """Audio that a user has."""

    form: str
    """in words"""
    clips: int
    seconds: float
    """of all clips that were looked at"""
    longest_s: float
    rates_hz: dict[int, int]
    """sample rate → how many clips have it"""
    channels: dict[int, int]
    """channel count → how many clips have it"""
    looked_at: int
    fits: tuple[str, ...]
    """tasks whose labels are there"""
    classes: tuple[str, ...] = ()
    """what names of classes the labels hold, sorted"""
    single_label: bool = False
    """whether each clip has exactly one class, and says it so that it can be no list"""
