"""The clips of the dataset under every bundle, those that lost most first."""

from __future__ import annotations

from dataclasses import dataclass

from evaluators.evaluation import ClipInfo, ClipScores, Note, Score
from reports.comparison import Comparison
from reports.figures.piano_roll import PianoRoll, draw_piano_roll
from reports.summary import find_main_metric

_MOST_CLIPS = 40


@dataclass(frozen=True)
class ClipCell:
    """One bundle on one clip."""

    score: Score | None
    difference: float | None
    worst: bool


@dataclass(frozen=True)
class ClipLine:
    """A clip under every bundle; the roll is that of the bundle that did worst."""

    info: ClipInfo
    source: Score | None
    cells: tuple[ClipCell, ...]
    worst: str | None
    """key of that bundle"""
    roll: PianoRoll | None
    fall: float
    """largest loss against the source model, in the metric's good direction"""


@dataclass(frozen=True)
class ClipSection:
    """The clips that are shown, worst first."""

    metric: str | None
    keys: tuple[str, ...]
    lines: tuple[ClipLine, ...]
    left_out: int


def list_clips(report: Comparison, keys: dict[str, str]) -> ClipSection:
    """Every clip under every bundle: the largest loss against the source model first, then the lowest score."""
    evaluation, main = report.evaluation, find_main_metric(report)
    scored = [variant for variant in evaluation.variants if variant.clips]
    if main is None or not scored:
        return ClipSection(main, (), (), 0)
    tables = [{clip.clip: clip for clip in variant.clips} for variant in scored]
    source = {clip.clip: clip.scores.get(main) for clip in evaluation.source.clips}
    letters = tuple(keys[variant.variant] for variant in scored)
    entries = [
        _rank_clip(info, source.get(info.clip), [table.get(info.clip) for table in tables], main)
        for info in evaluation.dataset.clips
    ]
    entries.sort(key=lambda entry: entry[:2])
    lines = tuple(_draw_clip(entry[2], letters) for entry in entries[:_MOST_CLIPS])
    return ClipSection(main, letters, lines, max(0, len(entries) - _MOST_CLIPS))


@dataclass(frozen=True)
class _Ranked:
    info: ClipInfo
    source: Score | None
    clips: tuple[ClipScores | None, ...]
    scores: tuple[Score | None, ...]
    gains: tuple[float | None, ...]
    """change against the source model, above zero where better"""


def _rank_clip(
    info: ClipInfo, source: Score | None, clips: list[ClipScores | None], main: str
) -> tuple[float, float, _Ranked]:
    scores = tuple(clip.scores.get(main) if clip is not None else None for clip in clips)
    gains = tuple(_gain(source, score) for score in scores)
    goodness = [_good(score) for score in (*scores, source) if score is not None and score.value is not None]
    fall = min((gain for gain in gains if gain is not None), default=0.0)
    return min(fall, 0.0), min(goodness, default=float("inf")), _Ranked(info, source, tuple(clips), scores, gains)


def _gain(source: Score | None, score: Score | None) -> float | None:
    if source is None or score is None or source.value is None or score.value is None:
        return None
    return _good(score) - _good(source)


def _good(score: Score) -> float:
    assert score.value is not None
    return score.value if score.direction == "higher" else -score.value


def _draw_clip(ranked: _Ranked, letters: tuple[str, ...]) -> ClipLine:
    present = [number for number, score in enumerate(ranked.scores) if score is not None and score.value is not None]
    worst = min(present, key=lambda number: _good_at(ranked.scores, number), default=None)
    cells = tuple(
        ClipCell(score, _difference(score, gain), number == worst and (gain is None or gain < 0))
        for number, (score, gain) in enumerate(zip(ranked.scores, ranked.gains, strict=True))
    )
    shown = ranked.clips[worst] if worst is not None else next((clip for clip in ranked.clips if clip), None)
    reference: tuple[Note, ...] | None = ranked.info.reference_notes
    roll = None
    if shown is not None and shown.notes is not None and reference is not None:
        roll = draw_piano_roll(reference, shown.notes, ranked.info.duration_s)
    return ClipLine(
        info=ranked.info,
        source=ranked.source,
        cells=cells,
        worst=letters[ranked.clips.index(shown)] if shown is not None else None,
        roll=roll,
        fall=min((gain for gain in ranked.gains if gain is not None), default=0.0),
    )


def _good_at(scores: tuple[Score | None, ...], number: int) -> float:
    score = scores[number]
    assert score is not None
    return _good(score)


def _difference(score: Score | None, gain: float | None) -> float | None:
    if score is None or gain is None:
        return None
    return gain if score.direction == "higher" else -gain
