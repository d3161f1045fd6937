"""What an app does with audio that comes in pieces of any size: gather it, and call the model when a window is full.

This is the rule of `windows.cut` written for a stream whose end is not known: half an overlap of zeros goes first, a
window starts every hop, and at the end zeros fill what is begun. An app in another language follows it line by line.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from evaluators.errors import EvaluationError
from evaluators.windows import Samples
from packager.bundle import AudioContract
from packager.stitching import count_windows, find_lead_in


class WindowBuffer:
    """Holds the samples that windows to come still need."""

    def __init__(self, audio: AudioContract) -> None:
        """Stand at a clip's start."""
        self._audio = audio
        self.reset()

    def reset(self) -> None:
        """Begin a new clip."""
        self._held: Samples = np.zeros((self._audio.channels, find_lead_in(self._audio)), np.float32)
        self._heard = self._given = 0

    def push(self, chunk: Samples) -> list[npt.NDArray[np.float32]]:
        """Take in the next piece; the windows that are full now, each `(channels, window_samples)`.

        Args:
            chunk: float32 `(channels, samples)`, of any number of samples.

        Raises:
            EvaluationError: The channels are not the contract's.
        """
        if chunk.ndim != 2 or chunk.shape[0] != self._audio.channels:
            raise EvaluationError(
                f"a piece of audio of shape {chunk.shape}; ({self._audio.channels}, samples) is expected, "
                "channels first"
            )
        self._heard += chunk.shape[1]
        self._held = np.concatenate([self._held, chunk.astype(np.float32, copy=False)], axis=1)
        found = []
        while self._held.shape[1] >= self._audio.window_samples:
            found.append(self._take())
        return found

    def flush(self) -> list[npt.NDArray[np.float32]]:
        """At the clip's end: the windows that are begun and not full, zeros in place of what was not heard."""
        wanted = count_windows(self._heard, self._audio) if self._heard else 0
        found = []
        while self._given < wanted:
            missing = self._audio.window_samples - self._held.shape[1]
            self._held = np.pad(self._held, ((0, 0), (0, max(missing, 0))))
            found.append(self._take())
        return found

    def _take(self) -> npt.NDArray[np.float32]:
        window = self._held[:, : self._audio.window_samples].copy()
        self._held = self._held[:, self._audio.hop_samples :]
        self._given += 1
        return window


def stream_windows(samples: Samples, chunk_samples: int, audio: AudioContract) -> Iterator[npt.NDArray[np.float32]]:
    """The windows of a clip that comes in pieces of one size, the last one shorter.

    Args:
        samples: float32 `(channels, samples)`.
        chunk_samples: Of one piece.
        audio: The contract.
    """
    buffer = WindowBuffer(audio)
    for start in range(0, samples.shape[1], chunk_samples):
        yield from buffer.push(samples[:, start : start + chunk_samples])
    yield from buffer.flush()
