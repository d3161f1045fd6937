"""How much memory a model would take on a phone, predicted from its graph."""

from __future__ import annotations

from device_profiles.profile import DeviceProfile
from evaluators.costs.calibration import CONFIDENCE
from evaluators.costs.graph import Graph, merge_reasons
from evaluators.costs.placement import Placement
from evaluators.evaluation import Score

_RUNTIME_BYTES = 5_000_000
"""what a runtime takes beside the model. Source: resident memory of LiteRT 2.3.0 on Linux, x86-64, one thread, less the
model's own terms: 2.2 MB (MobileNet v1), 2.9 MB (MobileNet v3 small), 8.0 to 9.6 MB (three builds of Basic Pitch). Core
ML's own could not be measured and is taken to be the same."""

_SPREAD = 1.63
"""factor by which one model's peak differs between phones, at the 90 % quantile. Source: AI Hub's peak memory of the
same float models on Galaxy S24 and S25, n = 135: median ratio 1.31, 10 % to 90 % quantile 1.04 to 1.63"""


def predict_memory(graph: Graph, profile: DeviceProfile, placement: Placement) -> Score:
    """Peak memory of one call, in bytes: weights, activations, the runtime's tables and the runtime itself.

    On a TFLite CPU weights count twice, in the file and as XNNPACK packs them, and long convolution kernels cost a
    table of input addresses that may exceed all else. Elsewhere weights count once, in the type the ops read. The 80 %
    interval is the factor by which phones were seen to differ.

    Returns:
        A score without a value, and with the reason, where the model needs more than the phone has, has ops whose own
        memory is not in the file, or leaves sizes open.
    """
    foreign = merge_reasons([*(op.unpriced for op in graph.ops if op.needs), graph.open_sizes])
    if foreign:
        return Score(value=None, unit="bytes", direction="lower", basis="predicted", reason="; ".join(foreign))
    weights = graph.expanded_weight_bytes
    tables = 0
    if placement.compute.startswith("tflite_cpu"):
        weights += graph.weight_bytes
        tables = graph.workspace_bytes
    value = float(weights + tables + graph.peak_activation_bytes + _RUNTIME_BYTES)
    if value > profile.memory_bytes.value:
        return Score(
            value=None, unit="bytes", direction="lower", basis="predicted",
            reason=f"needs {value:.3g} bytes; {profile.id} has {profile.memory_bytes.value:.3g}",
        )  # fmt: skip
    return Score(
        value=value, unit="bytes", direction="lower", basis="predicted",
        low=value / _SPREAD, high=value * _SPREAD, confidence=CONFIDENCE,
    )  # fmt: skip
