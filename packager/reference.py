"""The source model's outputs for many windows: the reference that every bundle is compared with, made once and stored.

One `.npy` file an output, `(windows, …)` without the batch, memory-mapped by those who read it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from device_profiles.record import Record
from packager.arrays import ArrayWriter
from packager.bundle import AudioContract
from packager.model import Framework, ModelSource, ModelSpec
from packager.seals import is_whole, seal_folder
from packager.sources import load_source
from packager.storage import stage_folder
from packager.streams import Stream
from packager.workers import DEFAULT_LIMITS, Job, Limits, run_jobs

_EVENT_EVERY = 8


class ReferenceRequest(Record):
    """Which source to run on which windows."""

    spec: ModelSpec
    path: str
    framework: Framework
    sha256: str
    factory: str | None = None
    weights: str | None = None
    audio: AudioContract
    windows: str
    """a `.npy` file, float32 (windows, channels, window_samples)"""
    starts: tuple[int, ...] = ()
    """windows with which a clip starts: states are 0 there"""
    folder: str
    """where the outputs go"""


class WindowsDone(Record):
    """How far the worker is."""

    windows: int


def run_reference(request: dict[str, Any]) -> Iterator[WindowsDone]:
    """Inside the worker: run all windows; yields how many are done."""
    parsed = ReferenceRequest.model_validate(request, strict=False)
    weights = None if parsed.weights is None else Path(parsed.weights)
    source = ModelSource(
        parsed.spec, Path(parsed.path), parsed.framework, parsed.sha256, factory=parsed.factory, weights=weights
    )
    loaded = load_source(source, parsed.audio)
    stream = Stream(loaded, parsed.audio, parsed.spec.state)
    windows = np.load(parsed.windows, mmap_mode="r")
    starts = set(parsed.starts)
    with stage_folder(Path(parsed.folder)) as stage:
        shapes = {name: (len(windows), *loaded.outputs[name].shape[1:]) for name in parsed.spec.outputs}
        with contextlib.ExitStack() as stack:
            files = {n: stack.enter_context(ArrayWriter(stage / f"{n}.npy", shape)) for n, shape in shapes.items()}
            for index, window in enumerate(windows):
                if index in starts:
                    stream.reset()
                outputs = stream.hear(np.array(window))
                for name, file in files.items():
                    file.append(outputs[name][:1])
                if index % _EVENT_EVERY == 0:
                    yield WindowsDone(windows=index)
        seal_folder(stage)
    yield WindowsDone(windows=len(windows))


def store_reference(
    request: ReferenceRequest, *, log: Path, on_windows: Callable[[int], None], limits: Limits = DEFAULT_LIMITS
) -> str | None:
    """Run the source in a worker, unless its outputs are there already, and whole.

    Args:
        request: What to run; `folder` should hold the content address of all that decides the outputs in its name.
        log: Where the worker's output goes.
        on_windows: Called with the number of windows done so far.
        limits: What the worker may use.

    Returns:
        None when the outputs are in place, else the reason why not.
    """
    if is_whole(Path(request.folder)):
        return None
    job = Job("packager.reference:run_reference", request.model_dump(mode="json"), log, limits, WindowsDone)
    (ended,) = run_jobs([job], lambda _, event: on_windows(event.windows))
    return ended.reason
