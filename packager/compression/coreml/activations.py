"""Activations in 8 bits: what convolutions, linear layers, pools and sums read and give, in ranges set beforehand.

coremltools sets the ranges by running the model on a Mac. Here whatever runs the model elsewhere watches every op, and
coremltools' own passes then insert the pairs of quantize and dequantize by what was seen.

Source: `linear_quantize_activations` of coremltools 9.0 (optimize/coreml/_post_training_quantization.py).
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from packager.compression import Context
from packager.compression.calibration import check_calibration
from packager.compression.coreml.weights import quiet
from packager.errors import PackagingError
from packager.mlpackage import import_coremltools, save_package

_LARGEST_HALF = 65504.0
_PASSES = (
    "compression::insert_prefix_quantize_dequantize_pair",
    "compression::insert_suffix_quantize_dequantize_pair",
)
_MERGE = "common::dequantize_quantize_pair_elimination"

Ranges = dict[str, tuple[float, float]]


def quantize_activations(model: Any, context: Context) -> Any:
    """A model whose activations are rounded to 8 bits where coremltools can compute with those.

    Ops in the blocks of loops stay as they are: nothing sees their values. So do ops whose values were not finite, or
    lie outside of float16, in which the passes hold a range.

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
                return _insert_pairs(saved, {n: r for n, r in ranges.items() if max(map(abs, r)) <= _LARGEST_HALF})
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


def _insert_pairs(model: Any, ranges: Ranges) -> Any:
    from coremltools.converters.mil.mil.passes.graph_pass import PassOption
    from coremltools.converters.mil.mil.passes.pass_registry import PASS_REGISTRY
    from coremltools.models import utils
    from coremltools.optimize import coreml as optimize

    config = optimize.OptimizationConfig(global_config=optimize.OpLinearQuantizerConfig(mode="linear_symmetric"))
    statistics = {name: {"rmin": low, "rmax": high} for name, (low, high) in ranges.items()}
    passes = []
    for name in _PASSES:
        one = PASS_REGISTRY[name]
        one.set_options([PassOption("config", config), PassOption("activation_stats", statistics)])
        one.op_selector = lambda op: _is_known(op, ranges)
        passes.append(one)
    iOS17 = import_coremltools().target.iOS17.value  # noqa: N806  Apple spells it so
    return utils._apply_graph_pass(model, [*passes, PASS_REGISTRY[_MERGE]], spec_version=iOS17, skip_model_load=True)


def _is_known(op: Any, ranges: Ranges) -> bool:
    """Whether all values that the passes look up for an op have a range."""
    values = [var for key in ("x", "y") if (var := op.inputs.get(key)) is not None and var.val is None]
    return all(var.name in ranges for var in (*values, *op.outputs))
