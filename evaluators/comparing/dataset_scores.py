"""Metrics of a whole dataset, such as a corpus' word error rate: computed of all clips at once, with their intervals.

An interval comes of computing the metric anew on clips drawn with replacement, or on groups of clips, such as all of a
speaker's. The draws are the same for every model on one dataset, so that two models are compared draw by draw: the
difference's interval is paired. How far out the ends lie is `statistics.py`'s choice, for the number that is drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from device_profiles.record import Record
from evaluators.comparing.statistics import CONFIDENCE, SEED, draw_counts, find_ends, gather_units
from evaluators.score import Basis, Score
from evaluators.task import Task, make_scores

RESAMPLES = 1000
"""a metric may take long, and the ends of 95 % still lie on 25 draws each"""


class DatasetScore(Record):
    """One metric of one model."""

    score: Score
    drawn: tuple[float | None, ...]
    """its value for each draw; none where there was nothing to score"""
    units: int
    """how many clips, or groups of them, were drawn from"""


def score_dataset(
    task: Task, pairs: Sequence[tuple[Any, Any]], groups: Sequence[str | None], *, basis: Basis
) -> dict[str, DatasetScore]:
    """Every metric of scope "dataset".

    Args:
        task: Whose metrics.
        pairs: Labels and estimate of each clip.
        groups: Of each clip, what it is drawn together with; None stands for itself.
        basis: Of the scores.

    Raises:
        EvaluationError: The task returns other metrics than it declares, or a number that is not finite.
    """
    if not task.names_of_scope("dataset"):
        return {}
    whole = make_scores(task, task.score_dataset(pairs), "dataset", basis=basis)
    units = gather_units(groups)
    drawn: dict[str, list[float | None]] = {name: [] for name in whole}
    for counts in draw_counts(len(units), RESAMPLES, SEED) if len(units) > 1 else ():
        sample = [
            pairs[clip] for unit, count in zip(units, counts, strict=True) for clip in unit for _ in range(int(count))
        ]
        for name, score in make_scores(task, task.score_dataset(sample), "dataset", basis=basis).items():
            drawn[name].append(score.value)
    return {
        name: DatasetScore(score=_with_ends(score, drawn[name], len(units)), drawn=tuple(drawn[name]), units=len(units))
        for name, score in whole.items()
    }


def subtract(source: DatasetScore, variant: DatasetScore) -> Score:
    """A variant's metric minus the source model's, with its paired interval."""
    return subtract_drawn(source, variant).score


def subtract_drawn(reference: DatasetScore, estimate: DatasetScore) -> DatasetScore:
    """One metric of a dataset minus another, draw by draw, so that differences can be subtracted in their turn."""
    before, after = reference.score, estimate.score
    bare = {"low": None, "high": None, "confidence": None}
    if before.value is None or after.value is None:
        reason = before.reason if before.value is None else after.reason
        absent = after.model_copy(update={**bare, "value": None, "reason": reason})
        return DatasetScore(score=absent, drawn=tuple(None for _ in estimate.drawn), units=estimate.units)
    changes = [
        None if first is None or second is None else second - first
        for first, second in zip(reference.drawn, estimate.drawn, strict=True)
    ]
    plain = after.model_copy(update={**bare, "value": after.value - before.value})
    ended = _with_ends(plain, changes, estimate.units)
    return DatasetScore(score=ended, drawn=tuple(changes), units=estimate.units)


def _with_ends(score: Score, drawn: Sequence[float | None], units: int) -> Score:
    """The score with the interval that the draws give; without one where there are too few."""
    present = np.array([value for value in drawn if value is not None], np.float64)
    if score.value is None or len(present) < 2:
        return score
    low, high = find_ends(present, units)
    return score.model_copy(update={"low": low, "high": high, "confidence": CONFIDENCE})
