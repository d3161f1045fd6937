"""The pictures of a clip: its spectrogram, and what its task asks for: curves, spans, texts, pitch."""

from __future__ import annotations

from dataclasses import dataclass

from evaluators.evaluation import ClipInfo, ClipScores
from evaluators.picture_records import Curve, Pictures
from reports.notation import format_exact
from reports.page.figures.activity_strips import ActivityStrips, draw_activity_strips
from reports.page.figures.output_curve import OutputCurve, draw_output_curve
from reports.page.figures.pitch_curve import PitchCurve, draw_pitch_curve
from reports.page.figures.span_lanes import SpanLanes, draw_span_lanes
from reports.page.figures.spectrogram import draw_spectrogram
from reports.page.word_alignment import WordAlignment, align_words

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
    words: WordAlignment | None = None
    """of the bundle against the labels, where these are words"""
    source_words: WordAlignment | None = None
    """of the source; none where it understood the same as the bundle"""
    same_as_source: bool = False


@dataclass(frozen=True)
class ClipPictures:
    """All that is drawn of a clip, on one axis of time."""

    curves: tuple[OutputCurve, ...] = ()
    lanes: SpanLanes | None = None
    strips: ActivityStrips | None = None
    probabilities: tuple[OutputCurve, ...] = ()
    """on the axis of the strips"""
    pitch: PitchCurve | None = None
    texts: Texts | None = None
    spectrogram: SpectrogramView | None = None

    @property
    def empty(self) -> bool:
        """Whether there is nothing to draw."""
        return self == NO_PICTURES

    @property
    def has_words(self) -> bool:
        """Whether texts are laid beside each other word by word."""
        return self.texts is not None and self.texts.words is not None


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
    own = None if source is None else source.drawn
    lanes, strips = None, None
    if found.spans is not None:
        strips = draw_activity_strips(labels, own, found, info.duration_s)
        lanes = None if strips else draw_span_lanes(labels.spans or (), found.spans, info.duration_s)
    pairs = [] if source is None else _pair_curves(source, estimate)
    return ClipPictures(
        curves=_draw_curves([pair for pair in pairs if pair[1].meaning == "value"], info.duration_s),
        lanes=lanes,
        strips=strips,
        probabilities=_draw_curves([pair for pair in pairs if pair[1].meaning == "probability"], info.duration_s),
        pitch=_draw_pitch(labels, [pair for pair in pairs if pair[1].meaning == "pitch_hz"], info.duration_s),
        texts=_lay_out_texts(labels, own, found),
        spectrogram=_view_spectrogram(info),
    )


def _pair_curves(source: ClipScores, estimate: ClipScores) -> list[tuple[Curve, Curve]]:
    """The source's and the bundle's curves of one name: the task's own first, then those of the outputs."""
    references = {curve.output: curve for curve in (*source.curves, *source.drawn.curves)}
    drawn = {curve.output: curve for curve in (*estimate.curves, *estimate.drawn.curves)}
    names = dict.fromkeys(curve.output for curve in (*estimate.drawn.curves, *estimate.curves))
    return [(references[name], drawn[name]) for name in names if name in references]


def _draw_curves(pairs: list[tuple[Curve, Curve]], duration_s: float) -> tuple[OutputCurve, ...]:
    figures = [draw_output_curve(*pair, duration_s) for pair in pairs[:_MOST_CURVES]]
    return tuple(figure for figure in figures if figure is not None)


def _draw_pitch(labels: Pictures, pairs: list[tuple[Curve, Curve]], duration_s: float) -> PitchCurve | None:
    if not pairs:
        return None
    label = next((curve for curve in labels.curves if curve.meaning == "pitch_hz"), None)
    return draw_pitch_curve(label, *pairs[0], duration_s)


def _lay_out_texts(labels: Pictures, own: Pictures | None, found: Pictures) -> Texts | None:
    if found.text is None:
        return None
    if labels.text is None or not found.words:
        return Texts(labels.text, found.text)
    same = own is not None and own.text == found.text
    return Texts(
        labels.text,
        found.text,
        align_words(labels.text, found.text),
        None if own is None or own.text is None or same else align_words(labels.text, own.text),
        same,
    )


def _view_spectrogram(info: ClipInfo) -> SpectrogramView | None:
    found = info.spectrogram
    if found is None:
        return None
    low, high = format_exact(found.low_hz, "Hz"), format_exact(found.high_hz, "Hz")
    words = f"the clip, {low} to {high} from the bottom up, over {format_exact(found.range_db, 'db')}"
    return SpectrogramView(draw_spectrogram(found), words)
