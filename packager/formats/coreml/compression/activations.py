"""Activations in 8 bits: what convolutions, linear layers, pools and sums read and give, in ranges set beforehand.

coremltools sets the ranges by running the model on a Mac. Here whatever runs the model elsewhere watches every op, and
coremltools' own passes then insert the pairs of quantize and dequantize by what was seen.

Source: `linear_quantize_activations` of coremltools 9.0 (optimize/coreml/_post_training_quantization.py).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from packager.compression import Context
from packager.compression.calibration import check_calibration
from packager.errors import PackagingError
from packager.formats.coreml.compression.weights import quiet
from packager.formats.coreml.mlpackage import import_coremltools, save_package
from packager.storage import temporary_folder

_LARGEST_RANGE = 65504.0
_SMALLEST_RANGE = 127 * 2.0**-14
"""a range and its 127th part must be normal numbers of float16, in which the passes hold them"""

_LARGEST_FRONT_SHARE = 0.9
"""of a model's convolutions and linear layers: what is more is no front end, but a model that ends in such an op"""

_BEFORE = "compression::insert_prefix_quantize_dequantize_pair"
_AFTER = "compression::insert_suffix_quantize_dequantize_pair"
_MERGE = "common::dequantize_quantize_pair_elimination"

Ranges = dict[str, tuple[float, float]]


def quantize_activations(model: Any, context: Context) -> Any:
    """A model whose activations are rounded to 8 bits where coremltools can compute with those.

    What computes in float32 stays: it is there because float16 is too coarse already. So do front ends,
    what is in the blocks of loops, whose values nothing sees, and ops whose range float16 cannot hold.

    Args:
        model: A converted `MLModel`; stays as it is.
        context: What it has `heard` is run by its `runner`.

    Raises:
        PackagingError: There is nothing to calibrate on, nothing can run the model, or coremltools refuses it.
    """
    spec = model.get_spec()
    check_calibration(context.heard, [one.name for one in spec.description.input], precision="w8a8")
    if context.runner is None:
        raise PackagingError("precision 'w8a8' sets ranges by running the model, and nothing here can run it")
    with temporary_folder() as folder:
        path = folder / "model.mlpackage"
        save_package(spec, Path(model.weights_dir), path)
        ranges = dict(context.runner.observe(path, context.heard))
        ranges.update(_input_ranges([one.name for one in spec.description.input], context.heard))
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
    passes[0].op_selector = _Selection(ranges)
    ios17 = import_coremltools().target.iOS17.value
    return utils._apply_graph_pass(model, [*passes, PASS_REGISTRY[_MERGE]], spec_version=ios17, skip_model_load=True)


def _has_blocks(model: Any) -> bool:
    """Whether there are loops or branches; the pass that inserts pairs after ops fails on them (coremltools 9.0)."""
    functions = model.get_spec().mlProgram.functions.values()
    blocks = (block for function in functions for block in function.block_specializations.values())
    return any(op.blocks for block in blocks for op in block.operations)


class _Selection:
    """Which ops may read and give 8 bits."""

    def __init__(self, ranges: Ranges) -> None:
        self._ranges = ranges
        self._fronts: dict[Any, set[Any]] = {}

    def __call__(self, op: Any) -> bool:
        """Whether all values that the passes look up for an op are float16 and have a range, outside of a front end."""
        read = [var for key in ("x", "y") if (var := op.inputs.get(key)) is not None and var.val is None]
        after = [var for made in op.outputs for one in made.child_ops for var in one.outputs if len(one.inputs) == 1]
        if not all(var.name in self._ranges for var in (*read, *op.outputs, *after)):
            return False
        if not all(_is_half(var) for var in (*read, *op.outputs)):
            return False
        block = op.enclosing_block
        if block not in self._fronts:
            self._fronts[block] = _find_front(block)
        return op not in self._fronts[block]


def _find_front(block: Any) -> set[Any]:
    """Ops that lead to a logarithm or a power, where a model comes after these.

    Such an op opens the low end of its input's range, which even steps round to 0.
    """
    front: set[Any] = set()
    waiting = [
        op for op in block.operations if op.op_type == "log" or (op.op_type == "pow" and not _is_whole(op.y.val))
    ]
    while waiting:
        op = waiting.pop()
        if op is not None and op not in front:
            front.add(op)
            waiting += [var.op for given in op.inputs.values() for var in (given if _is_many(given) else [given])]
    heavy = [op for op in block.operations if op.op_type in ("conv", "linear")]
    return front if sum(op in front for op in heavy) <= _LARGEST_FRONT_SHARE * len(heavy) else set()


def _is_many(given: Any) -> bool:
    return isinstance(given, (list, tuple))


def _is_whole(exponent: Any) -> bool:
    return exponent is not None and bool(np.all(np.equal(np.mod(exponent, 1), 0)))


def _is_half(var: Any) -> bool:
    from coremltools.converters.mil.mil import types

    return bool(var.dtype == types.fp16)
