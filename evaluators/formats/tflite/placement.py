"""Where a TFLite model would run on a phone: LiteRT's default delegate, and what an app may ask for."""

from __future__ import annotations

from device_profiles.profile import DeviceProfile
from evaluators.costs.graph import Graph, Op
from evaluators.costs.placement import Compute, Placement, PlacementRequest
from evaluators.formats.tflite.precision import activates_in_int16, multiplies_integers

CPU_FLOAT, CPU_INT8 = Compute("LiteRT", "cpu", "float32"), Compute("LiteRT", "cpu", "int8")
CPU_FLOAT16 = Compute("LiteRT", "cpu", "float16")
GPU = Compute("LiteRT", "gpu", "float16")
NPU, NPU_INT8 = Compute("LiteRT", "npu", "float16"), Compute("LiteRT", "npu", "int8")

_MOST_THREADS = 4
"""LiteRT apps rarely use more: past the big cores, threads wait for the slowest one"""


_OF_INT16 = "LiteRT's own kernels for int16 activations, of which no published time is known"
"""Source: xnnpack_delegate.cc takes int8 and uint8. With LiteRT 2.3.0 on x86-64 no op of such a model is delegated, and
one call takes 50 times as long as of its int8 twin"""


_OF_INT16_NPU = "int16 activations on an NPU, of which no published time is at hand"
_OF_FLOAT16 = "XNNPACK's float16 arithmetic, of which no published time is at hand"
"""Source: the rows of this project's tables are all of TFLite in float32 or int8 on a CPU"""
_ON_APPLE = "LiteRT's kernels on Apple's cores, of which no published time is at hand"


def place_tflite(graph: Graph, precision: str, profile: DeviceProfile, asked: PlacementRequest) -> Placement:
    """Infer where a TFLite model would run.

    It goes to the CPU (XNNPACK, the default delegate) on the big and middle cores, four threads at most, unless the app
    asks for others.

    Args:
        graph: The model's ops.
        precision: The bundle's precision, for example `float16`.
        profile: The phone.
        asked: What the app asks for instead of the default.
    """
    unpriced = _ON_APPLE if profile.platform == "ios" else ""
    if asked.kind == "npu":
        return Placement(
            NPU_INT8 if multiplies_integers(precision) else NPU, 1, 1.0,
            "Inferred: the app asked for the NPU by its maker's delegate. Ops it does not support would fall back to "
            "the CPU; that is not modelled.",
            _OF_INT16_NPU if activates_in_int16(precision) else "",
        )  # fmt: skip
    if asked.kind == "gpu":
        idle = "" if asked.threads is None else "; threads are for what stays on the CPU, which is taken to be nothing"
        reason = (
            f"Inferred: the app asked for the GPU delegate{idle}. Published times are of TFLite's; LiteRT 2's kernels "
            "took 0.46 of them on the one phone where both are known."
        )
        return Placement(GPU, 1, 1.0, reason, unpriced)
    threads = asked.threads or min(_MOST_THREADS, profile.big_cores)
    wish = "the app asked for the CPU; " if asked.kind == "cpu" else ""
    if activates_in_int16(precision):
        return Placement(
            CPU_INT8, threads, 1.0,
            f"Inferred: {wish}LiteRT's own kernels there, since XNNPACK, its default, has none for int16 activations.",
            _OF_INT16,
        )  # fmt: skip
    is_half = any(op.may_be_float16 for op in graph.ops) and _computes_float16(profile)
    floats = CPU_FLOAT16 if is_half else CPU_FLOAT
    if multiplies_integers(precision):
        compute, other, leaves, numbers = CPU_INT8, floats, _is_in_floats, "integer"
    else:
        compute, other, leaves, numbers = floats, CPU_INT8, _is_in_integers, floats.number
    if is_half:
        unpriced = _OF_FLOAT16
    cores = "the fastest core" if threads == 1 else f"the {threads} fastest cores"
    chosen = "" if asked.threads is None else ", as many as the app asked for"
    return Placement(
        compute, threads, 1.0,
        f"Inferred: {wish}XNNPACK is LiteRT's default; {numbers} kernels on {cores}{chosen}. Most published "
        "times are of TFLite's own kernels; XNNPACK took 0.8 of theirs in the others.",
        unpriced, fallback=other, fallback_threads=threads, leaves=leaves,
    )  # fmt: skip


def _computes_float16(profile: DeviceProfile) -> bool:
    """Whether all cores can: XNNPACK asks once, and of what all have."""
    return all("fp16" in cluster.isa.features for cluster in profile.cpu.clusters)


def _is_in_floats(op: Op) -> bool:
    return op.computes_in.startswith("float")


def _is_in_integers(op: Op) -> bool:
    return op.computes_in in ("int4", "int8", "uint8")
