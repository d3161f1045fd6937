"""Which classes a clip belongs to: audio tagging (any number of them) and classification (just one)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
import pydantic

from device_profiles.record import Record
from device_profiles.text import shorten
from evaluators.chart_records import Charts, name_class
from evaluators.comparing.drawn import DrawnClips, Pairs, find_ties
from evaluators.decoding.vectors import Vector, pool_vector
from evaluators.errors import EvaluationError
from evaluators.label_columns import Column, LabelColumns
from evaluators.labels import ClassNames, check_column, find_class
from evaluators.picture_records import MAX_TEXT, Pictures
from evaluators.pictures.class_charts import draw_confusion, draw_mean_roc, draw_pooled_roc, tabulate_classes
from evaluators.task import Absent, ClipContext, Found, Metric, SideBySide, Task
from evaluators.windows import Stitched

Labels = tuple[int, ...]
"""the columns of a clip's classes, rising"""
Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.integer[Any]]

_SHOWN = 5

_OVER = "mean over the classes that some clip is labelled with"
_TOP1 = Metric("ratio", "higher", "Share of clips whose class has the highest score.", "dataset")
_METRICS = {
    "mean_average_precision": Metric(
        "ratio", "higher", f"Average precision of the ranking of clips, {_OVER}.", "dataset"
    ),
    "macro_f1": Metric(
        "ratio", "higher", f"Harmonic mean of precision and recall of the decisions, {_OVER}.", "dataset"
    ),
    "roc_auc": Metric(
        "ratio",
        "higher",
        "Area under the ROC curve, mean over the classes that some clips have and some have not.",
        "dataset",
    ),
}


_SAME_TOP1, _SAME_LABELS = "agreement_top1", "agreement_labels"
_AGREEMENTS = {
    _SAME_TOP1: Metric(
        "ratio",
        "higher",
        "Share of clips in which the class of the highest score is the source model's.",
        tolerance=0.01,
    ),
    _SAME_LABELS: Metric(
        "ratio",
        "higher",
        "Classes that both decide on, over those that the source model or the bundle decides on.",
        tolerance=0.01,
    ),
}


class TaggingOptions(Record):
    """What the output's columns are, and how decisions are made."""

    classes: ClassNames = ()
    """the names of the output's columns, in their order; by default labels are numbers of columns, from 0"""
    single_label: bool = False
    """whether each clip has just one class, that of the highest score"""
    pool: Literal["mean", "max"] = "mean"
    """how scores of frames or windows become a clip's"""
    threshold: Annotated[float, pydantic.Field(ge=-1000, le=1000)] = 0.5
    """from which score on a clip is taken to have a class, in the output's own unit; of no meaning with single_label"""


@dataclass(frozen=True)
class _Decided:
    """Clips side by side, each matrix `(classes, clips)`, the classes those with a label."""

    columns: Places
    """(classes,): which they are"""
    scores: Floats
    truth: npt.NDArray[np.bool_]
    decided: npt.NDArray[np.bool_]
    best: Places
    """(clips,): the column with the highest score"""
    top: Floats
    """(clips,): 1 where that is a labelled class"""


@dataclass(frozen=True)
class _Ranked:
    """Clips in the order of their scores, class by class: all that no draw changes. Rows are classes with a label."""

    order: Places
    """(classes, clips): the highest score first"""
    hits: _Hits
    right: Floats
    """(classes, clips): 1 where the class is labelled and decided"""
    named: Floats
    """(classes, clips): 1 where it is labelled, and 1 more where it is decided"""
    top: Floats
    """(clips,): 1 where the highest score is that of a labelled class"""


@dataclass(frozen=True)
class _Hits:
    """Where in that order clips have the class, one entry each, row after row."""

    row: Places
    clip: Places
    first: Places
    last: Places
    """places in all rows, one behind the other, of the first and the last clip with the same score"""
    begins: Places
    """of each row, its first entry"""
    ties: tuple[Places, Places]
    """of each entry, where the entries with its score begin, and where they end"""


