"""How much memory a model would take on a phone, predicted from its graph."""

from __future__ import annotations

from device_profiles.profile import DeviceProfile
from evaluators.costs.calibration import CONFIDENCE
from evaluators.costs.graph import Graph, Memory, merge_reasons
from evaluators.costs.placement import Placement
from evaluators.score import Score

_RUNTIME_BYTES = 3_300_000
"""what a runtime takes beside the model: pages of its library. Source: resident memory of LiteRT 2.3.0 on Linux,
x86-64, one thread, less what is predicted of the model, see `benchmarks/memory_model.py`: 3.0 MB in one run, 3.5 MB in
another, with what the page cache held. Core ML's own could not be measured and is taken to be the same."""

_STEP_BYTES = 2_900
"""bookkeeping of one op: its node, its tensors' descriptions, its kernel's object. Source: as above"""

_SPREAD = 1.63
"""factor by which one model's peak differs between phones, at the 90 % quantile. Source: AI Hub's peak memory of the
same float models on Galaxy S24 and S25, n = 135: median ratio 1.31, 10 % to 90 % quantile 1.04 to 1.63"""

_CPU_SPREAD = 1.08
"""factor by which the model's own part departs on a CPU. Source: `benchmarks/memory_model.py`: of 48 files, the 12 that
hold more than 4 MB depart by 1.05 at most. They were measured on a desktop, for want of a phone's CPU figure: the
runtime's share is taken to differ between phones by `_SPREAD`"""

_NPU_RUNTIME_BYTES = 30_000_000
_NPU_COPIES = 1.9
"""what an Android phone's NPU runtime takes, and how often it holds the weights, in the type that the NPU computes in.
Fitted to AI Hub's peak memory (upper ends of its ranges) of 39 models on a Galaxy S24, TFLite with the QNN delegate, 25
in float and 14 in 8 bits, rows of v0.47.0: 82 % are within 30 % of what the other families' models say, four in five
within a factor of 1.31. The worst, 2 to 3 times too low, are images of 500 pixels a side and a net of 1,200 layers:
activations are not in it. Ops that share a weight have a copy each"""

_OF_FLOAT16 = "a CPU's float16 arithmetic, for which no plan of a runtime's memory is known"
_FLOAT16_OF = {"float32": 0.5, "float16": 1.0, "int8": 2.0, "uint8": 2.0, "int4": 4.0}
"""bytes in float16 for each byte in another type"""


def predict_memory(graph: Graph, profile: DeviceProfile, placement: Placement) -> Score:
    """Peak memory of one call, in bytes: weights, activations, what the runtime adds, and the runtime itself.

    On a CPU the runtime's own plan is followed where it is known: weights as the file holds them, which are mapped and
    read, and once more as kernels read them; the arena; workspaces and tables. A TFLite GPU delegate holds weights and
    activations in float16 beside the file; for an NPU a line through measurements stands. Elsewhere, as in Core ML,
    weights count in the type that ops read and activations as many as live at once, both in float16 where the program
    has them so. The 80 % interval is a factor: for what is planned on a CPU that of measurements on a desktop,
    elsewhere the one by which phones were seen to differ.

    Returns:
        A score without a value, and with the reason, where the model needs more than the phone has, has ops whose own
        memory is not in the file, or leaves sizes open.
    """
    half = placement.compute.number == "float16" and placement.unit == "cpu" and graph.cpu_memory is not None
    foreign = merge_reasons([
        *(op.unpriced for op in graph.ops if op.needs), graph.open_sizes, *([_OF_FLOAT16] if half else []),
    ])  # fmt: skip
    if foreign:
        return Score(value=None, unit="bytes", direction="lower", basis="predicted", reason="; ".join(foreign))
    value = float(_held(graph, placement))
    if value > profile.memory_bytes.value:
        return Score(
            value=None, unit="bytes", direction="lower", basis="predicted",
            reason=f"needs {value:.3g} bytes; {profile.id} has {profile.memory_bytes.value:.3g}",
        )  # fmt: skip
    spread = _CPU_SPREAD if placement.unit == "cpu" and graph.cpu_memory is not None else _SPREAD
    own = max(value - _RUNTIME_BYTES, 0)
    return Score(
        value=value, unit="bytes", direction="lower", basis="predicted",
        low=own / spread + _RUNTIME_BYTES / _SPREAD, high=own * spread + _RUNTIME_BYTES * _SPREAD,
        confidence=CONFIDENCE,
    )  # fmt: skip


def hold_on_cpu(graph: Graph, memory: Memory) -> int:
    """Bytes that a runtime takes on a CPU for a graph whose memory it plans so."""
    return graph.weight_bytes + memory.bytes + _STEP_BYTES * memory.steps + _RUNTIME_BYTES


def _held(graph: Graph, placement: Placement) -> int:
    if graph.cpu_memory is not None:
        if placement.unit == "cpu":
            return hold_on_cpu(graph, graph.cpu_memory)
        if placement.unit == "npu":
            share = 0.5 if placement.compute.number == "int8" else 1.0
            return round(_NPU_RUNTIME_BYTES + _NPU_COPIES * share * _in_float16(graph))
        # The delegate's copies; the file stays mapped, and its pages were read to make them.
        written = [(op.written_bytes, op.dtype) for op in graph.ops]
        activations = round(graph.peak_activation_bytes * _mean_factor(written, 0.5))
        return graph.weight_bytes + _in_float16(graph) + activations + _RUNTIME_BYTES
    return graph.expanded_weight_bytes + graph.peak_activation_bytes + _RUNTIME_BYTES


def _in_float16(graph: Graph) -> int:
    """Bytes of all weights in float16: of each op its own, or, where ops read parts of them, of all that there are."""
    read = [(op.weight_bytes // op.runs, op.weight_dtype) for op in graph.ops]
    whole = max(graph.expanded_weight_bytes, sum(size for size, _ in read))
    return round(whole * _mean_factor(read, 1.0))


def _mean_factor(sizes: list[tuple[int, str]], default: float) -> float:
    """Bytes in float16 for each byte of values of these sizes and types."""
    whole = sum(size for size, _ in sizes)
    return sum(size * _FLOAT16_OF.get(dtype, 1.0) for size, dtype in sizes) / whole if whole else default
