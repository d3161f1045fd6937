"""Static precisions: the ranges of activations are set by calls of the model, before it is shipped."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from packager.compression import Context
from packager.compression.calibration import Calibration, check_calibration
from packager.compression.tflite import quantize, quiet
from packager.errors import PackagingError

_EVERYTHING = "*"
_AS_IN_FLOAT32 = "no_quantize"


def quantize_statically(model: bytes, precision: str, context: Context) -> bytes:
    """A float32 TFLite model with integer weights and activations.

    Kinds of ops that make the quantizer fail, or give a model that the runtime refuses, are left in float32: the one
    whose absence mends it, else all but those with weights.

    Raises:
        PackagingError: Nothing to calibrate on, or no choice of ops gives a model that runs.
    """
    runner, signature = _open(model)
    check_calibration(context.calibration, runner.get_input_details(), precision=precision)
    ranges = _observe(model, signature, _as_inputs(runner, context.calibration))
    first: PackagingError | None = None
    for left_out in _choices(model):
        try:
            quantized = quantize(model, _rules(model, precision, left_out), ranges)
            _check_runs(quantized, context.calibration[0])
        except PackagingError as fault:
            first = first or fault
        else:
            return quantized
    assert first is not None
    raise first


def _open(model: bytes) -> tuple[Any, str]:
    from ai_edge_litert.interpreter import Interpreter

    try:
        interpreter = Interpreter(model_content=model, num_threads=1)
        signature = next(iter(interpreter.get_signature_list()))
        return interpreter.get_signature_runner(signature), signature
    except (RuntimeError, StopIteration, ValueError) as fault:
        raise PackagingError(f"the runtime refuses the model: {fault or 'it has no signature'}") from fault


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


def _rules(model: bytes, precision: str, left_out: frozenset[str]) -> list[dict[str, Any]]:
    from ai_edge_quantizer import recipe

    kept = ("INPUT", "OUTPUT", *sorted(left_out))
    rules: list[dict[str, Any]] = list(getattr(recipe, precision)())
    rules += [{"regex": ".*", "operation": kind, "algorithm_key": _AS_IN_FLOAT32} for kind in kept]
    if looped := "|".join(re.escape(scope) for scope in _loop_scopes(model)):
        rules.append({"regex": f"^({looped})$", "operation": _EVERYTHING, "algorithm_key": _AS_IN_FLOAT32})
        rules += [{**rule, "regex": f"^(?:{looped})$"} for rule in recipe.dynamic_wi8_afp32()]
    return rules


def _loop_scopes(model: bytes) -> Iterator[str]:
    """How the quantizer names the ops of all subgraphs but the first."""
    from ai_edge_quantizer.utils import tfl_flatbuffer_utils

    for subgraph in tfl_flatbuffer_utils.read_model(model).subgraphs[1:]:
        for op in subgraph.operators:
            yield tfl_flatbuffer_utils.get_op_scope(op, subgraph.tensors)


def _choices(model: bytes) -> Iterator[frozenset[str]]:
    """Kinds of ops to leave in float32: none, each alone, all without weights."""
    from ai_edge_quantizer.utils import tfl_flatbuffer_utils

    read = tfl_flatbuffer_utils.read_model(model)
    codes = {read.operatorCodes[op.opcodeIndex].builtinCode for graph in read.subgraphs for op in graph.operators}
    names = tfl_flatbuffer_utils.TFL_OP_CODE_TO_NAME
    kinds = sorted(str(names[code].value) for code in codes if code in names)
    weightless = [kind for kind in kinds if kind not in _WEIGHTED]
    yield frozenset()
    yield from (frozenset({kind}) for kind in weightless)
    yield frozenset(weightless)


_WEIGHTED = {"BATCH_MATMUL", "CONV_2D", "CONV_2D_TRANSPOSE", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"}


def _check_runs(model: bytes, call: Any) -> None:
    runner, _ = _open(model)
    try:
        runner(**_as_inputs(runner, [call])[0])
    except (RuntimeError, ValueError) as fault:
        raise PackagingError(f"the runtime refuses the quantized model: {fault}") from fault
