"""Playing a model file on one recording, on this machine: its outputs over the whole clip, and the notes in them."""

from __future__ import annotations

import io
import time
import zipfile
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from evaluators.binding import Binding, bind
from evaluators.datasets import Recording, read_audio
from evaluators.emulators import Emulator, Tensor, open_model
from evaluators.errors import EvaluationError
from evaluators.evaluation import Note, Score
from evaluators.task import load_task
from evaluators.windows import Stitched, cut, stitch
from packager.storage import write_bytes_atomically
from packager.verification import check_files
from testpress.model_file import ModelFile
from testpress.playback import OutputSummary, PlaySummary
from testpress.terms import PlayOrder, Terms, find_terms

_NOTE_TASK = "note_transcription"

OnWindow = Callable[[int, int], None]


@dataclass(frozen=True)
class Played:
    """A play's outputs and their summary."""

    summary: PlaySummary
    outputs: Mapping[str, Stitched]


def play(order: PlayOrder, on_window: OnWindow = lambda _done, _total: None) -> Played:
    """Play a model on a recording.

    Args:
        order: What to play.
        on_window: Called with the number of windows done and their total.

    Raises:
        TestpressError: The model cannot be played, the audio cannot be used, or the contract is not known.
    """
    started = time.perf_counter_ns()
    emulator = open_model(order.model.path, signature=order.signature)
    load_ns = time.perf_counter_ns() - started
    terms = find_terms(order, emulator)
    binding = _bind(emulator, terms, order.model)
    if order.notes:
        _check_note_outputs(terms.outputs)
    recording = _read(order, terms)
    windows = cut(recording.samples, terms.audio)
    collected, calls_ns = _run(emulator, binding, windows, on_window, order.model.path)
    framed = {name for name, values in collected.items() if _has_frames(name, values, terms)}
    n_samples = recording.samples.shape[1]
    outputs = {
        name: stitch(values, terms.audio, n_samples) if name in framed else _by_window(values, terms)
        for name, values in collected.items()
    }
    changed = check_files(order.model.bundle) if order.model.bundle else ()
    notices = [*terms.notices, *recording.notices, *binding.notices, *changed]
    if framed and terms.guessed:
        names = ", ".join(name for name in collected if name in framed)
        notices.append(f"first dimension of {names} taken for time; a recipe's axes would say for sure")
    summary = PlaySummary(
        file=str(order.model.path),
        audio=str(order.audio),
        runtime=emulator.runtime,
        contract=terms.audio,
        contract_from=terms.origin,
        duration_s=recording.duration_s,
        windows=len(windows),
        outputs=tuple(_summarise(name, outputs[name], collected[name], name in framed) for name in collected),
        timing=_timing(load_ns, calls_ns, recording.duration_s),
        notes=_find_notes(outputs) if order.notes else None,
        notices=tuple(notices),
    )
    return Played(summary, outputs)


