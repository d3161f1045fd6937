"""Outputs with one value a frame, such as a pitch or the probability of speech, as curves a report can draw."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from evaluators.evaluation import ClipScores
from evaluators.picture_records import Curve, store_pictures
from evaluators.windows import Stitched
from packager.model import OutputSpec

MAX_VALUES = 240
"""even; more than the pixels of the figure that is drawn of them show nothing more"""
_DIGITS = 5


def draw_curves(outputs: Mapping[str, Stitched], specs: Mapping[str, OutputSpec]) -> tuple[Curve, ...]:
    """One curve for every output of one value a frame, where its axes begin with `frame`, or of one value a window.

    Args:
        outputs: A clip's outputs by name.
        specs: What the recipe says of them; an output without axes may be anything and is not drawn.
    """
    curves = []
    for name, output in outputs.items():
        frames = len(output.times_s)
        is_said = output.kind == "window" or (output.kind == "frames" and specs[name].axes[:1] == ("frame",))
        if is_said and frames > 1 and output.values.size == frames:
            curves.append(draw_curve(name, output.values.reshape(-1).astype(np.float64), output.times_s))
    return tuple(curves)


def keep_curves(clips: tuple[ClipScores, ...], shown: frozenset[str]) -> tuple[ClipScores, ...]:
    """The clips, with curves only on those that a report shows: a dataset's curves would fill its evaluation."""
    return tuple(clip if clip.clip in shown else _drop_curves(clip) for clip in clips)


def _drop_curves(clip: ClipScores) -> ClipScores:
    pictures = clip.pictures and store_pictures(clip.pictures.model_copy(update={"curves": ()}))
    return clip.model_copy(update={"curves": (), "pictures": pictures})


def draw_curve(
    name: str,
    values: npt.NDArray[np.float64],
    times_s: npt.NDArray[np.float64],
    *,
    meaning: Literal["value", "pitch_hz", "probability"] = "value",
    thresholds: tuple[float, ...] = (),
) -> Curve:
    """One curve, thinned to what a figure can show.

    Args:
        name: What it is called.
        values: `(frames,)`; what is not finite breaks the line.
        times_s: `(frames,)`, evenly spaced, at least two.
        meaning: What the values are, see `Curve`; a pitch is not thinned, and has no more values than a curve may.
        thresholds: Values to be marked.
    """
    if len(values) > MAX_VALUES and meaning != "pitch_hz":
        values = np.concatenate([_extremes(part) for part in np.array_split(values, MAX_VALUES // 2)])
    duration_s = float(times_s[-1] - times_s[0])
    return Curve(
        output=name,
        start_s=round(float(times_s[0]), 6),
        step_s=duration_s / (len(values) - 1),
        values=tuple(float(f"{value:.{_DIGITS}g}") if np.isfinite(value) else None for value in values),
        meaning=meaning,
        thresholds=thresholds,
    )


def _extremes(values: npt.NDArray[np.float64]) -> npt.NDArray[Any]:
    """Least and greatest of some frames, in their order, so that no spike is lost."""
    finite = np.isfinite(values)
    if not finite.any():
        return np.array([np.nan, np.nan])
    least = int(np.argmin(np.where(finite, values, np.inf)))
    greatest = int(np.argmax(np.where(finite, values, -np.inf)))
    return values[sorted((least, greatest))]