class Tagging(Task):
    """Tagging and classification from the output `tags`: one score a class, `(classes,)`, or `(frames, classes)`.

    All metrics are of the whole dataset:

    - `mean_average_precision`: of each class, the sum over thresholds of the rise of recall times precision, without
      interpolation, clips of equal score at once (`sklearn.metrics.average_precision_score`); then the mean over
      classes. Source: Gemmeke et al., "Audio Set: An ontology and human-labeled dataset for audio events", ICASSP 2017.
    - `macro_f1`: the decision is a score of at least `threshold`, or with `single_label` the highest one.
    - `roc_auc`: how often a clip with the class scores higher than one without, a tie counting half.
    - `top1_accuracy`, with `single_label` alone, where it leads; of equal scores the first column counts.

    Classes that no clip is labelled with have no precision and no recall, and are left out of the means: a draw of
    clips may lack more of them. Where no class is left the metric has no value. Clips without a label are scored: in
    them every class that is found is wrong.
    """

    Options = TaggingOptions
    column_option = "classes"
    label_keys = ("labels",)
    required_outputs = ("tags",)

    def __init__(self, options: TaggingOptions | None = None) -> None:
        """See `Task`."""
        super().__init__(options)
        self.metrics = {"top1_accuracy": _TOP1, **_METRICS} if self.options.single_label else _METRICS
        self.agreements = {_SAME_TOP1: _AGREEMENTS[_SAME_TOP1]} if self.options.single_label else _AGREEMENTS
        form: Literal["value", "values"] = "value" if self.options.single_label else "values"
        self.label_columns = {"labels": LabelColumns((Column(("label", "class", "category"), "class"),), form)}
        self._columns = {name: column for column, name in enumerate(self.options.classes)}
        self._drawn = DrawnClips(self._rank)

    def parse_labels(self, line: Mapping[str, Any], clip: ClipContext) -> Labels:
        """Read `labels`: a list of classes, or with `single_label` one class; see `Task.parse_labels`."""
        given = line["labels"]
        if self.options.single_label:
            named = {"labels": given}
        elif isinstance(given, list):
            named = {f"labels[{index}]": value for index, value in enumerate(given)}
        else:
            raise EvaluationError(f"{clip.where}: labels must be a list of classes; found {shorten(repr(given))}")
        faults, columns = [], []
        for place, value in named.items():
            column = find_class(value, self._columns)
            if isinstance(column, str):
                faults.append(f"{clip.where}: {place}: {column}")
            elif column in columns:
                faults.append(f"{clip.where}: {place}: {shorten(repr(value))} is there twice")
            else:
                columns.append(column)
        if faults:
            raise EvaluationError("\n".join(faults))
        return tuple(sorted(columns))

    def label_folder(self, name: str, clip: ClipContext) -> Mapping[str, Any]:  # noqa: ARG002
        """The folder is the clip's only class: its name, or the number of its column where classes have none."""
        label = int(name) if name.isdecimal() and not self._columns else name
        return {"labels": label if self.options.single_label else [label]}

    def decode(self, outputs: Mapping[str, Stitched]) -> Vector:
        """One score a class, float64; see `Task.decode`."""
        scores = pool_vector(outputs, "tags", self.options.pool)
        if self._columns and len(scores) != len(self._columns):
            raise EvaluationError(
                f"output 'tags' has {len(scores)} classes where task.options.classes names {len(self._columns)}"
            )
        return scores

    def score(self, labels: Labels, estimate: Vector) -> Found:
        """No number is of one clip; its labels are held against what the output has."""
        check_column(max(labels, default=-1), len(estimate), "tags")
        return {}

    def score_dataset(self, pairs: Sequence[tuple[Labels, Vector]]) -> Found:
        """Score all clips; see the class."""
        ranked, counts = self._drawn.count(pairs)
        scores: dict[str, float | Absent] = {}
        if self.options.single_label:
            scores["top1_accuracy"] = float(ranked.top @ counts / counts.sum())
        hits = counts[ranked.hits.clip]
        positives = np.add.reduceat(hits, ranked.hits.begins) if len(hits) else hits
        if not positives.any():
            return scores | dict.fromkeys(_METRICS, Absent("no clip is labelled with a class"))
        named = positives > 0
        scores["macro_f1"] = float((2 * (ranked.right @ counts)[named] / (ranked.named @ counts)[named]).mean())
        return scores | _score_ranks(ranked, counts, hits, positives)

    def draw_dataset(self, pairs: Sequence[tuple[Labels, Vector]]) -> Charts:
        """ROC curves, a table by class, and with `single_label` which class was taken for which."""
        found = self._decide(pairs)
        if not len(found.columns):
            return Charts()
        single, ranked = self.options.single_label, _rank(found)
        hits, clips = np.ones(len(ranked.hits.clip)), found.truth.sum(axis=1).astype(np.float64)
        precisions, _ = _sum_ranks(ranked, np.ones(len(pairs)), hits, clips)
        pooled = None if single else draw_pooled_roc(found.scores, found.truth, self.options.threshold)
        curves = (draw_mean_roc(found.scores, found.truth), pooled)
        names = [name_class(self._name(column)) for column in range(len(pairs[0][1]))]
        labelled = np.array([columns[0] for columns, _ in pairs]) if single else None
        return Charts(
            curves=tuple(curve for curve in curves if curve is not None),
            confusion=None if labelled is None else draw_confusion(labelled, found.best, names),
            classes=tabulate_classes(
                [names[column] for column in found.columns],
                clips,
                {
                    "average precision": precisions / clips,
                    "F1": 2 * ranked.right.sum(axis=1) / ranked.named.sum(axis=1),
                },
            ),
        )

    def _decide(self, pairs: Pairs) -> _Decided:
        scores = np.stack([estimate for _, estimate in pairs], axis=1)
        truth = np.zeros(scores.shape, np.bool_)
        for place, (columns, _) in enumerate(pairs):
            truth[list(columns), place] = True
        best = scores.argmax(axis=0)
        single = self.options.single_label
        decided = np.arange(len(scores))[:, None] == best if single else scores >= self.options.threshold
        used = np.flatnonzero(truth.any(axis=1))
        top = np.take_along_axis(truth, best[None], axis=0)[0].astype(np.float64)
        return _Decided(used, scores[used], truth[used], decided[used], best, top)

    def _rank(self, pairs: Pairs) -> _Ranked:
        return _rank(self._decide(pairs))

    def agree(self, clip: SideBySide) -> Found:
        """Of equal scores the first column counts; where neither decides on a class, labels have no value."""
        top1 = {_SAME_TOP1: float(clip.source.argmax() == clip.estimate.argmax())}
        if self.options.single_label:
            return top1
        theirs, ours = (scores >= self.options.threshold for scores in (clip.source, clip.estimate))
        either = int((theirs | ours).sum())
        none = Absent("neither the source nor the bundle decides on a class")
        return {**top1, _SAME_LABELS: float((theirs & ours).sum() / either) if either else none}

    def draw(self, labels_or_estimate: Labels | Vector) -> Pictures:
        """The labels' names, and the highest scores with theirs."""
        if isinstance(labels_or_estimate, tuple):
            return Pictures(text=", ".join(map(self._name, labels_or_estimate))[:MAX_TEXT] or "none")
        best = np.argsort(-labels_or_estimate, kind="stable")[:_SHOWN]
        return Pictures(text=", ".join(f"{self._name(column)} {labels_or_estimate[column]:.3g}" for column in best))

    def decide(self, estimate: Vector) -> tuple[str, ...]:
        """The classes that the clip is taken to have; of equal scores the first column counts."""
        if self.options.single_label:
            return (self._name(int(estimate.argmax())),)
        return tuple(self._name(int(column)) for column in np.flatnonzero(estimate >= self.options.threshold))

    def _name(self, column: int) -> str:
        return shorten(self.options.classes[column]) if self._columns else str(column)


