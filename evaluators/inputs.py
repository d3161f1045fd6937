"""What all trials of one evaluation share, made once and stored: the dataset's windows and the source's outputs."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from evaluators.datasets import Dataset
from evaluators.errors import EvaluationError
from evaluators.windows import count_windows, cut
from packager.arrays import ArrayWriter
from packager.bundle import AudioContract
from packager.model import ModelSource
from packager.package import source_facts
from packager.reference import ReferenceRequest, store_reference
from packager.seals import is_whole, seal_folder
from packager.storage import digest_facts, stage_folder
from packager.workers import Limits

LONG = Limits(time_s=6 * 3600)
"""for work over a whole dataset"""

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


def store_windows(dataset: Dataset, audio: AudioContract, cache: Path) -> Windows:
    """Read, resample and cut every clip, unless that is done already and what was stored is whole.

    Args:
        dataset: The clips.
        audio: The contract; the windows are float32 at its rate.
        cache: The output folder's cache.
    """
    known = find_windows(dataset.sha256, audio, cache)
    if known is not None:
        return known
    folder = _windows_folder(dataset.sha256, audio, cache)
    with stage_folder(folder) as stage:
        spans = _cut_clips(dataset, audio, stage)
        seal_folder(stage)
    return Windows(folder / "windows.npy", spans)


def find_windows(sha256: str, audio: AudioContract, cache: Path) -> Windows | None:
    """The windows that `store_windows` stored of a dataset; None where there are none, or what is there is not whole.

    Args:
        sha256: The dataset's digest.
        audio: The contract.
        cache: The output folder's cache.
    """
    folder = _windows_folder(sha256, audio, cache)
    if not is_whole(folder):
        return None
    spans = tuple((first, count, samples) for first, count, samples in json.loads((folder / "spans.json").read_text()))
    return Windows(folder / "windows.npy", spans)


def _windows_folder(sha256: str, audio: AudioContract, cache: Path) -> Path:
    return cache / "windows" / digest_facts({"dataset": sha256, "audio": audio.model_dump(mode="json")})[:32]


def _cut_clips(dataset: Dataset, audio: AudioContract, folder: Path) -> tuple[Span, ...]:
    # Two passes, so that no more than one clip is ever held: lengths first, since the file's size must be known.
    spans: list[Span] = []
    first = 0
    for clip in dataset.clips:
        n_samples = clip.read(audio).shape[1]
        count = count_windows(n_samples, audio)
        spans.append((first, count, n_samples))
        first += count
    shape = (first, audio.channels, audio.window_samples)
    with ArrayWriter(folder / "windows.npy", shape) as windows:
        for clip in dataset.clips:
            windows.append(cut(clip.read(audio), audio))
    (folder / "spans.json").write_text(json.dumps(spans))
    return tuple(spans)


def store_source_outputs(
    source: ModelSource,
    windows: Windows,
    *,
    audio: AudioContract,
    out: Path,
    on_windows: Callable[[int], None],
    limits: Limits = LONG,
) -> Path:
    """Run the source model on all windows, unless that is done already.

    Args:
        source: The model.
        windows: The dataset, cut.
        audio: The contract.
        out: The output folder; outputs go to its cache, the worker's log to its logs.
        on_windows: Called with the number of windows done.
        limits: What the worker may use.

    Returns:
        The folder that holds one `.npy` an output.

    Raises:
        EvaluationError: The source cannot be run: without the reference nothing can be compared.
    """
    key = digest_facts({**source_facts(source), "windows": windows.path.parent.name})
    folder = out / "cache" / "reference" / key[:32]
    log = out / "logs" / "reference.log"
    request = ReferenceRequest(
        spec=source.spec,
        path=str(source.path),
        framework=source.framework,
        sha256=source.sha256,
        factory=source.factory,
        weights=None if source.weights is None else str(source.weights),
        audio=audio,
        starts=tuple(first for first, _, _ in windows.spans),
        windows=str(windows.path.resolve()),
        folder=str(folder.resolve()),
    )
    reason = store_reference(request, log=log, on_windows=on_windows, limits=limits)
    if reason is not None:
        raise EvaluationError(f"the source model cannot be run: {reason}\n(log: {log})")
    return folder
