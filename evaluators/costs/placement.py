"""Where a model would run on a phone, inferred from rules.

No phone is asked: TFLite runs where the app's delegate puts it, and Core ML decides on the phone, op by op. The rules
here are the runtimes' documented defaults; a placement's reason says which one was applied.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from device_profiles.profile import ComputeUnitKind, DeviceProfile
from evaluators.costs.graph import Graph, Op
from evaluators.costs.precision import activates_in_int16, multiplies_integers
from evaluators.errors import EvaluationError

ComputeKind = Literal["tflite_cpu_float", "tflite_cpu_int8", "tflite_gpu", "coreml_cpu", "coreml_gpu", "coreml_npu"]
"""what the latency model has one set of coefficients for"""

_MOST_THREADS = 4
"""LiteRT apps rarely use more: past the big cores, threads wait for the slowest one"""


_OF_INT16 = "LiteRT's own kernels for int16 activations, of which no published time is known"
"""Source: xnnpack_delegate.cc takes int8 and uint8. With LiteRT 2.3.0 on x86-64 no op of such a model is delegated, and
one call takes 50 times as long as of its int8 twin"""


@dataclass(frozen=True)
class Placement:
    """Where a graph would run."""

    unit: ComputeUnitKind
    compute: ComputeKind
    """what it computes with there"""
    threads: int
    """on a CPU; 1 elsewhere"""
    share_of_macs: float
    """of the graph's multiply-adds, the share on that unit, 0 to 1; the rest runs on the CPU"""
    reason: str
    """one sentence, and that it is inferred"""
    unpriced: str = ""
    """why no time is known of what it computes with there; empty where one is"""

    def compute_of(self, op: Op) -> ComputeKind:
        """What one op computes with: an op in float32 leaves a Neural Engine for the CPU."""
        return "coreml_cpu" if self.compute == "coreml_npu" and _leaves_npu(op) else self.compute


def place(graph: Graph, precision: str, profile: DeviceProfile, *, on: ComputeUnitKind | None = None) -> Placement:
    """Infer where a graph would run on a phone.

    TFLite goes to the CPU (XNNPACK, the default delegate) on the big and middle cores, four threads at most. Core ML in
    float16 goes to the Neural Engine where the phone has one, since that computes in float16 only; float32 stays on the
    CPU, where every request of the app lets it run.

    Args:
        graph: The model's ops.
        precision: The bundle's precision, for example `float16`.
        profile: The phone.
        on: A unit the app asks for instead of the default.

    Raises:
        EvaluationError: The model's format is not the phone's, or the phone has no such unit.
    """
    if graph.format != profile.format:
        raise EvaluationError(f"{profile.id} runs {profile.format} models; found a {graph.format} model")
    if on is not None and profile.unit(on) is None:
        known = ", ".join(unit.kind for unit in profile.compute_units)
        raise EvaluationError(f"{profile.id} has no {on} a model can use; its units: {known}")
    if graph.format == "tflite":
        return _place_tflite(precision, profile, on)
    return _place_coreml(graph, precision, profile, on)


def _place_tflite(precision: str, profile: DeviceProfile, on: ComputeUnitKind | None) -> Placement:
    if on == "npu":
        raise EvaluationError(f"{profile.id}: TFLite on an NPU is not predicted; right is cpu or gpu")
    if on == "gpu":
        return Placement("gpu", "tflite_gpu", 1, 1.0, "Inferred: the app asked for the GPU delegate.")
    threads = min(_MOST_THREADS, profile.big_cores)
    if activates_in_int16(precision):
        return Placement(
            "cpu", "tflite_cpu_int8", threads, 1.0,
            "Inferred: LiteRT's own kernels on the CPU, since XNNPACK, its default, has none for int16 activations.",
            _OF_INT16,
        )  # fmt: skip
    compute: ComputeKind = "tflite_cpu_int8" if multiplies_integers(precision) else "tflite_cpu_float"
    numbers = "integer" if compute == "tflite_cpu_int8" else "float32"
    return Placement(
        "cpu", compute, threads, 1.0,
        f"Inferred: XNNPACK is LiteRT's default; {numbers} kernels on the {threads} fastest cores.",
    )  # fmt: skip


def _place_coreml(graph: Graph, precision: str, profile: DeviceProfile, on: ComputeUnitKind | None) -> Placement:
    npu = profile.unit("npu")
    float16 = [op for op in graph.ops if not _leaves_npu(op)]
    macs = graph.macs
    share = sum(op.macs for op in float16) / macs if macs else float(precision != "float32")
    if on == "gpu":
        return Placement("gpu", "coreml_gpu", 1, 1.0, "Inferred: the app asked for CPU_AND_GPU.")
    if on in (None, "npu") and npu is not None and "float16" in npu.precisions and share > 0:
        rest = "" if share == 1 else f" for {share:.0%} of the multiply-adds; float32 ops stay on the CPU"
        return Placement(
            "npu", "coreml_npu", 1, share,
            f"Inferred: Core ML gives float16 ops to the Neural Engine ({npu.name}){rest}. "
            "Ops it does not support would fall back to the CPU; that is not modelled.",
        )  # fmt: skip
    if on == "npu":
        raise EvaluationError(f"{profile.id}'s Neural Engine computes in float16; this model has no float16 op")
    why = "the Neural Engine computes in float16 only" if npu is not None else "the phone has no Neural Engine"
    threads = sum(int(cluster.cores.value) for cluster in profile.cpu.clusters if cluster.role == "big")
    return Placement(
        "cpu", "coreml_cpu", threads, 1.0, f"Inferred: the CPU, since this model is {precision} and {why}."
    )  # fmt: skip


def _leaves_npu(op: Op) -> bool:
    return op.dtype in ("float32", "float64")
