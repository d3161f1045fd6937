"""One player for all sound of a clip, on one axis of time: reference, input, source and bundles to switch between."""

from __future__ import annotations

from dataclasses import dataclass

from evaluators.evaluation import ClipInfo, ClipScores
from evaluators.picture_records import Track
from reports.notation import format_exact
from reports.page.audio import Player, Shelf
from reports.page.figures.scale import Tick, stretch
from reports.page.figures.waveform import draw_waveform, find_peak

_MOST_TRACKS = 16
_MOST_SIDE_TRACKS = 2
"""of one side: the channels that most models have"""
_TICKS = 5


@dataclass(frozen=True)
class TrackLine:
    """One sound."""

    side: str
    """whose it is, where it is no bundle's"""
    key: str | None
    """letter of the bundle"""
    name: str
    player: Player | None
    """none where an earlier track is the same, sample for sample"""
    same_as: int | None
    """the number of that track, from 0"""
    waveform: str
    """SVG path"""
    note: str
    """what was done to it so that it can be played"""


@dataclass(frozen=True)
class Listening:
    """All sound of a clip."""

    duration_s: float
    tracks: tuple[TrackLine, ...]
    ticks: tuple[Tick, ...]
    """places in percent"""
    left_out: int
    """tracks that are not shown"""


def make_listening(
    info: ClipInfo, source: ClipScores | None, bundles: list[tuple[str, ClipScores]], shelf: Shelf
) -> Listening | None:
    """The player, or none where no sound of a model was kept.

    Args:
        info: The clip and what is heard of its labels.
        source: What the source model made of it.
        bundles: Letter of a bundle, and what it made of the clip; the worst first.
        shelf: What gives players room in the page.
    """
    own = () if source is None else source.tracks
    sides: list[tuple[str, str | None, tuple[Track, ...]]] = [
        ("", None, info.tracks),
        ("source", None, own),
        *(("", key, clip.tracks) for key, clip in bundles),
    ]
    shown = [(side, key, track) for side, key, tracks in sides for track in tracks[: _room_of(side, key)]]
    longest_s = max((track.sound.duration_s for _, _, track in shown), default=0.0)
    if longest_s <= 0 or not any(tracks for _, _, tracks in sides[1:]):
        return None
    scale = stretch(0, longest_s, start=0, end=100)
    lines = _make_lines(shown[:_MOST_TRACKS], shelf, longest_s)
    return Listening(
        duration_s=longest_s,
        tracks=lines,
        ticks=tuple(Tick(scale.place(tick), format_exact(tick, "s")) for tick in scale.ticks(_TICKS)),
        left_out=sum(len(tracks) for _, _, tracks in sides) - len(lines),
    )


def _room_of(side: str, key: str | None) -> int:
    """How many tracks a side may have: a clip has its input beside the reference's channels."""
    return _MOST_SIDE_TRACKS if side or key else _MOST_SIDE_TRACKS + 1


def _make_lines(shown: list[tuple[str, str | None, Track]], shelf: Shelf, longest_s: float) -> tuple[TrackLine, ...]:
    first: dict[str, int] = {}
    peak = max(find_peak(track.envelope) for _, _, track in shown)
    lines = []
    for number, (side, key, track) in enumerate(shown):
        same_as = first.setdefault(track.sound.sha256, number)
        line = TrackLine(
            side=side,
            key=key,
            name=track.name,
            player=shelf.take(track.sound) if same_as == number else None,
            same_as=None if same_as == number else same_as,
            waveform=draw_waveform(track.envelope, track.sound.duration_s, longest_s, peak),
            note="; ".join(_list_changes(track)),
        )
        lines.append(line)
    return tuple(lines)


def _list_changes(track: Track) -> list[str]:
    changes = []
    if track.turned_down_db:
        changes.append(f"turned down by {format_exact(track.turned_down_db, 'db')}: it is far louder than the clip")
    if track.clipped_samples:
        words = "sample was" if track.clipped_samples == 1 else "samples were"
        changes.append(f"{track.clipped_samples} {words} clipped")
    return changes
