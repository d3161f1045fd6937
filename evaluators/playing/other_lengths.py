"""Calls of other lengths than the window, of a model whose input length is not fixed: the stream must be the same."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from evaluators.chunking import stream_windows
from evaluators.emulators import Emulator
from evaluators.errors import EvaluationError
from evaluators.long_run_records import OtherLength
from evaluators.playing.binding import WindowRunner, bind
from evaluators.score import Score
from evaluators.windows import Samples
from packager.audio_windows import AUDIO
from packager.bundle import AudioContract
from packager.frontends.opening import Frontend
from packager.model import ModelSpec, OutputSpec
from packager.proving.lengths import FlexibleInput
from packager.snr import snr_db

Outputs = Mapping[str, npt.NDArray[Any]]


def list_lengths(spec: ModelSpec, audio: AudioContract) -> tuple[int, ...]:
    """The lengths beside the window that are tried, in samples; none where windows overlap or the length is fixed.

    Args:
        spec: The recipe's model.
        audio: The contract.
    """
    asked = spec.inputs[AUDIO].flexible if AUDIO in spec.inputs else None
    if asked is None or audio.hop_samples != audio.window_samples:
        return ()
    low, high = (min(asked.sizes), max(asked.sizes)) if asked.sizes else (asked.min or 1, asked.max or 1)
    return FlexibleInput(0, audio.window_samples, asked.sizes, low, high).tried


class LengthTrial:
    """What a model gave for audio in calls of one window, and how near calls of other lengths come."""

    def __init__(self, emulator: Emulator, contract: tuple[AudioContract, Frontend | None], state: Mapping[str, str]):
        """Hold what all lengths share.

        Args:
            emulator: The model.
            contract: The audio, and what computes features of it.
            state: The recipe's states.
        """
        self._emulator, self._state = emulator, state
        self._audio, self._frontend = contract

    def play(
        self, samples: int, heard: Samples, outputs: Mapping[str, OutputSpec], start: Sequence[Outputs]
    ) -> OtherLength:
        """Play the audio in calls of one other length.

        Args:
            samples: Of one call.
            heard: The audio, float32 `(channels, samples)`.
            outputs: The recipe's outputs.
            start: What calls of one window gave for it.
        """
        audio = self._audio.model_copy(update={"window_samples": samples, "hop_samples": samples})
        whole = heard[:, : heard.shape[1] // samples * samples]
        if not whole.size:
            return _refuse(samples, "the audio that is heard again is shorter")
        try:
            runner = WindowRunner(self._emulator, bind(self._emulator, audio, outputs, self._state, self._frontend))
            runner.reset()
            calls = [runner.run_window(window) for window in stream_windows(whole, samples, audio)]
        except EvaluationError as fault:
            return _refuse(samples, str(fault)[:2000])
        ratios = [
            _compare([one[name] for one in start], [one[name] for one in calls], whole.shape[1] / heard.shape[1])
            for name in outputs
        ]
        known = [ratio for ratio in ratios if ratio is not None]
        if not known:
            return _refuse(samples, "no output runs along the window")
        worst = min(known)
        if math.isinf(worst):
            return _refuse(samples, "identical" if worst > 0 else "the values are not finite")
        return OtherLength(samples=samples, snr=_db(worst, None))


def _compare(start: Sequence[npt.NDArray[Any]], calls: Sequence[npt.NDArray[Any]], share: float) -> float | None:
    """The ratio of an output that both give along time; None where it is not along time."""
    if not start[0].ndim or start[0].shape[1:] != calls[0].shape[1:] or start[0].shape == calls[0].shape:
        return None
    first, second = np.concatenate(start).astype(np.float64), np.concatenate(calls).astype(np.float64)
    if round(len(first) * share) != len(second):
        return None
    first = first[: len(second)]
    with np.errstate(all="ignore"):
        ratio = snr_db(float(np.sum(first**2)), float(np.sum((first - second) ** 2)))
    return -math.inf if ratio is None else ratio


def _refuse(samples: int, reason: str) -> OtherLength:
    return OtherLength(samples=samples, snr=_db(None, reason), reason=reason)


def _db(value: float | None, reason: str | None) -> Score:
    return Score(value=value, unit="db", direction="higher", basis="emulated", reason=reason)
