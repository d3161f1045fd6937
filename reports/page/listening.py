"""One stage for a clip: what each side made of it, drawn on one axis of time, to be heard with one playhead over all.

Sides are the clip, its labels, the source model, bundles and, of those, what the baseline's made of it. Of models that
make sound it is that which is heard; of notes and pitches, what the page's script plays of the drawing.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

from evaluators.evaluation import ClipInfo, ClipScores
from evaluators.picture_records import Curve, Pictures, Preview, Track
from reports.notation import format_exact
from reports.page.audio import Player, Shelf
from reports.page.figures.pitch_lanes import LANE_HEIGHT, PitchLanes, draw_note_lanes, draw_pitch_lanes
from reports.page.figures.scale import Tick, stretch
from reports.page.figures.spectrogram import draw_spectrogram, mark_frequencies
from reports.page.figures.waveform import draw_waveform, find_peak

_MOST_TRACKS = 16
_MOST_SIDE_TRACKS = 2
"""of one side: the channels that most models have"""
_TICKS = 5
MOST_PLAYED_S = 120
"""of notes and pitches, which the script makes in the reader's memory"""


@dataclass(frozen=True)
class Side:
    """One bundle on a clip, now or in the baseline."""

    key: str
    """letter of the bundle"""
    clip: ClipScores
    is_earlier: bool = False
    """whether it is the baseline's"""
    name: str = ""
    """the bundle's"""
    is_renamed: bool = False
    """whether the baseline's has another name"""


@dataclass(frozen=True)
class SpectrogramLane:
    """A picture of the clip itself."""

    source: str
    """a data: URI"""
    width: float
    """per cent of the axis of time"""
    words: str


@dataclass(frozen=True)
class TrackLine:
    """One side: a picture and a sound."""

    side: str
    """whose it is, where it is no bundle's"""
    key: str | None
    """letter of the bundle"""
    name: str
    is_earlier: bool = False
    player: Player | None = None
    """none where an earlier track is the same, and where the script plays what is drawn"""
    same_as: int | None = None
    """the number of that track, from 0"""
    waveform: str = ""
    """SVG path"""
    lane: str = ""
    """SVG path of notes or a pitch"""
    spectrogram: SpectrogramLane | None = None
    ticks: tuple[Tick, ...] = ()
    """pitches or frequencies upright; places in pixels"""
    note: str = ""
    """what was done to it so that it can be played, or what it counts"""
    is_silent: bool = False
    """whether it is a picture alone"""


@dataclass(frozen=True)
class Listening:
    """All that is seen and heard of a clip."""

    duration_s: float
    tracks: tuple[TrackLine, ...]
    ticks: tuple[Tick, ...]
    """places in percent"""
    left_out: int
    """tracks that are not shown"""
    lanes: PitchLanes | None = None
    """of notes or pitches"""
    kind: str = "sound"
    """sound, notes or pitch"""
    reference: int | None = None
    """the number of the lane that stands behind the others: the labels"""
    remark: str = ""
    """what cannot be heard of the baseline, though it has the clip"""


def make_listening(
    info: ClipInfo, source: ClipScores | None, sides: Sequence[Side], shelf: Shelf, earlier: Shelf
) -> Listening | None:
    """The stage, or none where no sound of a model was kept and none draws notes or a pitch.

    Args:
        info: The clip and what is heard of its labels.
        source: What the source model made of it.
        sides: Bundles, the worst first, each followed by the baseline's where there is one.
        shelf: What gives players room in the page.
        earlier: The same for the baseline's sound.
    """
    if any(one.clip.tracks for one in sides) or (source is not None and source.tracks):
        return _make_sound(info, source, sides, shelf, earlier)
    return _make_song(info, source, sides, shelf)


def _make_sound(
    info: ClipInfo, source: ClipScores | None, sides: Sequence[Side], shelf: Shelf, earlier: Shelf
) -> Listening | None:
    own = () if source is None else source.tracks
    found: list[tuple[TrackLine, tuple[Track, ...], Shelf, int]] = [
        (TrackLine("", None, ""), info.tracks, shelf, _MOST_SIDE_TRACKS + 1),
        (TrackLine("source", None, ""), own, shelf, _MOST_SIDE_TRACKS),
        *(
            (_line_of(side), side.clip.tracks, earlier if side.is_earlier else shelf, _MOST_SIDE_TRACKS)
            for side in sides
        ),
    ]
    shown = [(line, track, where) for line, tracks, where, room in found for track in tracks[:room]][:_MOST_TRACKS]
    longest_s = max((track.sound.duration_s for _, track, _ in shown), default=0.0)
    if longest_s <= 0:
        return None
    lines = _make_lines(shown, longest_s)
    picture = _make_spectrogram(info, longest_s)
    head = () if picture is None else (_shift(TrackLine("clip", None, "", is_silent=True), info, picture),)
    tracks = (*head, *(_renumber(line, len(head)) for line in lines))
    left_out = sum(len(tracks) for _, tracks, _, _ in found) - len(lines)
    before = [side for side in sides if side.is_earlier]
    remark = "the baseline kept no sound of this clip" if before and not any(one.clip.tracks for one in before) else ""
    return Listening(longest_s, tracks, _mark_time(longest_s), left_out, remark=remark)


