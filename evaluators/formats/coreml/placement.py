"""Where a Core ML model would run on a phone: Core ML decides there, op by op, and says nothing beforehand."""

from __future__ import annotations

from device_profiles.profile import DeviceProfile
from evaluators.costs.graph import Graph, Op
from evaluators.costs.placement import Compute, Placement, PlacementRequest
from evaluators.errors import EvaluationError

CPU, GPU = Compute("Core ML", "cpu", "float32"), Compute("Core ML", "gpu", "float16")
NPU = Compute("Core ML", "npu", "float16")

_COLD_START = (
    "the few load times that were published, of iPhone 13 and 16 Pro Max, lie between 10 ms on CPU and GPU and more "
    "than 30 s, where a large model is compiled for the Neural Engine at its first load"
)
"""Sources: github.com/FluidInference/FluidAudio, Documentation/Benchmarks.md, commit 8a2bf2c0 (Parakeet's parts: 9 ms
to 4.4 s); github.com/orukahairuka/coreml-audio-research, docs/2026-06-10/load-timing-results.md, commit 0cf05d53 (a
vocoder: 0.7 s on CPU, 57 s on CPU_AND_NE)"""


def place_coreml(graph: Graph, precision: str, profile: DeviceProfile, asked: PlacementRequest) -> Placement:
    """Infer where a Core ML model would run.

    In float16 it goes to the Neural Engine where the phone has one, since that computes in float16 only; float32 stays
    on the CPU, where every request of the app lets it run.

    Args:
        graph: The model's ops.
        precision: The bundle's precision, for example `float16`.
        profile: The phone.
        asked: What the app asks for instead of the default.

    Raises:
        EvaluationError: The unit cannot compute any of it.
    """
    threads = profile.cpu.big_cores
    npu = profile.unit("npu")
    macs = graph.macs
    on_npu = sum(op.macs for op in graph.ops if not _leaves_npu(op))
    share = on_npu / macs if macs else float(precision != "float32")
    ignored = "" if asked.threads is None else " Core ML chooses its threads itself: no app can ask for a number."
    if asked.kind == "gpu":
        reason = f"Inferred: the app asked for CPU_AND_GPU.{ignored}"
        return Placement(GPU, 1, 1.0, reason, cold_start=_COLD_START)
    if asked.kind == "cpu":
        reason = f"Inferred: the app asked for CPU_ONLY.{ignored}"
        return Placement(CPU, threads, 1.0, reason, cold_start=_COLD_START)
    if npu is not None and "float16" in npu.precisions and share > 0:
        wish = "" if asked.kind is None else "the app asked for CPU_AND_NE; "
        rest = "" if share == 1 else f" for {share:.0%} of the multiply-adds; float32 ops stay on the CPU"
        return Placement(
            NPU, 1, share,
            f"Inferred: {wish}Core ML gives float16 ops to the Neural Engine ({npu.name}){rest}. "
            "Ops it does not support would fall back to the CPU; that is not modelled. An app waits about 0.5 ms more "
            f"for each call, which Apple's tables leave out.{ignored}",
            cold_start=_COLD_START, fallback=CPU, fallback_threads=threads, leaves=_leaves_npu,
        )  # fmt: skip
    if asked.kind == "npu":
        raise EvaluationError(f"{profile.id}'s Neural Engine computes in float16; this model has no float16 op")
    why = "the Neural Engine computes in float16 only" if npu is not None else "the phone has no Neural Engine"
    reason = f"Inferred: the CPU, since this model is {precision} and {why}.{ignored}"
    return Placement(CPU, threads, 1.0, reason, cold_start=_COLD_START)


def _leaves_npu(op: Op) -> bool:
    return op.dtype in ("float32", "float64")
