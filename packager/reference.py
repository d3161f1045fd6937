"""The source model's outputs for many windows: the reference that every bundle is compared with, made once and stored.

One `.npy` file an output, `(windows, …)` without the batch, memory-mapped by those who read it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from device_profiles.record import Record
from packager.bundle import AudioContract
from packager.model import Framework, ModelSource, ModelSpec
from packager.sources import load_source, name_audio_axes, shape_window
from packager.storage import create_array, stage_folder
from packager.workers import DEFAULT_LIMITS, Job, Limits, run_jobs

_EVENT_EVERY = 8


class ReferenceRequest(Record):
    """Which source to run on which windows."""

    spec: ModelSpec
    path: str
    framework: Framework
    sha256: str
    audio: AudioContract
    windows: str
    """a `.npy` file, float32 (windows, channels, window_samples)"""
    folder: str
    """where the outputs go"""


def run_reference(request: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Inside the worker: run all windows; yields how many are done."""
    parsed = ReferenceRequest.model_validate(request, strict=False)
    source = ModelSource(parsed.spec, Path(parsed.path), parsed.framework, parsed.sha256)
    loaded = load_source(source, parsed.audio)
    axes = name_audio_axes(loaded.input.shape, parsed.audio)
    windows = np.load(parsed.windows, mmap_mode="r")
    with stage_folder(Path(parsed.folder)) as stage:
        shapes = {name: (len(windows), *loaded.outputs[name].shape[1:]) for name in parsed.spec.outputs}
        files = {name: create_array(stage / f"{name}.npy", shape) for name, shape in shapes.items()}
        for index, window in enumerate(windows):
            outputs = loaded.run(shape_window(window, loaded.input.shape, axes))
            for name, file in files.items():
                file[index] = outputs[name][0]
            if index % _EVENT_EVERY == 0:
                yield {"windows": index}
    yield {"windows": len(windows)}


def store_reference(
    request: ReferenceRequest, *, log: Path, on_windows: Callable[[int], None], limits: Limits = DEFAULT_LIMITS
) -> str | None:
    """Run the source in a worker, unless its outputs are there already.

    Args:
        request: What to run; `folder` should hold the content address of all that decides the outputs in its name.
        log: Where the worker's output goes.
        on_windows: Called with the number of windows done so far.
        limits: What the worker may use.

    Returns:
        None when the outputs are in place, else the reason why not.
    """
    if Path(request.folder).is_dir():
        return None
    job = Job("packager.reference:run_reference", request.model_dump(mode="json"), log, limits)
    (ended,) = run_jobs([job], lambda _, event: on_windows(event["windows"]))
    return ended.reason
