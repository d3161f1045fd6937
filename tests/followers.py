"""A streaming detector as a source in numpy, and TFLite files that are it, or have one fault each.

level = the window's mean magnitude · memory = the last three levels · total = the sum of all levels since the start.
Outputs: speech = eight times the newest level, 1 at most; loudness = total. Windows of 64 samples at 8 kHz.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import soundfile
from ai_edge_litert import schema_py_generated as schema

from packager.bundle import AudioContract
from packager.model import OutputSpec
from tests.testpress.tiny_tflite import Writer

WINDOW, RATE_HZ, MEMORY, GAIN = 64, 8000, 3, 8.0
AUDIO = AudioContract(sample_rate_hz=RATE_HZ, window_samples=WINDOW, hop_samples=WINDOW)
OUTPUTS = {"speech": OutputSpec(axes=("frame",)), "loudness": OutputSpec(axes=("frame",))}
STATE = {"memory": "memory_out", "total": "total_out"}

Fault = Literal["", "drifts", "late", "keeps"]
"""drifts: its total is float16, which stops counting · late: by two windows · keeps: counts its calls, also after a
reset
"""

TORCH_SOURCE = """\
import torch


class Follower(torch.nn.Module):
    def forward(self, audio, memory, total):
        level = audio.abs().mean(-1, keepdim=True)
        memory_out = torch.cat([memory[:, 1:], level], dim=1)
        total_out = total + level
        speech = torch.clamp(8.0 * memory_out[:, 2:], max=1.0)
        return {"speech": speech, "loudness": 1.0 * total_out, "memory_out": memory_out, "total_out": total_out}


def build():
    return Follower(), (torch.zeros(1, 64), torch.zeros(1, 3), torch.zeros(1, 1))
"""


def follow(windows: npt.NDArray[np.float32]) -> dict[str, npt.NDArray[np.float32]]:
    """What the source gives for a stream, by output, `(windows, 1)`."""
    levels = np.abs(windows).mean(axis=(1, 2), dtype=np.float64)
    found = {"speech": np.minimum(GAIN * levels, 1), "loudness": np.cumsum(levels.astype(np.float32))}
    return {name: values[:, None].astype(np.float32) for name, values in found.items()}


def write_follower(path: Path, fault: Fault = "") -> Path:
    w = Writer()
    audio, memory, total = w.tensor("audio", (1, WINDOW)), w.tensor("memory", (1, MEMORY)), w.tensor("total", (1, 1))
    names = {"speech": (1, 1), "loudness": (1, 1), "memory_out": (1, MEMORY), "total_out": (1, 1)}
    outputs = {name: w.tensor(name, shape) for name, shape in names.items()}
    if fault == "keeps":
        _begin_counting(w)
    magnitude, level = w.tensor("magnitude", (1, WINDOW)), w.tensor("level", (1, 1))
    w.op("ABS", [audio], [magnitude])
    weight = w.tensor("weight", (1, WINDOW), values=np.full((1, WINDOW), 1 / WINDOW))
    w.op("FULLY_CONNECTED", [magnitude, weight, -1], [level])
    _shift(w, memory, level, outputs["memory_out"])
    newest = _multiply(w, outputs["memory_out"], _pick(0 if fault == "late" else MEMORY - 1), "newest")
    limit = w.tensor("limit", (1, 1), values=np.ones((1, 1)))
    w.op("MINIMUM", [newest, limit], [outputs["speech"]])
    w.op("ADD", [total, level], [outputs["total_out"]])
    if fault == "drifts":
        outputs["total_out"] = _round_to_float16(w, outputs["total_out"])
    told = outputs["total_out"]
    if fault == "keeps":
        told = _count(w, told)
    zero = w.tensor("zero", (1, 1), values=np.zeros((1, 1)))
    w.op("ADD", [told, zero], [outputs["loudness"]])
    w.sign("serving_default", {"audio": audio, "memory": memory, "total": total}, outputs)
    if fault == "keeps":
        w.begin_subgraph([audio, memory, total], list(outputs.values()))
        start = w.tensor("start", (1, 1), values=np.zeros((1, 1)))
        w.op("ASSIGN_VARIABLE", [_open_variable(w), start], [])
        return w.write(path, [], [])
    return w.write(path, [audio, memory, total], list(outputs.values()))


def _pick(place: int) -> npt.NDArray[np.float64]:
    return GAIN * np.eye(MEMORY)[place : place + 1]


def _multiply(w: Writer, values: int, matrix: npt.NDArray[np.float64], name: str) -> int:
    out = w.tensor(name, (1, len(matrix)))
    w.op("FULLY_CONNECTED", [values, w.tensor(f"{name}_weight", matrix.shape, values=matrix), -1], [out])
    return out


def _shift(w: Writer, memory: int, level: int, out: int) -> None:
    older = _multiply(w, memory, np.eye(MEMORY, k=1), "older")
    newer = _multiply(w, level, np.eye(MEMORY)[:, -1:], "newer")
    w.op("ADD", [older, newer], [out])


def _round_to_float16(w: Writer, value: int) -> int:
    half, back = w.tensor("half", (1, 1), "FLOAT16"), w.tensor("back", (1, 1))
    w.op("CAST", [value], [half])
    w.op("CAST", [half], [back])
    return back


def _open_variable(w: Writer) -> int:
    handle, options = w.tensor("handle", (), "RESOURCE"), schema.VarHandleOptionsT()
    options.sharedName = "calls"
    w.op("VAR_HANDLE", [], [handle], options=options)
    return handle


def _begin_counting(w: Writer) -> None:
    options = schema.CallOnceOptionsT()
    options.initSubgraphIndex = 1
    w.op("CALL_ONCE", [], [], options=options)


def _count(w: Writer, told: int) -> int:
    """What is told and a millionth of the calls so far, which a resource keeps."""
    handle, before, after = _open_variable(w), w.tensor("before", (1, 1)), w.tensor("after", (1, 1))
    step, counted = w.tensor("step", (1, 1), values=np.full((1, 1), 1e-6)), w.tensor("counted", (1, 1))
    w.op("READ_VARIABLE", [handle], [before])
    w.op("ADD", [before, step], [after])
    w.op("ASSIGN_VARIABLE", [handle, after], [])
    w.op("ADD", [told, before], [counted])
    return counted


def make_bursts(seconds: float, *, seed: int) -> npt.NDArray[np.float32]:
    """Noise in bursts of about half a second with pauses as long, `(samples,)`."""
    generator, parts, length = np.random.default_rng(seed), [], 0
    while length < seconds * RATE_HZ:
        pause, burst = (int(n) for n in generator.uniform(0.35, 0.65, 2) * RATE_HZ)
        parts += [np.zeros(pause), generator.uniform(-0.8, 0.8, burst)]
        length += pause + burst
    return np.concatenate(parts)[: round(seconds * RATE_HZ)].astype(np.float32)


def write_bursts(folder: Path, lengths_s: Sequence[float] = (2.0, 3.1, 2.6)) -> Path:
    """Clips of bursts and their manifest."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = []
    for number, seconds in enumerate(lengths_s):
        soundfile.write(folder / f"{number}.wav", make_bursts(seconds, seed=number), RATE_HZ, subtype="PCM_16")
        lines.append(json.dumps({"audio": f"{number}.wav", "speech": [[0.4, 0.8]]}) + "\n")
    (folder / "clips.jsonl").write_text("".join(lines))
    return folder / "clips.jsonl"
