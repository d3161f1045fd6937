"""What is drawn of decisions between classes: ROC curves, a confusion matrix and a table by class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from evaluators.chart_records import (
    MAX_CLASSES,
    MAX_CONFUSED,
    Axis,
    ClassMeasure,
    ClassTable,
    ConfusionMatrix,
    Mark,
    RateCurve,
)
from evaluators.comparing.drawn import find_ties
from evaluators.pictures.rate_curves import Floats, Frame, make_curve, make_point

Truth = npt.NDArray[np.bool_]
Places = npt.NDArray[np.integer[Any]]

MOST_PLACES = 4096
"""of the false alarm rate, at which the mean curve is taken: where classes have more between them, it is at so many"""

FALSE_ALARM_RATE = Axis(name="false alarm rate")
RECALL = Axis(name="recall", direction="higher")
_MEAN = Frame(
    "ROC curve, mean over classes",
    FALSE_ALARM_RATE,
    RECALL,
    "At each false alarm rate the mean of the recalls that every class has there. Its area is the metric roc_auc. "
    "No single threshold belongs to a place on it.",
)
_POOLED = Frame(
    "ROC curve, decisions of all classes together",
    FALSE_ALARM_RATE,
    RECALL,
    "Every pair of a clip and a class is one decision, by one threshold for all classes. Frequent classes weigh most.",
)


def trace_roc(scores: Floats, truth: Truth) -> tuple[Floats, Floats]:
    """False alarm rate and recall after each score, the highest first, equal ones at once; begins at 0, 0.

    Args:
        scores: `(decisions,)`.
        truth: `(decisions,)`, of which some are true and some are not.

    Source: Fawcett, "An introduction to ROC analysis", Pattern Recognition Letters 27, 2006, algorithm 1.
    """
    order = np.argsort(-scores, kind="stable")
    ends = np.flatnonzero(find_ties(scores[order]))
    hits = np.append(0.0, truth[order].cumsum()[ends])
    seen = np.append(0.0, ends + 1.0)
    return (seen - hits) / (len(truth) - hits[-1]), hits / hits[-1]


def draw_pooled_roc(scores: Floats, truth: Truth, threshold: float) -> RateCurve | None:
    """The curve of all decisions together, with the threshold in use; none where all are right or none is.

    Args:
        scores: `(classes, clips)`.
        truth: `(classes, clips)`.
        threshold: From which score on a class is decided.
    """
    if truth.all() or not truth.any():
        return None
    across, upright = trace_roc(scores.reshape(-1), truth.reshape(-1))
    at = len(np.unique(scores[scores >= threshold]))
    mark = Mark(name=f"threshold {threshold:g}", at=make_point(across[at], upright[at]), in_use=True)
    return make_curve(_POOLED, across, upright, marks=[mark], keep=[at])


def draw_mean_roc(scores: Floats, truth: Truth) -> RateCurve | None:
    """The mean of the classes' curves at each false alarm rate; none without a class that some clips have and some not.

    Args:
        scores: `(classes, clips)`.
        truth: `(classes, clips)`.

    Source: Fawcett (above), "vertical averaging".
    """
    told = np.flatnonzero(truth.any(axis=1) & ~truth.all(axis=1))
    if not len(told):
        return None
    curves = [trace_roc(scores[row], truth[row]) for row in told]
    places = np.unique(np.concatenate([across for across, _ in curves]))
    if len(places) > MOST_PLACES:
        places = places[np.linspace(0, len(places) - 1, MOST_PLACES).round().astype(int)]
    sides = [np.mean([_recall_at(curve, places, first=first) for curve in curves], axis=0) for first in (True, False)]
    return make_curve(_MEAN, np.repeat(places, 2), np.stack(sides, axis=1).reshape(-1))


def _recall_at(curve: tuple[Floats, Floats], places: Floats, *, first: bool) -> Floats:
    """A curve's recall at some false alarm rates; where it rises upright there, the first or the last."""
    across, upright = curve
    # The line that ends at a place, or the one that begins there.
    end = np.searchsorted(across, places, side="left" if first else "right").clip(1, len(across) - 1)
    width = across[end] - across[end - 1]
    share = np.where(width > 0, (places - across[end - 1]) / np.where(width > 0, width, 1.0), 1.0)
    found: Floats = upright[end - 1] + share * (upright[end] - upright[end - 1])
    if first:
        found = np.where(places <= across[0], upright[0], found)
    return found


def draw_confusion(labelled: Places, decided: Places, names: Sequence[str]) -> ConfusionMatrix:
    """How often which class was taken for which; of many classes those with the fewest clips are one.

    Args:
        labelled: `(clips,)`, the column of each clip's class.
        decided: `(clips,)`, that of the class it was taken for.
        names: Of all columns.
    """
    room = MAX_CONFUSED - 1
    clips = np.bincount(labelled, minlength=len(names))
    # By the labels alone, so that the matrices of all models have the same classes.
    kept = np.sort(np.argsort(-clips, kind="stable")[:room])
    place = np.full(len(names), len(kept))
    place[kept] = np.arange(len(kept))
    gathered = len(names) - len(kept)
    size = len(kept) + (gathered > 0)
    counts = np.zeros((size, size), np.int64)
    np.add.at(counts, (place[labelled], place[decided]), 1)
    shown = [names[column] for column in kept] + ([f"{gathered} other classes"] if gathered else [])
    return ConfusionMatrix(classes=tuple(shown), counts=tuple(tuple(row) for row in counts.tolist()), gathered=gathered)


def tabulate_classes(names: Sequence[str], clips: Floats, measures: Mapping[str, Floats]) -> ClassTable:
    """A table by class; of too many classes those with the fewest clips are left out.

    Args:
        names: Of the classes.
        clips: `(classes,)`, how many clips are labelled with each.
        measures: By name, `(classes,)`; what is not finite has no value.
    """
    kept = np.sort(np.argsort(-clips, kind="stable")[:MAX_CLASSES])
    return ClassTable(
        classes=tuple(names[place] for place in kept),
        clips=tuple(int(clips[place]) for place in kept),
        measures=tuple(
            ClassMeasure(name=name, values=tuple(_round(values[place]) for place in kept))
            for name, values in measures.items()
        ),
        left_out=len(names) - len(kept),
    )


def _round(value: float) -> float | None:
    return round(float(value), 6) if np.isfinite(value) else None
