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
from packager.arrays import ArrayWriter, drop_batch
from packager.bundle import AudioContract
from packager.jobs.executors import Executor
from packager.jobs.inputs import Input
from packager.jobs.results import Made, fill_folder
from packager.jobs.workers import DEFAULT_LIMITS, Job, Limits
from packager.model import ModelSource, source_inputs
from packager.proving.streams import Stream
from packager.seals import is_whole, seal_folder, trust_seal
from packager.sources import load_source, open_source_frontend

_EVENT_EVERY = 8
_OUTPUTS = "outputs"


def source_code(framework: str) -> tuple[str, ...]:
    """The modules that a worker which runs a source model begins with, see `packager.jobs.code`."""
    return ("packager.jobs.worker", "packager.proving.reference", f"packager.sources.{framework}")


class ReferenceRequest(Record):
    """Which source to run on which windows."""

    source: ModelSource
    audio: AudioContract
    windows: str
    """a `.npy` file, float32 (windows, channels, window_samples)"""
    starts: tuple[int, ...] = ()
    """windows with which a clip starts: states are 0 there"""


class WindowsDone(Record):
    """How far the worker is."""

    windows: int


def run_reference(request: dict[str, Any], folder: Path) -> Iterator[WindowsDone | Made]:
    """Inside the worker: run all windows; yields how many are done."""
    parsed = ReferenceRequest.model_validate(request, strict=False)
    spec = parsed.source.spec
    loaded = load_source(parsed.source, parsed.audio)
    stream = Stream(loaded, parsed.audio, spec.state, open_source_frontend(parsed.source, parsed.audio))
    windows = np.load(parsed.windows, mmap_mode="r")
    starts = set(parsed.starts)
    with fill_folder(folder / _OUTPUTS) as stage:
        shapes = {name: drop_batch(np.empty(loaded.outputs[name].shape)).shape for name in spec.outputs}
        with contextlib.ExitStack() as stack:
            files = {
                n: stack.enter_context(ArrayWriter(stage / f"{n}.npy", (len(windows), *shape)))
                for n, shape in shapes.items()
            }
            for index, window in enumerate(windows):
                if index in starts:
                    stream.reset()
                outputs = stream.run_window(np.array(window))
                for name, file in files.items():
                    file.append(drop_batch(outputs[name])[None])
                if index % _EVENT_EVERY == 0:
                    yield WindowsDone(windows=index)
        seal_folder(stage)
    yield Made(made=_OUTPUTS)
    yield WindowsDone(windows=len(windows))


def store_reference(
    request: ReferenceRequest,
    folder: Path,
    *,
    log: Path,
    on_windows: Callable[[int], None],
    executor: Executor,
    limits: Limits = DEFAULT_LIMITS,
) -> str | None:
    """Run the source in a worker, unless its outputs are there already, and whole.

    Args:
        request: What to run.
        folder: Where the outputs go; its name should be the content address of all that decides them.
        log: Where the worker's output goes.
        on_windows: Called with the number of windows done so far.
        executor: Who runs the worker.
        limits: What the worker may use.

    Returns:
        None when the outputs are in place, else the reason why not.
    """
    if is_whole(folder):
        return None
    job = Job(
        "packager.proving.reference:run_reference",
        request.model_dump(mode="json"),
        log,
        limits,
        WindowsDone,
        results={_OUTPUTS: folder},
        code=source_code(request.source.framework),
        inputs=(*source_inputs(request.source), Input(Path(request.windows))),
    )
    (ended,) = executor.run([job], lambda _, event: on_windows(event.windows))
    if ended.reason is None:
        trust_seal(folder)
    return ended.reason
