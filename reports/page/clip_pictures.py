"""The pictures of a clip: its spectrogram, and what its task asks for: events, curves, spans, texts."""

from __future__ import annotations

from dataclasses import dataclass

from evaluators.evaluation import ClipInfo, ClipScores
from reports.notation import format_exact
from reports.page.figures.output_curve import OutputCurve, draw_output_curve
from reports.page.figures.piano_roll import PianoRoll, draw_piano_roll
from reports.page.figures.span_lanes import SpanLanes, draw_span_lanes
from reports.page.figures.spectrogram import draw_spectrogram

_MOST_CURVES = 3


@dataclass(frozen=True)
class SpectrogramView:
    """A picture of the clip itself."""

    source: str
    """a data: URI"""
    words: str
    """what its axes are"""


@dataclass(frozen=True)
class Texts:
    """What was said, and what was understood."""

    reference: str | None
    estimate: str


@dataclass(frozen=True)
class ClipPictures:
    """All that is drawn of a clip, on one axis of time."""

    roll: PianoRoll | None = None
    curves: tuple[OutputCurve, ...] = ()
    lanes: SpanLanes | None = None
    texts: Texts | None = None
    spectrogram: SpectrogramView | None = None

    @property
    def empty(self) -> bool:
        """Whether there is nothing to draw."""
        return self == NO_PICTURES


NO_PICTURES = ClipPictures()


def draw_pictures(info: ClipInfo, source: ClipScores | None, estimate: ClipScores | None) -> ClipPictures:
    """Draw what there is.

    Args:
        info: The clip and its labels.
        source: What the source model made of it: the reference of curves.
        estimate: What a bundle made of it.
    """
    if estimate is None:
        return ClipPictures(spectrogram=_view_spectrogram(info))
    labels, found = info.drawn, estimate.drawn
    roll, lanes = None, None
    if found.events is not None and labels.events is not None:
        roll = draw_piano_roll(labels.events, found.events, info.duration_s)
    if found.spans is not None:
        lanes = draw_span_lanes(labels.spans or (), found.spans, info.duration_s)
    return ClipPictures(
        roll=roll,
        curves=() if source is None else _draw_curves(source, estimate, info.duration_s),
        lanes=lanes,
        texts=None if found.text is None else Texts(labels.text, found.text),
        spectrogram=_view_spectrogram(info),
    )


def _draw_curves(source: ClipScores, estimate: ClipScores, duration_s: float) -> tuple[OutputCurve, ...]:
    """The bundle's curves that the source model has too: the task's own first, then those of the outputs."""
    references = {curve.output: curve for curve in (*source.curves, *source.drawn.curves)}
    drawn = (*estimate.drawn.curves, *estimate.curves)
    pairs = [(references[curve.output], curve) for curve in drawn if curve.output in references]
    figures = [draw_output_curve(*pair, duration_s) for pair in pairs[:_MOST_CURVES]]
    return tuple(figure for figure in figures if figure is not None)


def _view_spectrogram(info: ClipInfo) -> SpectrogramView | None:
    found = info.spectrogram
    if found is None:
        return None
    low, high = format_exact(found.low_hz, "Hz"), format_exact(found.high_hz, "Hz")
    words = f"the clip, {low} to {high} from the bottom up, over {format_exact(found.range_db, 'db')}"
    return SpectrogramView(draw_spectrogram(found), words)
