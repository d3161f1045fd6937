"""Static precisions: the ranges of activations are set by calls of the model, before it is shipped.

What leads to a logarithm or a power keeps float activations: these open the low end of their input's range, which even
steps round to 0. For a model with its spectrogram inside that is the front end.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from packager.compression import Context
from packager.compression.calibration import Calibration, check_calibration
from packager.errors import PackagingError
from packager.formats.tflite.compression.graph import WEIGHTED, QuantizedGraph
from packager.formats.tflite.compression.quantizer import quantize, quiet
from packager.formats.tflite.compression.trial import Trial, open_signature

_AS_IN_FLOAT32 = "no_quantize"

_LEAST_SNR_DB = 3.0
"""an output with half as much noise as signal is not coarse but wrong"""

_MOST_TRIED = 8
"""calls that every choice of ops is tried on; activations of 16 bits run on slow kernels"""


def quantize_statically(model: bytes, precision: str, context: Context) -> bytes:
    """A float32 TFLite model with integer weights and activations.

    Kinds of ops that make the quantizer fail, or give a model that does not run as the float32 one does or whose
    outputs are mostly noise, are left in float32: the one whose absence mends it, else all but those with weights.

    Raises:
        PackagingError: Nothing to calibrate on, or no choice of ops gives a model that runs.
    """
    runner, signature = open_signature(model)
    check_calibration(context.heard, runner.get_input_details(), precision=precision)
    calls = _as_inputs(runner, context.heard)
    tried = [calls[index] for index in _spread(len(calls))]
    trial = Trial(tried, [runner(**call) for call in tried])
    ranges, graph = _observe(model, signature, calls), QuantizedGraph(model)
    best: tuple[float, bytes] | None = None
    first: PackagingError | None = None
    for left_out in _choices(graph):
        try:
            quantized = quantize(model, _rules(graph, precision, left_out), ranges)
            snr_db = trial.run(quantized)
        except PackagingError as fault:
            first = first or fault
            continue
        if best is None or snr_db > best[0]:
            best = snr_db, quantized
        if snr_db >= _LEAST_SNR_DB:
            break
    if best is None:
        assert first is not None
        raise first
    return best[1]


def _spread(count: int) -> list[int]:
    return sorted({round(index) for index in np.linspace(0, count - 1, _MOST_TRIED)})


def _as_inputs(runner: Any, calibration: Calibration) -> list[dict[str, Any]]:
    """The calls in the model's own dtypes, without what is no input of it."""
    details = runner.get_input_details()
    return [{name: np.asarray(call[name], dtype=details[name]["dtype"]) for name in details} for call in calibration]


def _observe(model: bytes, signature: str, calls: Sequence[dict[str, Any]]) -> Any:
    """Least and greatest value by tensor, over all calls: the quantizer's own moving average cuts peaks off."""
    from ai_edge_quantizer import calibrator, recipe, recipe_manager
    from ai_edge_quantizer.utils import qsv_utils

    manager = recipe_manager.RecipeManager()
    manager.load_quantization_recipe(recipe.static_wi8_ai8())
    mode = calibrator.CalibrationMode.CALIBRATION_PROFILER_BASED
    try:
        with quiet():
            observer = calibrator.Calibrator(model, num_threads=1, mode=mode, qsv_update_func=qsv_utils.min_max_update)
            observer.calibrate({signature: calls}, manager)
    except Exception as fault:
        raise PackagingError(f"AI Edge Quantizer, calibrating: {type(fault).__name__}: {fault}") from fault
    return observer.get_model_qsvs()


def _rules(graph: QuantizedGraph, precision: str, left_out: frozenset[str]) -> list[dict[str, Any]]:
    """The quantizer's rules, of which the last that fits an op wins."""
    from ai_edge_quantizer import recipe

    kept = ("INPUT", "OUTPUT", *sorted(left_out))
    rules: list[dict[str, Any]] = list(getattr(recipe, precision)())
    rules += [{"regex": ".*", "operation": kind, "algorithm_key": _AS_IN_FLOAT32} for kind in kept]
    rules += _only_weights(graph.front_scopes(), recipe.weight_only_wi8_afp32())
    rules += _only_weights(graph.loop_scopes(), recipe.dynamic_wi8_afp32())
    rules += _only_weights(graph.left_scopes(), [])
    return rules


def _only_weights(scopes: Iterable[str], recipe: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rules for ops whose activations stay float: none of their own, but those of a recipe for their weights."""
    choice = "|".join(map(re.escape, scopes))
    if not choice:
        return []
    # Two spellings of one pattern: rules of equal pattern would replace each other.
    rules = [{"regex": f"^({choice})$", "operation": "*", "algorithm_key": _AS_IN_FLOAT32}]
    return rules + [{**rule, "regex": f"^(?:{choice})$"} for rule in recipe]


def _choices(graph: QuantizedGraph) -> Iterator[frozenset[str]]:
    """Kinds of ops to leave in float32: none, each alone, all without weights."""
    weightless = [kind for kind in graph.kinds if kind not in WEIGHTED]
    yield frozenset()
    yield from (frozenset({kind}) for kind in graph.kinds)
    yield frozenset(weightless)
