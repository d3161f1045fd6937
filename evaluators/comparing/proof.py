"""Running a fresh bundle beside its source: is it still the same model?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from evaluators.comparing.streaming import check_reset, prove_streaming, split_clips
from evaluators.errors import EvaluationError
from evaluators.parity import ParityMeter
from evaluators.players import Player, get
from evaluators.target_records import OutputParity
from evaluators.targets import open_model
from packager.bundle import LengthProof, OutputProof, Proof, ResetProof
from packager.proving.lengths import LengthTrial
from packager.proving.trials import Tensors, Trials


def prove(path: Path, trials: Trials, tolerance_db: float) -> Proof:
    """Run a model file on trials and compare it with the source's outputs.

    Args:
        path: A .tflite file or .mlpackage folder with the source's names for inputs and outputs.
        trials: Inputs and the source's outputs; states are those the source gave, call by call.
        tolerance_db: The least SNR that every output must have.

    Raises:
        EvaluationError: The file cannot be loaded or run at all.
    """
    emulator = open_model(path)
    player = Player(emulator, trials.state)
    outputs = _measure(player, trials.calls, trials.references)
    lengths = tuple(_prove_length(player, trial, tolerance_db) for trial in trials.lengths)
    streaming = None if trials.clip is None else prove_streaming(player, trials.clip, tolerance_db)
    reset = _prove_reset(player, trials)
    return Proof(
        runtime=emulator.runtime,
        calls=len(trials.calls),
        inputs=trials.description,
        outputs=outputs,
        tolerance_db=tolerance_db,
        holds=_all_hold(outputs, tolerance_db)
        and (streaming is None or streaming.holds)
        and reset.holds
        and all(length.holds for length in lengths),
        streaming=streaming,
        reset=reset,
        lengths=lengths,
    )


def _prove_reset(player: Player, trials: Trials) -> ResetProof:
    calls = trials.calls if trials.clip is None or len(trials.clip.calls) < 2 else trials.clip.calls
    if trials.source_fault is not None:
        return ResetProof(calls=0, holds=False, reason=trials.source_fault)
    return check_reset(player, *split_clips(calls))


def _measure(player: Player, calls: Sequence[Tensors], references: Sequence[Tensors]) -> tuple[OutputProof, ...]:
    """Each output over all calls."""
    faults: dict[str, str] = {}
    meters: dict[str, ParityMeter] = {}
    for call, reference in zip(calls, references, strict=True):
        found = player.run(call)
        for name, expected in reference.items():
            meters.setdefault(name, ParityMeter())
            estimate = get(name, found)
            if estimate is None:
                faults[name] = "the model file has no such output"
            elif name not in faults:
                try:
                    _compare(meters[name], name, expected, estimate)
                except EvaluationError as fault:
                    faults[name] = str(fault)
    return tuple(_describe(name, meter, faults.get(name)) for name, meter in sorted(meters.items()))


def _prove_length(player: Player, trial: LengthTrial, tolerance_db: float) -> LengthProof:
    """A length that the model cannot run is a broken promise, not an end to the proof."""
    try:
        outputs = _measure(player, trial.calls, trial.references)
    except EvaluationError as fault:
        outputs = tuple(
            OutputProof(output=name, snr_db=None, max_abs_error=None, reason=str(fault))
            for name in sorted(trial.references[0])
        )
    return LengthProof(
        inputs={name: value.shape for name, value in trial.calls[0].items()},
        output_shapes={name: value.shape for name, value in trial.references[0].items()},
        outputs=outputs,
        holds=_all_hold(outputs, tolerance_db),
    )


def _all_hold(outputs: Sequence[OutputProof], tolerance_db: float) -> bool:
    return bool(outputs) and all(_holds(output, tolerance_db) for output in outputs)


def _compare(meter: ParityMeter, name: str, expected: npt.NDArray[Any], found: npt.NDArray[Any]) -> None:
    estimate = np.asarray(found)
    if estimate.size == expected.size:  # neither format knows numbers without dimensions; sizes of 1 come and go
        estimate = estimate.reshape(expected.shape)
    meter.add(name, np.asarray(expected), estimate)


def _describe(name: str, meter: ParityMeter, fault: str | None) -> OutputProof:
    if fault is not None:
        return OutputProof(output=name, snr_db=None, max_abs_error=None, reason=fault)
    parity: OutputParity = meter.result(name)
    return OutputProof(
        output=name,
        snr_db=parity.snr_db.value,
        max_abs_error=parity.max_abs_error.value,
        reason=parity.snr_db.reason,
    )


def _holds(output: OutputProof, tolerance_db: float) -> bool:
    if output.snr_db is None:
        return output.max_abs_error is not None and output.max_abs_error == 0
    return output.snr_db >= tolerance_db
