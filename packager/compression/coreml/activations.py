"""Activations in 8 bits: what convolutions, linear layers, pools and sums read and give, in ranges set beforehand.

coremltools sets the ranges by running the model on a Mac. Here whatever runs the model elsewhere watches every op, and
coremltools' own passes then insert the pairs of quantize and dequantize by what was seen.

Source: `linear_quantize_activations` of coremltools 9.0 (optimize/coreml/_post_training_quantization.py).
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from packager.compression import Context
from packager.compression.calibration import check_calibration
from packager.compression.coreml.weights import quiet
from packager.errors import PackagingError
from packager.mlpackage import import_coremltools, save_package

_LARGEST_RANGE = 65504.0
_SMALLEST_RANGE = 127 * 2.0**-14
"""a range and its 127th part must be normal numbers of float16, in which the passes hold them"""

_BEFORE = "compression::insert_prefix_quantize_dequantize_pair"
_AFTER = "compression::insert_suffix_quantize_dequantize_pair"
_MERGE = "common::dequantize_quantize_pair_elimination"

Ranges = dict[str, tuple[float, float]]


def quantize_activations(model: Any, context: Context) -> Any:
    """A model whose activations are rounded to 8 bits where coremltools can compute with those.

    What computes in float32 stays: it is there because float16 is too coarse already. So do ops in the blocks of loops,
    whose values nothing sees, and ops whose range float16 cannot hold.

    Args:
        model: A converted `MLModel`; stays as it is.
        context: Its `calibration` is run by its `numerics`.

    Raises:
        PackagingError: There is nothing to calibrate on, nothing can run the model, or coremltools refuses it.
    """
    spec = model.get_spec()
    check_calibration(context.calibration, [one.name for one in spec.description.input], precision="w8a8")
    if context.numerics is None:
        raise PackagingError("precision 'w8a8' sets ranges by running the model, and nothing here can run it")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.mlpackage"
        save_package(spec, Path(model.weights_dir), path)
        ranges = dict(context.numerics.observe(path, context.calibration))
        ranges.update(_input_ranges([one.name for one in spec.description.input], context.calibration))
        saved = import_coremltools().models.MLModel(str(path), skip_model_load=True)
        try:
            with quiet():
                return _insert_pairs(saved, {name: ends for name, ends in ranges.items() if _can_be_held(ends)})
        except Exception as fault:
            raise PackagingError(f"coremltools.optimize, w8a8: {type(fault).__name__}: {fault}") from fault


def _input_ranges(names: Sequence[str], calibration: Sequence[Mapping[str, Any]]) -> Ranges:
    ranges = {}
    for name in names:
        values = [np.asarray(call[name]) for call in calibration]
        low, high = (float(end(value)) for end, value in ((np.min, np.stack(values)), (np.max, np.stack(values))))
        if math.isfinite(low) and math.isfinite(high):
            ranges[name] = low, high
    return ranges


def _can_be_held(ends: tuple[float, float]) -> bool:
    return _SMALLEST_RANGE <= max(map(abs, ends)) <= _LARGEST_RANGE


def _insert_pairs(model: Any, ranges: Ranges) -> Any:
    from coremltools.converters.mil.mil.passes.graph_pass import PassOption
    from coremltools.converters.mil.mil.passes.pass_registry import PASS_REGISTRY
    from coremltools.models import utils
    from coremltools.optimize import coreml as optimize

    config = optimize.OptimizationConfig(global_config=optimize.OpLinearQuantizerConfig(mode="linear_symmetric"))
    statistics = {name: {"rmin": low, "rmax": high} for name, (low, high) in ranges.items()}
    passes = [PASS_REGISTRY[name] for name in ([_BEFORE] if _has_blocks(model) else [_BEFORE, _AFTER])]
    for one in passes:
        one.set_options([PassOption("config", config), PassOption("activation_stats", statistics)])
    passes[0].op_selector = lambda op: _may_be_rounded(op, ranges)
    ios17 = import_coremltools().target.iOS17.value
    return utils._apply_graph_pass(model, [*passes, PASS_REGISTRY[_MERGE]], spec_version=ios17, skip_model_load=True)


def _has_blocks(model: Any) -> bool:
    """Whether there are loops or branches; the pass that inserts pairs after ops fails on them (coremltools 9.0)."""
    functions = model.get_spec().mlProgram.functions.values()
    blocks = (block for function in functions for block in function.block_specializations.values())
    return any(op.blocks for block in blocks for op in block.operations)


def _may_be_rounded(op: Any, ranges: Ranges) -> bool:
    """Whether all values that the passes look up for an op are float16 and have a range."""
    read = [var for key in ("x", "y") if (var := op.inputs.get(key)) is not None and var.val is None]
    after = [
        var for made in op.outputs for reader in made.child_ops for var in reader.outputs if len(reader.inputs) == 1
    ]
    given = [*op.outputs, *after]
    return all(var.name in ranges for var in (*read, *given)) and all(_is_half(var) for var in (*read, *op.outputs))


def _is_half(var: Any) -> bool:
    from coremltools.converters.mil.mil import types

    return bool(var.dtype == types.fp16)