def _make_song(info: ClipInfo, source: ClipScores | None, sides: Sequence[Side], shelf: Shelf) -> Listening | None:
    """Lanes of labels, source, the worst bundle and the baseline's, of notes or of a pitch."""
    if not sides or info.duration_s <= 0:
        return None
    shown = [sides[0], *(side for side in sides[1:] if side.is_earlier and side.key == sides[0].key)]
    drawn: list[tuple[TrackLine, Pictures]] = [(TrackLine("labels", None, ""), info.drawn)]
    if source is not None:
        drawn.append((TrackLine("source", None, ""), source.drawn))
    drawn += [(_line_of(side, named=True), side.clip.drawn) for side in shown]
    bundle = shown[0].clip.drawn
    if bundle.events is not None:
        kind, drawn = "notes", [(line, one) for line, one in drawn if one.events is not None]
        lanes = draw_note_lanes([one.events or () for _, one in drawn], info.duration_s)
    elif (pitch := _find_pitch(bundle)) is not None:
        kind, drawn = "pitch", [(line, one) for line, one in drawn if _find_pitch(one, pitch.output) is not None]
        lanes = draw_pitch_lanes([_find_pitch(one, pitch.output) for _, one in drawn], info.duration_s)
    else:
        return None
    if lanes is None:
        return None
    return _assemble(info, kind, [line for line, _ in drawn], lanes, shelf)


def _assemble(info: ClipInfo, kind: str, lines: Sequence[TrackLine], lanes: PitchLanes, shelf: Shelf) -> Listening:
    tracks: list[TrackLine] = []
    picture = _make_spectrogram(info, info.duration_s)
    player = shelf.take(info.preview) if info.preview is not None and shelf.is_open else None
    if picture is not None or player is not None:
        words = "" if info.preview is None or player is None else _describe_beginning(info, info.preview)
        clip = TrackLine("clip", None, "", player=player, note=words, is_silent=player is None)
        tracks.append(clip if picture is None else _shift(clip, info, picture))
    first: dict[str, int] = {}
    for number, line in enumerate(lines):
        path = lanes.paths[number]
        same = first.setdefault(path, len(tracks)) if path else len(tracks)
        tracks.append(
            _replace(
                line,
                lane=path,
                same_as=None if same == len(tracks) else same,
                ticks=lanes.ticks,
                note=_count(lanes.counts[number]) if lanes.counts else "",
                is_silent=not path,
            )
        )
    reference = next((number for number, track in enumerate(tracks) if track.side == "labels" and track.lane), None)
    time = _mark_time(info.duration_s)
    return Listening(info.duration_s, tuple(tracks), time, 0, lanes, kind, reference)


def _count(notes: int) -> str:
    return "1 note" if notes == 1 else f"{notes} notes"


def _describe_beginning(info: ClipInfo, preview: Preview) -> str:
    return (
        ""
        if preview.duration_s >= info.duration_s * 0.99
        else f"its first {format_exact(round(preview.duration_s, 1), 's')}"
    )


def _line_of(side: Side, *, named: bool = False) -> TrackLine:
    return TrackLine("", side.key, side.name if named or side.is_renamed else "", is_earlier=side.is_earlier)


def _replace(line: TrackLine, **changes: object) -> TrackLine:
    return dataclasses.replace(line, **changes)  # type: ignore[arg-type]


def _shift(line: TrackLine, info: ClipInfo, picture: SpectrogramLane) -> TrackLine:
    assert info.spectrogram is not None
    return _replace(line, spectrogram=picture, ticks=mark_frequencies(info.spectrogram, LANE_HEIGHT))


def _renumber(line: TrackLine, by: int) -> TrackLine:
    return line if line.same_as is None else _replace(line, same_as=line.same_as + by)


def _find_pitch(pictures: Pictures, name: str | None = None) -> Curve | None:
    curves = (curve for curve in pictures.curves if curve.meaning == "pitch_hz")
    return next((curve for curve in curves if name is None or curve.output == name), None)


def _make_spectrogram(info: ClipInfo, shown_s: float) -> SpectrogramLane | None:
    found = info.spectrogram
    if found is None or shown_s <= 0:
        return None
    low, high = format_exact(found.low_hz, "Hz"), format_exact(found.high_hz, "Hz")
    words = f"the clip, {low} to {high} from the bottom up, over {format_exact(found.range_db, 'db')}"
    return SpectrogramLane(draw_spectrogram(found), round(min(info.duration_s / shown_s, 1000.0) * 100, 2), words)


def _mark_time(duration_s: float) -> tuple[Tick, ...]:
    scale = stretch(0, duration_s, start=0, end=100)
    return tuple(Tick(scale.place(tick), format_exact(tick, "s")) for tick in scale.ticks(_TICKS))


def _make_lines(shown: list[tuple[TrackLine, Track, Shelf]], longest_s: float) -> tuple[TrackLine, ...]:
    first: dict[str, int] = {}
    peak = max(find_peak(track.envelope) for _, track, _ in shown)
    lines = []
    for number, (line, track, shelf) in enumerate(shown):
        same_as = first.setdefault(track.sound.sha256, number)
        lines.append(
            _replace(
                line,
                name=" ".join(part for part in (line.name, track.name) if part),
                player=shelf.take(track.sound) if same_as == number else None,
                same_as=None if same_as == number else same_as,
                waveform=draw_waveform(track.envelope, track.sound.duration_s, longest_s, peak),
                note="; ".join(_list_changes(track)),
            )
        )
    return tuple(lines)


def _list_changes(track: Track) -> list[str]:
    changes = []
    if track.turned_down_db:
        changes.append(f"turned down by {format_exact(track.turned_down_db, 'db')}: it is far louder than the clip")
    if track.clipped_samples:
        words = "sample was" if track.clipped_samples == 1 else "samples were"
        changes.append(f"{track.clipped_samples} {words} clipped")
    return changes
