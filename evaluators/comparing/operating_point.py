"""A bundle at the threshold that was fixed on its source: what an app gets that was tuned on the source model.

A bundle whose probabilities have moved may be as good as its source at a threshold of its own, and yet wake too often,
or not at all, in an app that keeps the threshold. A wake word's is fixed so: the lowest that makes few enough false
accepts an hour.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from evaluators.task import Absent, Found, Metric

SAME, DIFFERENT = "agreement_keyword_f1", "agreement_keyword_differences"
_MISSES, _FALSE = "keyword_miss_rate_at_source_threshold", "keyword_false_accepts_per_hour_at_source_threshold"
_THRESHOLD = "at the lowest threshold at which the source model makes at most accepts_per_hour false accepts an hour"
AGREEMENTS: Mapping[str, Metric] = MappingProxyType(
    {
        SAME: Metric(
            "ratio",
            "higher",
            "F1 of the bundle's detections in all clips, with the source model's in the place of labels, within the "
            "tolerance and at the threshold in use.",
            "dataset",
            tolerance=0.01,
        ),
        DIFFERENT: Metric(
            "detections",
            "lower",
            "Detections in a clip that only the source model or only the bundle has, at the threshold in use.",
        ),
        _MISSES: Metric(
            "ratio",
            "lower",
            f"Share of all labelled keywords that the bundle misses {_THRESHOLD}.",
            "dataset",
            needs_labels=True,
        ),
        _FALSE: Metric(
            "per hour",
            "lower",
            f"The bundle's detections that are not right, over the hours of all clips, {_THRESHOLD}.",
            "dataset",
            needs_labels=True,
        ),
    }
)
"""of the task `keyword`"""

Counts = npt.NDArray[np.integer[Any]]
"""(thresholds,), of rising thresholds"""


class Heard(NamedTuple):
    """What all clips hold together."""

    spoken: int
    """labelled keywords"""
    hours: float


def score_at_sources_threshold(
    source_false: Counts, found: Counts, false: Counts, heard: Heard, *, accepts_per_hour: float
) -> Found:
    """What a bundle misses, and accepts falsely, at the threshold that the source sets.

    Args:
        source_false: The source model's false accepts at each threshold.
        found: The keywords that the bundle finds.
        false: Its false accepts.
        heard: What the counts are shares of.
        accepts_per_hour: How many false accepts an hour the source may make.
    """
    quiet = source_false / heard.hours <= accepts_per_hour
    if not quiet.any():
        reason = f"the source makes more than {accepts_per_hour:g} false accepts an hour at every threshold"
        return {_MISSES: Absent(reason), _FALSE: Absent(reason)}
    place = int(quiet.argmax())
    return {
        _MISSES: 1 - float(found[place]) / heard.spoken if heard.spoken else Absent("no labelled keyword"),
        _FALSE: float(false[place]) / heard.hours,
    }
