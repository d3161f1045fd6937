"""What a model says frame by frame: read with checks, and made into peaks or stretches of time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import pydantic

from device_profiles.record import Record
from evaluators.decoding.outputs import check_finite, take_output
from evaluators.errors import EvaluationError
from evaluators.windows import Stitched

Values = npt.NDArray[np.float64]
Segments = tuple[tuple[float, float], ...]
"""start and end in seconds, in order, none over another"""


class FrameOptions(Record):
    """What every task asks that reads a model frame by frame."""

    time_offset_ms: Annotated[float, pydantic.Field(ge=-10_000, le=10_000)] = 0.0
    """added to the outputs' times: half a window where one value a window stands for the window's middle, a whole one
    where it is known at the window's end"""


@dataclass(frozen=True)
class Frames:
    """An output with one or many values a frame."""

    values: Values
    """`(frames, columns)`"""
    times_s: Values
    """`(frames,)`, strictly rising"""

    @property
    def step_s(self) -> float:
        """The time of one frame; 0 where there is only one, and nothing tells."""
        return float(np.median(np.diff(self.times_s))) if len(self.times_s) > 1 else 0.0


def read_frames(outputs: Mapping[str, Stitched], name: str, options: FrameOptions, *, task: str) -> Frames:
    """Read an output of one or many values a frame, or a window.

    Args:
        outputs: A clip's outputs.
        name: Of the output.
        options: How its times are to be moved.
        task: What asks, for messages.

    Raises:
        EvaluationError: The output is not there, is of another kind or shape, or is not finite.
    """
    output = take_output(outputs, name, task)
    if output.kind not in ("frames", "window"):
        raise EvaluationError(f'output \'{name}\' is of kind "{output.kind}"; right is "frames" or "window"')
    values: npt.NDArray[Any] = output.values
    if values.ndim not in (1, 2) or 0 in values.shape[1:]:
        raise EvaluationError(f"output '{name}' must be (frames,) or (frames, columns); found {values.shape}")
    table: Values = np.asarray(values, np.float64).reshape(len(values), values.shape[1] if values.ndim == 2 else 1)
    times_s = output.times_s + options.time_offset_ms / 1000
    check_finite(np.asarray(np.isfinite(table).all(axis=1)), times_s, name)
    return Frames(table, times_s)


def pick_column(frames: Frames, column: int, name: str) -> Values:
    """One column of an output, `(frames,)`.

    Raises:
        EvaluationError: There is no such column.
    """
    columns = frames.values.shape[1]
    if column >= columns:
        raise EvaluationError(f"output '{name}' has {columns} columns, counted from 0; there is no column {column}")
    return frames.values[:, column]


def pick_peaks(values: Values, *, threshold: float, minimum_frames: int) -> list[int]:
    """The frames of the local maxima that reach a threshold, the higher one of any two that are too close.

    Of a plateau it is the middle. The first and the last frame may be a peak too, which `scipy.signal.find_peaks`, that
    finds the others, does not say by itself.

    Args:
        values: `(frames,)`.
        threshold: The least value of a peak.
        minimum_frames: The least distance of two peaks.
    """
    from scipy.signal import find_peaks

    below = min(float(values.min(initial=threshold)), threshold) - 1
    padded = np.concatenate([[below], values, [below]])
    peaks, _ = find_peaks(padded, height=threshold, distance=max(minimum_frames, 1))
    return [int(peak) - 1 for peak in peaks]


@dataclass(frozen=True)
class SegmentRules:
    """When a stretch begins and ends."""

    onset_threshold: float
    """a stretch begins with the first frame that reaches it"""
    offset_threshold: float
    """and ends with the first frame below it"""
    minimum_length_s: float
    """shorter stretches are left out"""
    minimum_gap_s: float
    """shorter gaps are closed, before short stretches are left out"""

    def at(self, threshold: float) -> SegmentRules:
        """The same with one threshold for both ends."""
        return replace(self, onset_threshold=threshold, offset_threshold=threshold)


def find_segments(values: Values, frames: Frames, rules: SegmentRules) -> Segments:
    """The stretches in which an activation is high, by two thresholds.

    A frame stands for the time from its own to the next one's, and the only one of a clip for all that follows, so that
    its stretch ends at infinity: what is beyond a clip's end is not scored. Source: the steps and their order are those
    of `Binarize` of pyannote.audio 3, without its padding.

    Args:
        values: One column, `(frames,)`.
        frames: Of which it is.
        rules: When a stretch begins and ends.
    """
    if not len(values):
        return ()
    # A frame between the thresholds goes on as the one before it: the last one outside them decides.
    decided = np.where(
        (values >= rules.onset_threshold) | (values < rules.offset_threshold), np.arange(len(values)), -1
    )
    last = np.maximum.accumulate(decided)
    active = (last >= 0) & (values[last] >= rules.onset_threshold)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], active, [False]]).astype(np.int8)))
    ends_s = np.append(frames.times_s, frames.times_s[-1] + (frames.step_s or np.inf))
    found: list[tuple[float, float]] = []
    for first, after in zip(edges[::2], edges[1::2], strict=True):
        start_s, end_s = float(ends_s[first]), float(ends_s[after])
        if found and start_s - found[-1][1] < rules.minimum_gap_s - _ROUNDING_S:
            found[-1] = (found[-1][0], end_s)
        else:
            found.append((start_s, end_s))
    return tuple(one for one in found if one[1] - one[0] >= rules.minimum_length_s - _ROUNDING_S)


_ROUNDING_S = 1e-9
"""by which sums of frames may differ from the length that they are held against"""


_ROUNDING_S = 1e-9
"""by which sums of frames may differ from the time that they are held against"""


def detect(values: Values, times_s: Values, threshold: float, refractory_s: float) -> Values:
    """When a stream's probability reaches a threshold, but not within the refractory time after the last such time.

    Args:
        values: `(frames,)`.
        times_s: `(frames,)`.
        threshold: Of the probability.
        refractory_s: Above 0.
    """
    above_s = times_s[values >= threshold]
    found, index = [], 0
    while index < len(above_s):
        found.append(above_s[index])
        index = int(np.searchsorted(above_s, above_s[index] + refractory_s - _ROUNDING_S))
    return np.array(found, np.float64)
