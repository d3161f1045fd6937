"""Published measurements of real phones, with what the measured models do in a call.

`vision_latency.csv` and its siblings hold the measurements, each with the repository, path and commit it was read from;
`vision_ops.csv` and its siblings what the graphs they name do, op by op, as benchmarks/vision_graphs.py counts them.
What the phones can do at most stands in their profiles.
"""

from __future__ import annotations

import csv
import functools
import math
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from device_profiles.profile import DeviceProfile, read_profile
from evaluators.costs.hardware import find_hardware
from evaluators.costs.op_kinds import OP_KINDS
from evaluators.costs.op_times import VALUE_BYTES, Hardware, Work
from evaluators.costs.placement import Compute

FOLDER = Path(__file__).parent
TABLES = ("vision", "audio", "torch")

COMPUTES = {
    "tflite_cpu_float": Compute("LiteRT", "cpu", "float32"),
    "tflite_cpu_int8": Compute("LiteRT", "cpu", "int8"),
    "tflite_gpu": Compute("LiteRT", "gpu", "float16"),
    "tflite_npu": Compute("LiteRT", "npu", "float16"),
    "tflite_npu_int8": Compute("LiteRT", "npu", "int8"),
    "coreml_cpu": Compute("Core ML", "cpu", "float32"),
    "coreml_gpu": Compute("Core ML", "gpu", "float16"),
    "coreml_npu": Compute("Core ML", "npu", "float16"),
    "coreml_npu_early": Compute("Core ML of iOS 13", "npu", "float16"),
}
"""what the tables call each kind of computing that was measured"""

AUDIO = ("kws", "whisper", "yamnet", "deepspeech", "panns", "wav2vec2", "lyra", "soundstream", "speaker")
"""families of audio models"""

_HYBRID = "dynamic_wi8_afp32"
"""activations stay float32 between ops, which round them to the int8 of their weights"""
_COARSEST = 0.2
"""rows whose last decimal stands for more of the number are left out: 2 ms in whole ones, 0.2 ms in tenths"""
_USUAL_THREADS = 4
"""where a table does not say"""


@dataclass(frozen=True)
class Row:
    """One measurement."""

    compute: Compute
    family: str
    graph: str
    device: str
    """a profile's id"""
    chip: str
    runtime: str
    latency_ms: float
    work: Work
    hardware: Hardware
    is_audio: bool


@functools.cache
def read_rows() -> tuple[Row, ...]:
    """All rows whose graph is counted and whose phone's peak is known."""
    rows = (_row(entry, read_graphs(table)) for table in TABLES for entry in read_entries(f"{table}_latency.csv"))
    return tuple(row for row in rows if row is not None)


_profile = functools.cache(read_profile)


def _row(entry: dict[str, str], graphs: dict[str, list[tuple[str, ...]]]) -> Row | None:
    compute = COMPUTES.get(entry["kind"])
    if compute is None or entry["graph"] not in graphs:
        return None
    if entry["kind"] == "coreml_npu" and entry["precision"] == "int8":
        return None  # integer kernels, of which there are two rows
    if _rounding(entry["latency_ms"]) > _COARSEST:
        return None
    profile = _profile(entry["device"])
    hardware = find_hardware(profile, compute, _threads(entry["threads"], compute, profile))
    if isinstance(hardware, str):
        return None
    return Row(
        compute=compute,
        family=entry["family"],
        graph=entry["graph"],
        device=profile.id,
        chip=profile.chip,
        runtime=entry["runtime"],
        latency_ms=float(entry["latency_ms"]),
        work=_work(
            graphs[entry["graph"]],
            4 if entry["precision"] == _HYBRID else VALUE_BYTES.get(compute.number, 1),
            # Compressed weights change a Neural Engine's time by less than a sixth: they are widened at load.
            VALUE_BYTES.get(compute.number, 1),
        ),
        hardware=hardware,
        is_audio=entry["family"].startswith(AUDIO),
    )


def _rounding(latency_ms: str) -> float:
    """Largest error of a printed number that is due to its decimals, as a share of it."""
    decimals = len(latency_ms.partition(".")[2])
    return 0.5 / math.pow(10, decimals) / float(latency_ms)


def _threads(stated: str, compute: Compute, profile: DeviceProfile) -> int:
    if compute.unit != "cpu":
        return 1
    if stated:
        return int(stated)
    return profile.cpu.big_cores if compute.runtime == "Core ML" else _USUAL_THREADS


@functools.cache
def read_graphs(table: str) -> dict[str, list[tuple[str, ...]]]:
    """Of each graph its ops: kind, how many equal ones, and the numbers of `Work` in the file's order.

    Args:
        table: One of TABLES.
    """
    graphs: dict[str, list[tuple[str, ...]]] = defaultdict(list)
    for entry in read_entries(f"{table}_ops.csv"):
        graph, *cells = entry.values()
        graphs[graph].append(tuple(cells))
    return dict(graphs)


def _work(ops: list[tuple[str, ...]], value_bytes: float, weight_bytes: float) -> Work:
    kinds = np.array([OP_KINDS.index(op[0]) for op in ops])
    times, macs, read, written, weights, runs = np.array([op[1:] for op in ops], float).T
    is_recurrent = (kinds == OP_KINDS.index("recurrent")) & (weights > 0)
    steps = np.where(is_recurrent, macs / np.maximum(weights, 1), runs)
    model = np.full(len(ops), np.sum(times * weights / runs) * weight_bytes)
    return Work(
        kinds, times, macs, read * value_bytes, written * value_bytes, weights * weight_bytes, read, written, weights,
        runs, steps, np.zeros(len(ops)), np.ones(len(ops)), model,
    )  # fmt: skip


def read_entries(name: str) -> list[dict[str, str]]:
    """The lines of one of this folder's tables."""
    with (FOLDER / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
