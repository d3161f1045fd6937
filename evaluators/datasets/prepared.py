"""A dataset that was read, checked and cut, as it is stored for all who play it: nobody decodes its audio again."""

from __future__ import annotations

import collections
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from device_profiles.record import Record
from evaluators.errors import EvaluationError
from evaluators.evaluation import DatasetInfo
from evaluators.task import ClipContext, Task
from evaluators.windows import Samples, uncut
from packager.bundle import AudioContract
from packager.seals import read_sealed_record

Span = tuple[int, int, int]
"""of a clip: its first window, how many windows, how many samples"""


@dataclass(frozen=True)
class Windows:
    """A dataset cut into windows.

    Attributes:
        path: `.npy`, float32 `(windows, channels, window_samples)`.
        spans: One a clip, in the dataset's order.
    """

    path: Path
    spans: tuple[Span, ...]

    @property
    def count(self) -> int:
        """Windows of all clips."""
        return sum(count for _, count, _ in self.spans)


def read_clip(windows: npt.NDArray[np.float32], span: Span, audio: AudioContract) -> Samples:
    """A clip put together again.

    Args:
        windows: `(windows, channels, window_samples)`, of all clips; may be memory-mapped.
        span: The clip's.
        audio: The contract.
    """
    first, count, n_samples = span
    return uncut(np.array(windows[first : first + count]), audio, n_samples)


class Prepared(Record):
    """A dataset, checked and cut.

    Its windows lie in the output folder's cache.
    """

    info: DatasetInfo
    audio: tuple[str, ...]
    """the clips' files as the manifest writes them, in its order"""
    lines: tuple[dict[str, Any], ...]
    """the clips' lines of the manifest, checked"""
    spans: tuple[tuple[int, int, int], ...]
    """of each clip: its first window, how many windows, how many samples"""
    windows: str
    """the folder in `cache/windows`"""

    def pick(self, clips: Collection[str]) -> Prepared:
        """The same with those of its clips alone, in its order."""
        kept = [number for number, clip in enumerate(self.info.clips) if clip.clip in clips]
        info = self.info.model_copy(update={"clips": tuple(self.info.clips[number] for number in kept)})
        parts = {name: tuple(getattr(self, name)[number] for number in kept) for name in ("audio", "lines", "spans")}
        return self.model_copy(update={"info": info, **parts})

    def find_windows(self, out: Path) -> Windows:
        """Its windows in an output folder."""
        return Windows(out / "cache" / "windows" / self.windows / "windows.npy", self.spans)

    def list_label_files(self, keys: Sequence[str]) -> tuple[str, ...]:
        """The clips' label files as the manifest writes them, each once; `keys` are the task's `label_files`."""
        return tuple(dict.fromkeys(str(line[key]) for line in self.lines for key in keys))

    def parse_labels(self, task: Task, folder: Path) -> list[Any]:
        """Each clip's labels, as the task reads them from its line and its label files, which lie in the folder."""
        return [
            task.parse_labels(
                line,
                ClipContext(clip.duration_s, clip.clip, {key: folder / line[key] for key in task.label_files}),
            )
            for line, clip in zip(self.lines, self.info.clips, strict=True)
        ]


_MOST_NOTICES = 10


def count_notices(info: DatasetInfo) -> tuple[str, ...]:
    """What a reader should know of a dataset: each notice once, those of clips with how many have it."""
    counts = collections.Counter(notice for clip in info.clips for notice in clip.notices)
    named = {notice: next(clip.clip for clip in info.clips if notice in clip.notices) for notice in counts}
    total = len(info.clips)
    of_clips = [
        f"clip {named[notice]}: {notice}" if count == 1 else f"{count} of {total} clips: {notice}"
        for notice, count in counts.most_common(_MOST_NOTICES)
    ]
    more = [f"and {len(counts) - _MOST_NOTICES} other notices, in the report"] if len(counts) > _MOST_NOTICES else []
    return (*info.notices, *of_clips, *more)


@dataclass(frozen=True)
class PreparedDataset:
    """A prepared dataset, the file that holds it, and the folder that its audio and label files lie in."""

    found: Prepared
    path: Path
    folder: Path


def read_prepared(path: Path) -> Prepared:
    """What the preparation stored.

    Raises:
        EvaluationError: It is not there, or not what was written.
    """
    prepared = read_sealed_record(path, Prepared)
    if prepared is None:
        raise EvaluationError(f"{path}: the dataset's description is missing or damaged; remove it and run again")
    return prepared
