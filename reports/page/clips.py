"""The clips of the dataset under every bundle, those that lost most first."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from evaluators.comparing.ranking import order_by_loss
from evaluators.evaluation import ClipInfo, ClipScores
from evaluators.score import Direction, Score
from reports.judging.comparison import Comparison
from reports.page.audio import Player, Shelf
from reports.page.clip_pictures import NO_PICTURES, ClipPictures, draw_pictures
from reports.page.earlier_clips import EarlierClips, list_earlier_clips
from reports.page.listening import Listening, Side, make_listening
from reports.renderers.summary import find_main_metric

_MOST_CLIPS = 40
_MOST_PICTURES = 12
_MOST_BUNDLES = 8
_ERROR = "max_abs_error"
"""what ranks clips of a task without a metric"""


@dataclass(frozen=True)
class ClipCell:
    """One bundle on one clip."""

    score: Score | None
    difference: float | None
    worst: bool


@dataclass(frozen=True)
class ClipLine:
    """A clip under every bundle; the pictures are those of the bundle that did worst."""

    info: ClipInfo
    source: Score | None
    cells: tuple[ClipCell, ...]
    worst: str | None
    """key of that bundle"""
    pictures: ClipPictures
    player: Player | None
    """of the clip alone"""
    listening: Listening | None
    """of the clip and what models made of it, instead"""
    regressed: float
    """by how much the bundle that is pictured is worse than in the baseline"""


@dataclass(frozen=True)
class WorstClip:
    """The clip on which a bundle loses most against its source, or, without a source, is worst."""

    clip: str
    score: Score
    difference: float | None


@dataclass(frozen=True)
class ClipSection:
    """The clips that are shown, worst first."""

    metric: str | None
    direction: Direction
    unit: str
    tolerance: float
    """how much a bundle may lose on a clip, in that unit, before it is told"""
    keys: dict[str, str]
    """key → bundle, of those that are shown"""
    lines: tuple[ClipLine, ...]
    has_source: bool
    """whether the source model has scores to be compared with"""
    pictured: int
    """how many lines, from the first, have room for pictures"""
    left_out: int
    bundles_left_out: int
    worst: dict[str, WorstClip | None]
    """key → where that bundle is worst; none where it is nowhere worse than its source by more than the tolerance"""
    anchors: dict[str, str]
    """clip → where it stands in the page"""
    regressed: int
    """how many clips are worse than in the baseline by more than the tolerance; they stand first"""


@dataclass(frozen=True)
class _Ranked:
    info: ClipInfo
    source: ClipScores | None
    clips: tuple[ClipScores | None, ...]
    """under each bundle"""
    scores: tuple[Score | None, ...]
    gains: tuple[float | None, ...]
    """change against the source model, above zero where better"""
    reference: Score | None
    regressions: tuple[float, ...]
    """of each bundle, by how much it is worse than in the baseline; 0 where that is within the tolerance"""

    @property
    def order(self) -> tuple[float, float, float]:
        """What became worse since the baseline first, then the largest loss, then the worst score."""
        return -max(self.regressions, default=0.0), *order_by_loss(self.reference, self.scores)


@dataclass(frozen=True)
class _Stages:
    """What is needed to let clips be heard."""

    names: list[str]
    letters: list[str]
    earlier: EarlierClips
    shelf: Shelf
    earlier_shelf: Shelf

    def list_sides(self, ranked: _Ranked, worst: int | None) -> list[Side]:
        """Bundles on a clip, the worst first, each before what the baseline's made of it."""
        sides = []
        for number in sorted(range(len(self.names)), key=lambda number: number != worst):
            name, key, clip = self.names[number], self.letters[number], ranked.clips[number]
            if clip is not None:
                sides.append(Side(key, clip, name=name))
                before, other = self.earlier.find(name, clip.clip), self.earlier.names.get(name)
                if before is not None:
                    side = Side(key, before, is_earlier=True, name=other or name, is_renamed=other is not None)
                    sides.append(side)
        return sides


def list_clips(
    report: Comparison, keys: dict[str, str], folder: Path | None = None, earlier: Path | None = None
) -> ClipSection:
    """Every clip under every bundle: the largest loss against the source model first, then the worst score.

    Args:
        report: What to show.
        keys: The bundles' letters.
        folder: Where evaluation.json and the previews beside it stand; without it no clip can be heard.
        earlier: The same of the baseline.
    """
    evaluation = report.evaluation
    scored = [variant for variant in evaluation.variants if variant.clips]
    metric = _choose_metric(report)
    known = evaluation.metrics.get(metric)
    tolerance = 0.0 if known is None else known.tolerance
    before = list_earlier_clips(report)
    ranked = sorted(_rank_clips(report, metric, before, tolerance), key=lambda clip: clip.order)
    present = [score for clip in ranked for score in clip.scores if score is not None]
    if not present:
        return ClipSection(metric, "higher", "", 0.0, {}, (), False, 0, 0, 0, {}, {}, 0)
    columns = _choose_columns(ranked, len(scored))
    letters = [keys[variant.variant] for variant in scored]
    shown = ranked[:_MOST_CLIPS]
    names = [variant.variant for variant in scored]
    shelf = Shelf(folder)
    stages = _Stages(names, letters, before, shelf, shelf.beside(earlier))
    return ClipSection(
        metric=metric,
        direction=present[0].direction,
        unit=present[0].unit,
        tolerance=tolerance,
        keys={letters[column]: scored[column].variant for column in columns},
        lines=tuple(
            _make_line(clip, letters, columns, stages if number < _MOST_PICTURES else None)
            for number, clip in enumerate(shown)
        ),
        has_source=any(clip.reference is not None for clip in shown),
        pictured=min(_MOST_PICTURES, len(shown)),
        left_out=len(ranked) - len(shown),
        bundles_left_out=len(scored) - len(columns),
        worst={letters[column]: _find_worst_clip(ranked, column, tolerance) for column in columns},
        anchors={clip.info.clip: f"clip-{number}" for number, clip in enumerate(shown, 1)},
        regressed=sum(any(clip.regressions) for clip in ranked),
    )


