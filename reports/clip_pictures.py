"""The pictures of a clip that suit its task: a piano roll for notes, curves for one value a frame, a spectrogram."""

from __future__ import annotations

from dataclasses import dataclass

from evaluators.evaluation import ClipInfo, ClipScores
from reports.figures.output_curve import OutputCurve, draw_output_curve
from reports.figures.piano_roll import PianoRoll, draw_piano_roll
from reports.figures.spectrogram import draw_spectrogram
from reports.notation import format_exact

_MOST_CURVES = 3


@dataclass(frozen=True)
class SpectrogramView:
    """A picture of the clip itself."""

    source: str
    """a data: URI"""
    words: str
    """what its axes are"""


@dataclass(frozen=True)
class ClipPictures:
    """All that is drawn of a clip, on one axis of time."""

    roll: PianoRoll | None
    curves: tuple[OutputCurve, ...]
    spectrogram: SpectrogramView | None

    @property
    def empty(self) -> bool:
        """Whether there is nothing to draw."""
        return self.roll is None and not self.curves and self.spectrogram is None


NO_PICTURES = ClipPictures(None, (), None)


def draw_pictures(info: ClipInfo, source: ClipScores | None, estimate: ClipScores | None) -> ClipPictures:
    """Draw what there is.

    Args:
        info: The clip and its labels.
        source: What the source model made of it: the reference of curves.
        estimate: What a bundle made of it.
    """
    roll, curves = None, []
    if estimate is not None and estimate.notes is not None and info.reference_notes is not None:
        roll = draw_piano_roll(info.reference_notes, estimate.notes, info.duration_s)
    if estimate is not None and source is not None:
        references = {curve.output: curve for curve in source.curves}
        pairs = [(references[curve.output], curve) for curve in estimate.curves if curve.output in references]
        curves = [draw_output_curve(*pair, info.duration_s) for pair in pairs[:_MOST_CURVES]]
    return ClipPictures(roll, tuple(curve for curve in curves if curve is not None), _view_spectrogram(info))


def _view_spectrogram(info: ClipInfo) -> SpectrogramView | None:
    found = info.spectrogram
    if found is None:
        return None
    low, high = format_exact(found.low_hz, "Hz"), format_exact(found.high_hz, "Hz")
    words = f"the clip, {low} to {high} from the bottom up, over {format_exact(found.range_db, 'db')}"
    return SpectrogramView(draw_spectrogram(found), words)