def save_outputs(played: Played, path: Path) -> None:
    """Write every output and its frames' times to an `.npz`, as `<output>` and `<output>.times_s`.

    The same arrays give the same bytes.

    Raises:
        PackagingError: The folder cannot be written.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, output in played.outputs.items():
            for key, array in ((name, output.values), (f"{name}.times_s", output.times_s)):
                with archive.open(zipfile.ZipInfo(f"{key}.npy"), "w", force_zip64=True) as file:
                    np.save(file, array, allow_pickle=False)
    write_bytes_atomically(path, buffer.getvalue())


def _read(order: PlayOrder, terms: Terms) -> Recording:
    try:
        return read_audio(order.audio, terms.audio)
    except EvaluationError as fault:
        if not terms.guessed or terms.audio.channels == 1:
            raise
        hint = "; if the model takes features and no audio, nothing can be played to it"
        raise EvaluationError(f"{fault}{hint}") from None


def _bind(emulator: Emulator, terms: Terms, model: ModelFile) -> Binding:
    try:
        return bind(emulator, terms.audio, terms.outputs, terms.state)
    except EvaluationError as fault:
        raise EvaluationError(f"{model.path}: {fault}") from None


def _run(
    emulator: Emulator, binding: Binding, windows: npt.NDArray[np.float32], on_window: OnWindow, where: Path
) -> tuple[dict[str, npt.NDArray[Any]], list[int]]:
    """Outputs by name, `(windows, …)`, and the time of each call."""
    collected: dict[str, list[npt.NDArray[Any]]] = {name: [] for name in binding.outputs}
    calls_ns = []
    states: dict[str, npt.NDArray[Any]] = {}
    for index, window in enumerate(windows):
        inputs = {**binding.shape_inputs(window), **states}
        start = time.perf_counter_ns()
        try:
            values = emulator.run(inputs)
        except EvaluationError as fault:
            raise EvaluationError(f"{where}: {' '.join(str(fault).split())}") from None
        calls_ns.append(time.perf_counter_ns() - start)
        states = {name: np.asarray(values[output]) for name, output in binding.state.items()}
        for name, value in binding.read(values).items():
            collected[name].append(_without_batch(value, emulator.outputs[binding.outputs[name]]))
        on_window(index + 1, len(windows))
    for name, arrays in collected.items():
        shapes = sorted({array.shape for array in arrays})
        if len(shapes) > 1:
            raise EvaluationError(
                f"output {name!r} changes its shape from window to window: {shapes}; right is one shape"
            )
    return {name: np.stack(arrays) for name, arrays in collected.items()}, calls_ns


def _without_batch(values: npt.NDArray[Any], declared: Tensor) -> npt.NDArray[Any]:
    # Some models' outputs have no batch dimension; their first one is then larger than 1, or missing.
    array = np.asarray(values)
    # What a file declares without dimensions, but is no single number, is of a size that it leaves open.
    has_batch = not declared.shape or array.ndim == len(declared.shape)
    return array[0] if array.ndim and array.shape[0] == 1 and has_batch else array


def _has_frames(name: str, values: npt.NDArray[Any], terms: Terms) -> bool:
    """Whether an output's first dimension after the windows is time: as its axes say, else as its shape suggests."""
    axes = terms.outputs[name].axes
    if not terms.guessed:
        return len(axes) > 1 or axes[:1] in (("frame",), ("sample",), ("time",))
    return values.ndim > 1 and (
        values.shape[1] == terms.audio.window_samples or (values.ndim > 2 and values.shape[1] > 1)
    )


def _by_window(values: npt.NDArray[Any], terms: Terms) -> Stitched:
    """One value (or vector …) a window; its time is the window's start in the clip."""
    lead_in = (terms.audio.window_samples - terms.audio.hop_samples) // 2
    starts = np.arange(len(values)) * terms.audio.hop_samples - lead_in
    return Stitched(values, starts / terms.audio.sample_rate_hz)


def _summarise(name: str, output: Stitched, windows: npt.NDArray[Any], framed: bool) -> OutputSummary:
    values = output.values
    if values.dtype.kind not in "biuf":
        told = dict.fromkeys(("minimum", "maximum", "mean"))
        dtype = "string" if values.dtype.kind in "SU" else values.dtype.name
        per_window = windows.shape[1] if framed else None
        return OutputSummary(name=name, shape=values.shape, dtype=dtype, per_window=per_window, not_finite=0, **told)
    finite = np.isfinite(values)
    whole = bool(values.size) and bool(finite.all())
    return OutputSummary(
        name=name,
        shape=tuple(values.shape),
        dtype=values.dtype.name,
        per_window=windows.shape[1] if framed else None,
        minimum=float(values.min()) if whole else None,
        maximum=float(values.max()) if whole else None,
        mean=float(values.mean(dtype=np.float64)) if whole else None,
        not_finite=int(values.size - finite.sum()),
    )


def _timing(load_ns: int, calls_ns: Sequence[int], duration_s: float) -> dict[str, Score]:
    total_ms = sum(calls_ns) / 1e6
    values = {
        "load_ms": (load_ns / 1e6, "ms"),
        "call_p50_ms": (float(np.median(calls_ns)) / 1e6, "ms"),
        "total_ms": (total_ms, "ms"),
        "real_time_factor": (total_ms / 1000 / duration_s, "ratio"),
    }
    return {
        name: Score(value=value, unit=unit, direction="lower", basis="measured_host")
        for name, (value, unit) in values.items()
    }


def _check_note_outputs(names: Collection[str]) -> None:
    """Refuse early what would be refused after a long play."""
    required = load_task(_NOTE_TASK).required_outputs
    if not set(required) <= set(names):
        raise EvaluationError(
            f"--notes needs the outputs {' and '.join(required)}; the model has {', '.join(names)}; "
            "a recipe can say which is which, by aliases"
        )


def _find_notes(outputs: Mapping[str, Stitched]) -> tuple[Note, ...]:
    task = load_task(_NOTE_TASK)
    return task.notes(task.decode(outputs)) or ()