def _choose_metric(report: Comparison) -> str:
    """What clips are ranked by: the main metric where clips have it, else another of theirs."""
    evaluation = report.evaluation
    clips = (*evaluation.source.clips[:1], *(clip for variant in evaluation.variants for clip in variant.clips[:1]))
    scored = dict.fromkeys(name for clip in clips for name in clip.scores if name != _ERROR)
    main = find_main_metric(report)
    return main if main in scored else next(iter(scored), _ERROR)


def _rank_clips(report: Comparison, metric: str, before: EarlierClips, tolerance: float) -> list[_Ranked]:
    evaluation = report.evaluation
    names = [variant.variant for variant in evaluation.variants if variant.clips]
    tables = [{clip.clip: clip for clip in variant.clips} for variant in evaluation.variants if variant.clips]
    source = {clip.clip: clip for clip in evaluation.source.clips}
    ranked = []
    for info in evaluation.dataset.clips:
        own = source.get(info.clip)
        reference = own.scores.get(metric) if own is not None else None
        clips = tuple(table.get(info.clip) for table in tables)
        scores = tuple(clip.scores.get(metric) if clip is not None else None for clip in clips)
        gains = tuple(_gain(reference, score) for score in scores)
        losses = (before.loss(name, clip, metric) for name, clip in zip(names, clips, strict=True))
        regressions = tuple(loss if loss > tolerance else 0.0 for loss in losses)
        ranked.append(_Ranked(info, own, clips, scores, gains, reference, regressions))
    return ranked


def _choose_columns(ranked: list[_Ranked], count: int) -> list[int]:
    """The bundles that have a column of their own: where there are too many, those that lost most on any clip."""
    losses = [
        min((clip.gains[column] or 0.0 for clip in ranked if clip.gains[column] is not None), default=0.0)
        for column in range(count)
    ]
    return sorted(sorted(range(count), key=lambda column: losses[column])[:_MOST_BUNDLES])


def _find_worst_clip(ranked: list[_Ranked], column: int, tolerance: float) -> WorstClip | None:
    compared = [(gain, clip) for clip in ranked if (gain := clip.gains[column]) is not None]
    if compared:
        gain, clip = min(compared, key=lambda pair: pair[0])
        score = clip.scores[column]
        return (
            None if gain >= -tolerance or score is None else WorstClip(clip.info.clip, score, _difference(score, gain))
        )
    scored = [(score, clip) for clip in ranked if (score := clip.scores[column]) is not None]
    known = [(goodness, score, clip) for score, clip in scored if (goodness := score.goodness) is not None]
    if not known:
        return None
    _, score, clip = min(known, key=lambda one: one[0])
    return WorstClip(clip.info.clip, score, None)


def _make_line(ranked: _Ranked, letters: list[str], columns: list[int], stages: _Stages | None) -> ClipLine:
    """A clip's line, with pictures and sound where there is a stage for it."""
    worst = _find_worst(ranked)
    line = ClipLine(
        info=ranked.info,
        source=ranked.reference,
        cells=tuple(_make_cell(ranked, number, worst) for number in columns),
        worst=letters[worst] if worst is not None else None,
        pictures=NO_PICTURES,
        player=None,
        listening=None,
        regressed=max(ranked.regressions, default=0.0),
    )
    if stages is None:
        return line
    sides, shelf = stages.list_sides(ranked, worst), stages.shelf
    listening = make_listening(ranked.info, ranked.source, sides, shelf, stages.earlier_shelf)
    return replace(
        line,
        pictures=draw_pictures(ranked.info, ranked.source, ranked.clips[worst] if worst is not None else None),
        player=shelf.take(ranked.info.preview) if listening is None and shelf.is_open and ranked.info.preview else None,
        listening=listening,
    )


def _find_worst(ranked: _Ranked) -> int | None:
    """Which bundle did worst, first of all against the baseline; the first, where none has a number."""
    regressed = max(ranked.regressions, default=0.0)
    if regressed:
        return ranked.regressions.index(regressed)
    found = [None if score is None else score.goodness for score in ranked.scores]
    present = [(goodness, number) for number, goodness in enumerate(found) if goodness is not None]
    if present:
        return min(present)[1]
    return next((number for number, clip in enumerate(ranked.clips) if clip is not None), None)


def _make_cell(ranked: _Ranked, number: int, worst: int | None) -> ClipCell:
    score, gain = ranked.scores[number], ranked.gains[number]
    others = {None if each is None else each.goodness for each in ranked.scores}
    is_worse = len(others) > 1 if gain is None else gain < 0
    return ClipCell(score, _difference(score, gain), number == worst and is_worse)


def _gain(source: Score | None, score: Score | None) -> float | None:
    before = None if source is None else source.goodness
    after = None if score is None else score.goodness
    return None if before is None or after is None else after - before


def _difference(score: Score | None, gain: float | None) -> float | None:
    if score is None or gain is None:
        return None
    return gain if score.direction == "higher" else -gain
