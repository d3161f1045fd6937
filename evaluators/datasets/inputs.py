"""What all trials of one evaluation share, made once and stored: the dataset's windows and the source's outputs."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from device_profiles.naming import file_stem
from evaluators.datasets.place import Place
from evaluators.datasets.prepared import Span, Windows
from evaluators.errors import EvaluationError
from evaluators.windows import Samples, cut
from packager.arrays import ArrayWriter
from packager.bundle import AudioContract
from packager.jobs.results import fill_folder
from packager.model import ModelSource
from packager.package import source_facts
from packager.proving.reference import ReferenceRequest, store_reference
from packager.seals import is_whole, seal_folder
from packager.storage import digest_facts


class WindowsWriter:
    """Cuts clips into a folder's `windows.npy`, and says where each lies in `spans.json`; a context manager."""

    def __init__(self, folder: Path, audio: AudioContract) -> None:
        """Begin the file; no more than one clip is ever held.

        Args:
            folder: Empty.
            audio: The contract; the windows are float32 at its rate.
        """
        self.spans: list[Span] = []
        self._folder, self._audio = folder, audio
        self._array = ArrayWriter(folder / "windows.npy", (None, audio.channels, audio.window_samples))

    def add(self, samples: Samples) -> None:
        """Cut the next clip."""
        windows = cut(samples, self._audio)
        first = sum(self.spans[-1][:2]) if self.spans else 0
        self.spans.append((first, len(windows), samples.shape[1]))
        self._array.append(windows)

    def __enter__(self) -> Self:
        self._array.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._array.__exit__(kind, fault, trace)
        if fault is None:
            (self._folder / "spans.json").write_text(json.dumps(self.spans))


@contextlib.contextmanager
def write_windows(folder: Path, audio: AudioContract) -> Iterator[WindowsWriter]:
    """Inside a worker: fill a folder with windows, and seal it when all are there; arguments as of `WindowsWriter`."""
    with fill_folder(folder) as stage:
        with WindowsWriter(stage, audio) as writer:
            yield writer
        seal_folder(stage)


def find_windows(sha256: str, audio: AudioContract, cache: Path) -> Windows | None:
    """The windows that are stored of a dataset; None where there are none, or what is there is not whole.

    Args:
        sha256: The dataset's digest.
        audio: The contract.
        cache: The output folder's cache.
    """
    folder = windows_folder(sha256, audio, cache)
    if not is_whole(folder):
        return None
    return Windows(folder / "windows.npy", _read_spans(folder))


def _read_spans(folder: Path) -> tuple[Span, ...]:
    return tuple((first, count, samples) for first, count, samples in json.loads((folder / "spans.json").read_text()))


def windows_folder(sha256: str, audio: AudioContract, cache: Path) -> Path:
    """Where a dataset's windows belong."""
    return cache / "windows" / digest_facts({"dataset": sha256, "audio": audio.model_dump(mode="json")})[:32]


def store_source_outputs(
    source: ModelSource,
    windows: Windows,
    *,
    audio: AudioContract,
    place: Place,
    on_windows: Callable[[int], None],
    name: str = "",
) -> Path:
    """Run the source model on all windows, unless that is done already.

    Args:
        source: The model.
        windows: The dataset, cut.
        audio: The contract.
        place: Where, and by whom; outputs go to the output folder's cache.
        on_windows: Called with the number of windows done.
        name: Of the condition that the windows are under, for the log; empty where they are the clips as they are.

    Returns:
        The folder that holds one `.npy` an output.

    Raises:
        EvaluationError: The source cannot be run: without the reference nothing can be compared.
    """
    key = digest_facts({**source_facts(source), "windows": windows.path.parent.name})
    folder = place.out / "cache" / "reference" / key[:32]
    log = place.out / "logs" / (f"reference-{file_stem(name)}.log" if name else "reference.log")
    request = ReferenceRequest(
        source=source,
        audio=audio,
        starts=tuple(first for first, _, _ in _read_spans(windows.path.parent)),  # of all clips, also for a subset
        windows=str(windows.path.resolve()),
    )
    reason = store_reference(
        request, folder, log=log, on_windows=on_windows, executor=place.executor, limits=place.limits
    )
    if reason is not None:
        raise EvaluationError(f"the source model cannot be run: {reason}\n(log: {log})")
    return folder
