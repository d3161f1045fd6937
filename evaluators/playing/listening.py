"""Inside the evaluation worker: play the beginnings of a few clips again, and keep what a report lets one hear of them.

Which clips are worth hearing is known only once all were played, and sound of all of them would fill the disk.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from device_profiles.files import read_bytes
from device_profiles.record import Record
from evaluators.datasets.outputs import combine_outputs
from evaluators.datasets.prepared import Span, read_clip, read_prepared
from evaluators.errors import EvaluationError
from evaluators.evaluation import ClipScores
from evaluators.picture_records import MAX_TRACKS, Track, Tracks
from evaluators.pictures.sounds import FOLDER, MAX_HEARD_SAMPLES, Sound, find_loudness, keep_sound
from evaluators.playing.trial import TrialRequest, open_player, play_clip
from evaluators.task import Task
from evaluators.task_loading import open_task
from packager.jobs.results import Made
from packager.jobs.workers import LyingEventError
from packager.stitching import count_windows
from packager.storage import digest_bytes

INPUT = "input"
LABELLED = "reference"


class ListenRequest(TrialRequest):
    """Of which clips to keep what a model makes of them."""

    heard: tuple[str, ...]


class HeardClip(Record):
    """What is heard of one clip."""

    clip: str
    tracks: Tracks
    """of what the model made of it"""
    label_tracks: Tracks = ()
    """of the clip itself and its labels, where the model is the source"""


class ListenResult(Record):
    """What a worker kept."""

    clips: tuple[HeardClip, ...]

    @property
    def tracks(self) -> tuple[Track, ...]:
        """All of them."""
        return tuple(track for clip in self.clips for track in (*clip.label_tracks, *clip.tracks))

    def check(self, heard: Sequence[str]) -> None:
        """See that it is of the clips that were asked for, and names files where they belong.

        Raises:
            LyingEventError: It is not, or does not.
        """
        if tuple(clip.clip for clip in self.clips) != tuple(heard):
            raise LyingEventError("the worker's result: its clips are not those that were asked for")
        if any(track.sound.path != f"{FOLDER}/{track.sound.sha256[:32]}.flac" for track in self.tracks):
            raise LyingEventError("the worker's result: a sound is not where it was to be stored")

    def is_whole(self, out: Path) -> bool:
        """Whether its files are still what was written."""
        try:
            return all(
                digest_bytes(read_bytes(out / track.sound.path, error=EvaluationError)) == track.sound.sha256
                for track in self.tracks
            )
        except EvaluationError:
            return False


def listen(request: dict[str, Any], folder: Path) -> Iterator[dict[str, Any] | Made]:
    """Play the beginning of each clip that is heard; yields a `Made` a file, and one `{"result": …}`."""
    parsed = ListenRequest.model_validate(request, strict=False)
    task = open_task(parsed.task)
    dataset = read_prepared(Path(parsed.dataset)).pick(parsed.heard)
    # Labels are heard once, beside the source: it is always there.
    labels = dataset.parse_labels(task, Path(parsed.folder)) if parsed.model is None else []
    reference = {name: np.load(Path(parsed.reference) / f"{name}.npy", mmap_mode="r") for name in parsed.outputs}
    _, _, call = open_player(parsed, reference)
    windows = np.load(parsed.windows, mmap_mode="r")
    found = []
    for number, (info, span) in enumerate(zip(dataset.info.clips, dataset.spans, strict=True)):
        short = _shorten(span, parsed)
        clip = read_clip(windows, short, parsed.audio)
        stitched, _ = combine_outputs(
            play_clip(call, windows, short), parsed.outputs, parsed.audio, short[2], required=task.required_outputs
        )
        keep = _Keeper(task, parsed.audio.sample_rate_hz, clip, folder)
        found.append(
            HeardClip(
                clip=info.clip,
                tracks=keep.tracks_of(task.decode(stitched)),
                label_tracks=keep.label_tracks_of(labels[number]) if labels else (),
            )
        )
    for path in sorted((folder / FOLDER).iterdir()):
        yield Made(made=f"{FOLDER}/{path.name}")
    yield {"result": ListenResult(clips=tuple(found)).model_dump(mode="json")}


def _shorten(span: Span, parsed: ListenRequest) -> Span:
    """The windows that hold a clip's beginning."""
    first, _, n_samples = span
    n_samples = min(n_samples, MAX_HEARD_SAMPLES)
    return first, count_windows(n_samples, parsed.audio), n_samples


class _Keeper:
    """Keeps what belongs to one clip, not much louder than the clip is."""

    def __init__(self, task: Task, rate_hz: int, clip: npt.NDArray[np.float32], folder: Path) -> None:
        self._task, self._rate_hz, self._folder = task, rate_hz, folder
        self._clip = clip.mean(axis=0)
        self._loudest_rms = find_loudness(self._clip)

    def tracks_of(self, estimate: Any) -> tuple[Track, ...]:
        """What the task lets hear of labels or of an estimate."""
        return tuple(map(self._keep, self._hear(estimate)[:MAX_TRACKS]))

    def label_tracks_of(self, labels: Any) -> tuple[Track, ...]:
        """The clip, and what the task lets hear of its labels."""
        sounds = self._hear(labels)[: MAX_TRACKS - 1]
        named = [Sound(f"{LABELLED} {sound.name}".rstrip(), sound.samples, sound.rate_hz) for sound in sounds]
        return (*map(self._keep, named), self._keep(Sound(INPUT, self._clip, self._rate_hz)))

    def _hear(self, labels_or_estimate: Any) -> list[Sound]:
        return [sound for sound in self._task.hear(labels_or_estimate, self._rate_hz) if len(sound.samples)]

    def _keep(self, sound: Sound) -> Track:
        return keep_sound(sound, self._loudest_rms, self._folder)


def add_tracks(clips: tuple[ClipScores, ...], result: ListenResult) -> tuple[ClipScores, ...]:
    """A model's clips with what was kept of them."""
    kept = {clip.clip: clip.tracks for clip in result.clips}
    return tuple(clip.model_copy(update={"tracks": kept[clip.clip]}) if clip.clip in kept else clip for clip in clips)
