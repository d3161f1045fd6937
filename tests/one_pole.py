"""A one-pole filter as a streaming model: the source in numpy, and TFLite files that are it, or nearly.

filtered[n] = pole × filtered[n - 1] + audio[n]; the last value is the state. Windows of 64 samples.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from packager.model import ModelSpec
from packager.sources import SourceTensor
from tests.testpress.tiny_tflite import AUDIO, WINDOW_SAMPLES, Writer

POLE = 0.9997
"""98 % of a state outlives a window: errors of many windows add up"""
STATE = {"level": "level_out"}
SPEC = ModelSpec(name="one-pole", version="1", license="Apache-2.0", source="x", state=STATE)

__all__ = ["AUDIO", "POLE", "SPEC", "STATE", "OnePole", "write_leaking", "write_one_pole"]


@dataclass(frozen=True)
class OnePole:
    """The source; `longest` says what it refuses to be given at once."""

    longest: int | None = None
    gain_per_call: float = 1.0
    """beside 1 the model is another one in calls than at once"""
    inputs: Mapping[str, SourceTensor] = field(
        default_factory=lambda: {
            "audio": SourceTensor((1, WINDOW_SAMPLES), "float32"),
            "level": SourceTensor((1, 1), "float32"),
        }
    )
    outputs: Mapping[str, SourceTensor] = field(
        default_factory=lambda: {
            "filtered": SourceTensor((1, WINDOW_SAMPLES), "float32"),
            "level_out": SourceTensor((1, 1), "float32"),
        }
    )
    examples: Mapping[str, np.ndarray] = field(default_factory=dict)

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, Any]:
        (samples,), last = inputs["audio"], float(inputs["level"][0, 0])
        if self.longest is not None and len(samples) > self.longest:
            raise ValueError(f"takes {self.longest} samples, not {len(samples)}")
        filtered = np.empty((1, len(samples)), np.float64)
        last *= self.gain_per_call
        for index, sample in enumerate(samples.astype(np.float64)):
            filtered[0, index] = last = POLE * last + sample
        return {"filtered": filtered.astype(np.float32), "level_out": filtered[:, -1:].astype(np.float32)}


def write_one_pole(path: Path, *, kept: float = 1.0) -> Path:
    """The same as a TFLite file; `kept` scales what it keeps of its state."""
    w = Writer()
    powers = np.subtract.outer(np.arange(WINDOW_SAMPLES), np.arange(WINDOW_SAMPLES))
    response = np.where(powers >= 0, POLE ** np.maximum(powers, 0), 0.0)
    decay = kept * POLE ** np.arange(1, WINDOW_SAMPLES + 1)
    audio, level = w.tensor("audio", (1, WINDOW_SAMPLES)), w.tensor("level", (1, 1))
    outputs = {
        "filtered": _filter(w, "filtered", audio, level, response, decay),
        "level_out": _filter(w, "level_out", audio, level, response[-1:], decay[-1:]),
    }
    w.sign("serving_default", {"audio": audio, "level": level}, outputs)
    return w.write(path, [audio, level], list(outputs.values()))


def _filter(w: Writer, name: str, audio: int, level: int, response: np.ndarray, decay: np.ndarray) -> int:
    size = len(response)
    weight = w.tensor(f"{name}_weight", response.shape, values=response)
    factor = w.tensor(f"{name}_decay", (1, size), values=decay)
    heard, kept, out = (w.tensor(f"{name}_{part}", (1, size)) for part in ("heard", "kept", "out"))
    w.op("FULLY_CONNECTED", [audio, weight, -1], [heard])
    w.op("MUL", [level, factor], [kept])
    w.op("ADD", [heard, kept], [out])
    return out


def write_leaking(path: Path) -> Path:
    """`level` = the window's mean + half of what `level` was in the call before, which the file keeps to itself."""
    w = Writer()
    audio, level = w.tensor("audio", (1, WINDOW_SAMPLES)), w.tensor("level", (1, 1))
    weight = w.tensor("weight", (1, WINDOW_SAMPLES), values=np.full((1, WINDOW_SAMPLES), 1 / WINDOW_SAMPLES))
    again = w.tensor("again", (1, 1), values=np.array([[0.5]]))
    bias = w.tensor("bias", (1,), values=np.array([0.0]))
    hidden = w.tensor("hidden", (1, 1))
    w.graph.tensors[hidden].isVariable = True
    w.op("RNN", [audio, weight, again, bias, hidden], [level])
    w.sign("serving_default", {"audio": audio}, {"level": level})
    return w.write(path, [audio], [level])
