"""Wake words and keywords in a stream, scored by what is missed and by what is heard where nothing was said."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pydantic

from device_profiles.text import shorten
from evaluators.chart_records import Axis, Charts, ConfusionMatrix, Mark
from evaluators.comparing.operating_point import AGREEMENTS, DIFFERENT, SAME, Heard, score_at_sources_threshold
from evaluators.decoding.activations import FrameOptions, Values, detect, read_frames
from evaluators.decoding.outputs import check_probabilities
from evaluators.errors import EvaluationError
from evaluators.label_columns import END, START, WORD, LabelColumns
from evaluators.labels import find_place_fault, is_number, read_rows, show
from evaluators.picture_records import Curve, Pictures, Span
from evaluators.pictures.curves import draw_curve
from evaluators.pictures.rate_curves import Frame, make_curve, make_point
from evaluators.pictures.word_confusions import draw_word_confusion, match_right
from evaluators.task import Absent, ClipContext, Found, Metric, SideBySide, Task
from evaluators.windows import Stitched

FIXED_THRESHOLDS = (0.25, 0.5, 0.75)
"""at which misses and false accepts are told whatever the threshold in use is: three points of the DET curve"""
GRID = (*(round(0.01 * step, 2) for step in range(1, 100)), 0.995, 0.998, 0.999)
"""the thresholds of the DET curve, finer where wake words work"""
ACCEPTED_PER_HOUR = 1.0

_DET = Frame(
    "DET curve, keywords",
    Axis(name="false accepts an hour", unit="per hour", scale="logarithmic"),
    Axis(name="miss rate"),
    "All keywords of all clips together, at every threshold. What is detected early hides what comes within the "
    "refractory time, so that the curve may turn back a little.",
)

_FORM = "[start_s, end_s] or [start_s, end_s, word]"
_DRAWN_S = 0.05
_MOST_DRAWN = 10_000
_MOST_CURVES = 3
_RULE = "a detection is right when it falls into a labelled keyword, widened by the tolerance, that has none yet"
_MISS_RATE, _FALSE_ACCEPTS = "keyword_miss_rate", "keyword_false_accepts_per_hour"


def _metrics() -> dict[str, Metric]:
    metrics = {
        "keyword_errors": Metric(
            "errors", "lower", f"Missed keywords and false accepts of a clip, at the threshold in use; {_RULE}."
        ),
        _MISS_RATE: Metric(
            "ratio",
            "lower",
            "Share of all labelled keywords that is missed, at the threshold in use.",
            scope="dataset",
        ),
        _FALSE_ACCEPTS: Metric(
            "per hour", "lower", "Detections that are not right, over the hours of all clips.", scope="dataset"
        ),
        "keyword_miss_rate_at_1_per_hour": Metric(
            "ratio",
            "lower",
            "Least share of all labelled keywords that is missed at any threshold with at most 1 false accept an hour.",
            scope="dataset",
        ),
    }
    for threshold in FIXED_THRESHOLDS:
        for name, unit, words in (
            (_MISS_RATE, "ratio", "Share of all labelled keywords that is missed"),
            (_FALSE_ACCEPTS, "per hour", "Detections that are not right, over the hours of all clips,"),
        ):
            metrics[_at(name, threshold)] = Metric(
                unit, "lower", f"{words} at a threshold of {threshold:g}.", scope="dataset"
            )
    return metrics


def _at(name: str, threshold: float) -> str:
    return f"{name}_at_{round(100 * threshold)}_percent"


class KeywordOptions(FrameOptions):
    """Which words there are, when one is detected, and which detection is right."""

    words: Annotated[tuple[str, ...], pydantic.Field(min_length=1, max_length=10_000)] = ("keyword",)
    """what the columns of the output stand for, in their order"""
    background: tuple[str, ...] = ()
    """those of `words` that are no keyword, for example "silence" and "unknown" """
    threshold: Annotated[float, pydantic.Field(gt=0, lt=1)] = 0.5
    """from which probability on a word is detected in use"""
    refractory_ms: Annotated[float, pydantic.Field(ge=10, le=60_000)] = 1000.0
    """for how long after a detection the same word is not detected again"""
    tolerance_ms: Annotated[float, pydantic.Field(ge=0, le=10_000)] = 500.0
    """how far before a keyword's start, or after its end, a detection may fall"""
    accepts_per_hour: Annotated[float, pydantic.Field(ge=0, le=10_000)] = ACCEPTED_PER_HOUR
    """how many false accepts an hour the source model may make at the threshold that bundles are then held to"""

    @pydantic.model_validator(mode="after")
    def _words_known(self) -> KeywordOptions:
        twice = sorted({word for word in self.words if self.words.count(word) > 1})
        if twice:
            raise ValueError(f"words names {', '.join(twice)} more than once; right is a name a column")
        strange = [word for word in self.background if word not in self.words]
        if strange:
            raise ValueError(f"background names {', '.join(strange)}, which words does not")
        if set(self.words) <= set(self.background):
            raise ValueError("background names all of words; right is at least one keyword beside them")
        return self

    @property
    def keywords(self) -> tuple[str, ...]:
        """The words that are to be found."""
        return tuple(word for word in self.words if word not in self.background)