def _rank(found: _Decided) -> _Ranked:
    order = np.argsort(-found.scores, axis=1, kind="stable").astype(np.int32)
    is_hit = np.take_along_axis(found.truth, order, axis=1)
    return _Ranked(
        order=order,
        hits=_find_hits(order, is_hit, np.take_along_axis(found.scores, order, axis=1)),
        right=(found.truth & found.decided).astype(np.float64),
        named=found.truth.astype(np.float64) + found.decided,
        top=found.top,
    )


def _find_hits(order: Places, is_hit: npt.NDArray[np.bool_], ranked: Floats) -> _Hits:
    is_last = find_ties(ranked)
    ends = np.flatnonzero(is_last)  # each row's last place is one, so that no tie runs on into the next row
    places = np.flatnonzero(is_hit)
    tie = np.searchsorted(ends, places)
    last = ends[tie]
    return _Hits(
        row=places // max(order.shape[1], 1),
        clip=order.reshape(-1)[places],
        first=np.where(tie > 0, ends[tie - 1] + 1, 0),
        last=last,
        begins=np.searchsorted(places, np.arange(len(order)) * order.shape[1]),
        ties=(np.searchsorted(last, last, side="left"), np.searchsorted(last, last, side="right")),
    )


def _score_ranks(ranked: _Ranked, counts: Floats, hits: Floats, positives: Floats) -> dict[str, float | Absent]:
    """What follows from the clips' order; the arguments are those of `_sum_ranks`."""
    precisions, below = _sum_ranks(ranked, counts, hits, positives)
    pairs = positives * (counts.sum() - positives)
    none = Absent("no class is on some clips and not on others")
    return {
        "mean_average_precision": _mean_share(precisions, positives),
        "roc_auc": _mean_share(below, pairs) if pairs.any() else none,
    }


def _sum_ranks(ranked: _Ranked, counts: Floats, hits: Floats, positives: Floats) -> tuple[Floats, Floats]:
    """Of each class the sum of precisions over its clips, and how many pairs with a clip without it are in order.

    Args:
        ranked: The clips.
        counts: How often each was drawn.
        hits: Of each place where a clip has the class, how often that clip was drawn.
        positives: Of each class, how many clips with it were drawn.
    """
    at = ranked.hits
    # Whole numbers far below 2^24, so that float32 is exact, and half the work.
    counted = counts.astype(np.float32)[ranked.order]
    seen = counted.cumsum(axis=1).reshape(-1)
    seen_to, seen_before = seen[at.last], seen[at.first] - counted.reshape(-1)[at.first]
    found = np.append(0.0, hits.cumsum())
    earlier = found[at.begins][at.row]
    found_before, found_to = (found[ends] - earlier for ends in at.ties)
    precision = found_to / np.maximum(seen_to, 1)  # of clips that were not drawn it may be 0 of 0
    negatives = counts.sum() - positives
    above = (seen_to - found_to + seen_before - found_before) / 2  # negatives that score higher, or half if as high
    below = np.add.reduceat(hits * (negatives[at.row] - above), at.begins)
    return np.add.reduceat(hits * precision, at.begins), below


def _mean_share(parts: Floats, wholes: Floats) -> float:
    """The mean of parts of wholes, over the wholes that are not 0."""
    return float((parts[wholes > 0] / wholes[wholes > 0]).mean())


TASK = Tagging
