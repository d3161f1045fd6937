"""Playing a model file on one recording, on this machine: its outputs over the whole clip, and the notes in them."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from evaluators.datasets.outputs import combine
from evaluators.datasets.reading import Recording, read_audio
from evaluators.emulators import Emulator
from evaluators.errors import EvaluationError
from evaluators.picture_records import Note
from evaluators.playing.binding import Binding, bind
from evaluators.score import Score
from evaluators.targets import open_model
from evaluators.task_loading import load_task
from evaluators.windows import Stitched, cut
from packager.arrays import drop_batch, pack_arrays
from packager.attestation.verification import check_files
from packager.integration_records import OutputKind
from packager.stitching import find_kind_of
from packager.storage import write_bytes_atomically
from testpress.model_file import ModelFile
from testpress.playing.contract import PlaybackContract, PlaybackRequest, find_contract
from testpress.playing.playback import OutputSummary, PlaySummary

_NOTE_TASK = "note_transcription"

OnWindow = Callable[[int, int], None]


@dataclass(frozen=True)
class Played:
    """A play's outputs and their summary."""

    summary: PlaySummary
    outputs: Mapping[str, Stitched]


def play(order: PlaybackRequest, on_window: OnWindow = lambda _done, _total: None) -> Played:
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
    contract = find_contract(order, emulator)
    binding = _bind(emulator, contract, order.model)
    if order.notes:
        _check_note_outputs(contract.outputs)
    recording = _read(order, contract)
    windows = cut(recording.samples, contract.audio)
    collected, calls_ns = _run(emulator, binding, windows, on_window, order.model.path)
    outputs = _combine(collected, contract, recording.samples.shape[1])
    framed = [name for name in collected if outputs[name].kind == "frames"]
    changed = check_files(order.model.bundle) if order.model.bundle else ()
    notices = [*contract.notices, *recording.notices, *binding.notices, *changed]
    if framed and contract.guessed:
        names = ", ".join(framed)
        notices.append(f"first dimension of {names} taken for time; a recipe's axes would say for sure")
    summary = PlaySummary(
        file=str(order.model.path),
        audio=str(order.audio),
        runtime=emulator.runtime,
        contract=contract.audio,
        contract_from=contract.origin,
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
    arrays: dict[str, npt.NDArray[Any]] = {}
    for name, output in played.outputs.items():
        arrays |= {name: output.values, f"{name}.times_s": output.times_s}
    write_bytes_atomically(path, pack_arrays(arrays))


def _read(order: PlaybackRequest, contract: PlaybackContract) -> Recording:
    try:
        return read_audio(order.audio, contract.audio)
    except EvaluationError as fault:
        if not contract.guessed or contract.audio.channels == 1:
            raise
        hint = "; if the model takes features and no audio, nothing can be played to it"
        raise EvaluationError(f"{fault}{hint}") from None


def _bind(emulator: Emulator, contract: PlaybackContract, model: ModelFile) -> Binding:
    try:
        return bind(emulator, contract.audio, contract.outputs, contract.state, contract.frontend)
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
            collected[name].append(drop_batch(value, emulator.outputs[binding.outputs[name]].shape))
        on_window(index + 1, len(windows))
    for name, arrays in collected.items():
        shapes = sorted({array.shape for array in arrays})
        if len(shapes) > 1:
            raise EvaluationError(
                f"output {name!r} changes its shape from window to window: {shapes}; right is one shape"
            )
    return {name: np.stack(arrays) for name, arrays in collected.items()}, calls_ns


def _combine(
    collected: Mapping[str, npt.NDArray[Any]], contract: PlaybackContract, n_samples: int
) -> dict[str, Stitched]:
    outputs = {}
    for name, values in collected.items():
        kind = _find_kind(name, values, contract)
        try:
            outputs[name] = combine(values, kind, contract.audio, n_samples, pool=contract.outputs[name].pool)
        except EvaluationError as fault:
            raise EvaluationError(f'output {name!r} cannot be of kind "{kind}": {fault}') from None
    return outputs


def _find_kind(name: str, values: npt.NDArray[Any], contract: PlaybackContract) -> OutputKind:
    """What an output's windows come to: as it is said, else as its shape suggests; else each stands for itself."""
    spec, shape = contract.outputs[name], values.shape[1:]
    if values.dtype.kind not in "biuf":
        return "window"
    if not contract.guessed:
        return find_kind_of(shape, spec, contract.audio) or "window"
    framed = shape and (shape[0] == contract.audio.window_samples or (len(shape) > 1 and shape[0] > 1))
    return "frames" if framed else "window"


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
    return task.draw(task.decode(outputs)).events or ()