class Spoken(NamedTuple):
    """A labelled keyword."""

    start_s: float
    end_s: float
    word: str


@dataclass(frozen=True, eq=False)
class Keywords:
    """A clip's labels."""

    spoken: tuple[Spoken, ...]
    """in order of start"""
    duration_s: float


@dataclass(frozen=True, eq=False)
class Detections:
    """What was detected in a clip: at the threshold in use, and at each of `FIXED_THRESHOLDS` and `GRID`."""

    by_threshold: tuple[Mapping[str, Values], ...]
    """of each word the times, in order"""
    probabilities: tuple[Curve, ...] = ()
    """of the first few words, as they are drawn"""


class Tally(NamedTuple):
    """What one clip adds to the sums over all, the last two with one number a threshold."""

    spoken: int
    hours: float
    found: npt.NDArray[np.int64]
    false: npt.NDArray[np.int64]


class Keyword(Task):
    """Keywords from the output `keyword`: the probability of one, `(frames,)`, or of each word, `(frames, words)`.

    Labels are rows `[start_s, end_s, word]` in order of start; where there is one keyword, its word may be left out,
    and where only a moment is known, start and end are the same. A word is detected, as an app does it in a stream, at
    the first frame that reaches the threshold, and then not again within the refractory time. A detection is right when
    it falls into a labelled keyword of that word, widened by the tolerance on both sides, for which there is none yet;
    any other is a false accept, a second one of the same keyword too. A time line with the output's own delay, for
    example one value a window, is put right by the option `time_offset_ms`.

    False rejects (here misses) over keywords and false accepts over hours, and the curve of both over all thresholds,
    are how wake words are judged. Source: Chen, Parada and Heigold, "Small-footprint keyword spotting using deep neural
    networks", ICASSP 2014; misses at a fixed number of false accepts an hour as in Sainath and Parada, "Convolutional
    Neural Networks for Small-footprint Keyword Spotting", Interspeech 2015. Keywords and hours are added up over all
    clips: what is rare has no rate in a single clip. Beside the threshold in use the curve is told at three thresholds,
    and by the least miss rate at 1 false accept an hour over a grid of 102. That one is the bundle's own best, so that
    a bundle whose probabilities have moved is still compared fairly, while the others show that they have moved. There
    is no equal error rate: misses are a share, and false accepts a rate in time. With less than an hour of audio, 1 an
    hour means none at all.

    Without a labelled keyword the miss rates have no value; false accepts always have one. Where every threshold of the
    grid has more than 1 false accept an hour, the miss rate at that has no value.
    """

    Options = KeywordOptions
    column_option = "words"
    label_keys = ("keywords",)
    label_columns = MappingProxyType({"keywords": LabelColumns((START, END, WORD))})
    required_outputs = ("keyword",)
    metrics = MappingProxyType(_metrics())
    agreements = MappingProxyType(AGREEMENTS)

    def __init__(self, options: KeywordOptions | None = None) -> None:
        super().__init__(options)
        tolerance_s = self.options.tolerance_ms / 1000
        # Intervals ask for the same clips a thousand times.
        self._tally = functools.cache(functools.partial(tally_keywords, tolerance_s=tolerance_s))
        self._match = functools.cache(functools.partial(match_detections, tolerance_s=tolerance_s))

    def parse_labels(self, line: Mapping[str, Any], clip: ClipContext) -> Keywords:
        """Read `keywords`, a list of `[start_s, end_s, word]`; see `Task.parse_labels`."""
        keywords = self.options.keywords
        rows = read_rows(
            line["keywords"],
            lambda row, earlier: _find_fault(row, earlier, keywords, clip.duration_s),
            key="keywords",
            form=_FORM,
            where=clip.where,
        )
        return Keywords(
            tuple(Spoken(float(row[0]), float(row[1]), _word_of(row, keywords)) for row in rows), clip.duration_s
        )

    def label_folder(self, name: str, clip: ClipContext) -> Mapping[str, Any]:
        """The folder is the word that is said somewhere in the clip; none is in a folder of `background`."""
        return {"keywords": [] if name in self.options.background else [[0.0, clip.duration_s, name]]}

    def decode(self, outputs: Mapping[str, Stitched]) -> Detections:
        """Detect every keyword at every threshold. See `Task.decode`."""
        options = self.options
        frames = read_frames(outputs, "keyword", options, task="keyword spotting")
        values = frames.values
        if values.shape[1] != len(options.words):
            raise EvaluationError(
                f"output 'keyword' has {values.shape[1]} columns for {len(options.words)} words; name one a column "
                "in task.options.words"
            )
        check_probabilities(values, "keyword")
        columns = {word: values[:, options.words.index(word)] for word in options.keywords}
        refractory_s = options.refractory_ms / 1000
        drawn = list(columns.items())[:_MOST_CURVES] if len(values) > 1 else []
        return Detections(
            tuple(
                {word: detect(column, frames.times_s, threshold, refractory_s) for word, column in columns.items()}
                for threshold in (options.threshold, *FIXED_THRESHOLDS, *GRID)
            ),
            tuple(
                draw_curve(word, column, frames.times_s, meaning="probability", thresholds=(options.threshold,))
                for word, column in drawn
            ),
        )

    def score(self, labels: Keywords, estimate: Detections) -> Found:
        """How many errors a clip has at the threshold in use."""
        tally = self._tally(labels, estimate)
        return {"keyword_errors": float(tally.spoken - tally.found[0] + tally.false[0])}

    def score_dataset(self, pairs: Sequence[tuple[Keywords, Detections]]) -> Found:
        """Score all clips at once; without keywords as the class says."""
        tallies = [self._tally(labels, estimate) for labels, estimate in pairs]
        spoken = sum(tally.spoken for tally in tallies)
        hours = sum(tally.hours for tally in tallies)
        found = np.sum([tally.found for tally in tallies], axis=0)
        per_hour = np.sum([tally.false for tally in tallies], axis=0) / hours
        none = Absent("no labelled keyword")
        misses: list[float | Absent] = [none] * len(found) if not spoken else list(1 - found / spoken)
        scores: dict[str, float | Absent] = {_MISS_RATE: misses[0], _FALSE_ACCEPTS: per_hour[0]}
        for index, threshold in enumerate(FIXED_THRESHOLDS, 1):
            scores |= {
                _at(_MISS_RATE, threshold): misses[index],
                _at(_FALSE_ACCEPTS, threshold): per_hour[index],
            }
        first = 1 + len(FIXED_THRESHOLDS)
        quiet = per_hour[first:] <= ACCEPTED_PER_HOUR
        if not spoken:
            least: float | Absent = none
        elif not quiet.any():
            least = Absent(f"more than 1 false accept an hour at every threshold up to {GRID[-1]:g}")
        else:
            least = float(1 - found[first:][quiet].max() / spoken)
        return {**scores, "keyword_miss_rate_at_1_per_hour": least}

    def agree(self, clip: SideBySide) -> Found:
        """How many detections of a clip the source or the bundle has alone."""
        theirs, ours, both = self._match(clip.source, clip.estimate)
        return {DIFFERENT: float(theirs + ours - 2 * both)}

    def agree_dataset(self, clips: Sequence[SideBySide]) -> Found:
        """Which detections both have; with labels also what the bundle does at the source's threshold."""
        theirs, ours, both = np.sum([self._match(clip.source, clip.estimate) for clip in clips], axis=0)
        none = Absent("neither the source nor the bundle detects a keyword")
        found: dict[str, float | Absent] = {SAME: 2 * both / (theirs + ours) if theirs + ours else none}
        return found if clips[0].labels is None else {**found, **self._hold_to_source(clips)}

    def _hold_to_source(self, clips: Sequence[SideBySide]) -> Found:
        source, bundle = ([self._tally(clip.labels, getattr(clip, side)) for clip in clips] for side in _SIDES)
        first = 1 + len(FIXED_THRESHOLDS)
        return score_at_sources_threshold(
            np.sum([tally.false for tally in source], axis=0)[first:],
            np.sum([tally.found for tally in bundle], axis=0)[first:],
            np.sum([tally.false for tally in bundle], axis=0)[first:],
            Heard(sum(tally.spoken for tally in bundle), sum(tally.hours for tally in bundle)),
            accepts_per_hour=self.options.accepts_per_hour,
        )

    def draw_dataset(self, pairs: Sequence[tuple[Keywords, Detections]]) -> Charts:
        """The DET curve, and of several words which was heard for which; nothing without a labelled keyword."""
        tallies = [self._tally(labels, estimate) for labels, estimate in pairs]
        spoken, hours = sum(tally.spoken for tally in tallies), sum(tally.hours for tally in tallies)
        if not spoken:
            return Charts()
        misses = 1 - np.sum([tally.found for tally in tallies], axis=0) / spoken
        per_hour = np.sum([tally.false for tally in tallies], axis=0) / hours
        thresholds = (self.options.threshold, *FIXED_THRESHOLDS, *GRID)
        order = sorted({threshold: place for place, threshold in enumerate(thresholds)}.items(), reverse=True)
        places = [place for _, place in order]
        at = 1 + next(place for place, (threshold, _) in enumerate(order) if threshold == self.options.threshold)
        mark = Mark(name=f"threshold {self.options.threshold:g}", at=make_point(per_hour[0], misses[0]), in_use=True)
        # Above every threshold nothing is detected.
        across, upright = np.append(0.0, per_hour[places]), np.append(1.0, misses[places])
        curve = make_curve(_DET, across, upright, marks=[mark], keep=[at])
        return Charts(curves=(curve,), confusion=self._confuse(pairs))

    def _confuse(self, pairs: Sequence[tuple[Keywords, Detections]]) -> ConfusionMatrix | None:
        words = self.options.keywords
        clips = [(labels.spoken, estimate.by_threshold[0]) for labels, estimate in pairs]
        return draw_word_confusion(clips, words, self.options.tolerance_ms / 1000) if len(words) > 1 else None

    def draw(self, labels_or_estimate: Keywords | Detections) -> Pictures:
        """Labelled keywords as bars, detections at the threshold in use as narrow ones."""
        is_estimate = isinstance(labels_or_estimate, Detections)
        curves = labels_or_estimate.probabilities if isinstance(labels_or_estimate, Detections) else ()
        if isinstance(labels_or_estimate, Keywords):
            spans = [
                Span(start_s=one.start_s, end_s=one.end_s, label=shorten(one.word)) for one in labels_or_estimate.spoken
            ]
        else:
            spans = [
                Span(start_s=float(time_s), end_s=float(time_s) + _DRAWN_S, label=shorten(word))
                for word, times_s in labels_or_estimate.by_threshold[0].items()
                for time_s in times_s
            ]
        return Pictures(spans=tuple(spans[:_MOST_DRAWN]), moments=is_estimate, curves=curves)


_SIDES = ("source", "estimate")


def tally_keywords(labels: Keywords, estimate: Detections, *, tolerance_s: float) -> Tally:
    """Hold one clip's detections against its labels, at every threshold."""
    spoken: dict[str, list[Spoken]] = {}
    for one in labels.spoken:
        spoken.setdefault(one.word, []).append(one)
    found, false = [], []
    for detections in estimate.by_threshold:
        right = sum(len(match_right(spoken.get(word, ()), times, tolerance_s)) for word, times in detections.items())
        found.append(right)
        false.append(sum(len(times) for times in detections.values()) - right)
    return Tally(len(labels.spoken), labels.duration_s / 3600, np.array(found), np.array(false))


def match_detections(source: Detections, estimate: Detections, *, tolerance_s: float) -> tuple[int, int, int]:
    """Of one clip, at the threshold in use: the source's detections, the bundle's, and how many both have."""
    theirs, ours = source.by_threshold[0], estimate.by_threshold[0]
    both = sum(
        len(match_right([Spoken(time_s, time_s, word) for time_s in theirs.get(word, ())], times_s, tolerance_s))
        for word, times_s in ours.items()
    )
    return sum(map(len, theirs.values())), sum(map(len, ours.values())), both


def _word_of(row: Sequence[Any], keywords: Sequence[str]) -> str:
    return str(row[2]) if len(row) > 2 else keywords[0]


def _find_fault(row: Any, earlier: Sequence[Any], keywords: Sequence[str], duration_s: float) -> str | None:
    if not isinstance(row, list) or len(row) not in (2, 3) or not all(is_number(value) for value in row[:2]):
        return f"must be {_FORM}; found {show(row)}"
    if len(row) == 2 and len(keywords) > 1:
        return f"must say which word it is; right is one of {', '.join(keywords)}"
    if len(row) == 3 and row[2] not in keywords:
        return f"unknown word {show(row[2])}; right is one of {', '.join(keywords)}"
    start_s, end_s = row[:2]
    fault = find_place_fault(start_s, end_s, duration_s)
    if fault:
        return fault
    if end_s < start_s:
        return f"end {end_s} s must not come before start {start_s} s"
    if earlier and start_s < earlier[-1][0]:
        return f"start {start_s} s must not come before {earlier[-1][0]} s, the start before it"
    same = [other for other in earlier if _word_of(other, keywords) == _word_of(row, keywords)]
    if same and start_s < same[-1][1]:
        return f"{start_s} s to {end_s} s overlaps the same word from {same[-1][0]} s to {same[-1][1]} s"
    return None


TASK = Keyword
