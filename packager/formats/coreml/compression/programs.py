"""Converting a model once for all of its precisions.

coremltools' frontend, and all of its passes before the one that chooses types, do the same work whatever the precision:
they run once, and each precision goes on from a copy of the program they made.

Source: `_COMMON_PASSES` of coremltools 9.0 (converters/mil/mil/passes/pass_pipeline.py).
"""

from __future__ import annotations

import contextlib
import copy
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from packager.errors import PackagingError
from packager.formats.coreml.compression import Convert
from packager.formats.coreml.mlpackage import import_coremltools

_FIRST_OF_A_PRECISION = "common::add_fp16_cast"
_CLEANUP = "common::dead_code_elimination"
"""runs in the frontend too, but only where the pipeline given has it"""
_STACK_BYTES = 512 << 20
_MOST_FRAMES = 1_000_000
_SOURCE = "com.github.apple.coremltools.source"
"""the metadata that Xcode shows; the second half would name the program in between"""


def share_frontend(start: Callable[..., Any], source: str, outputs: Mapping[str, str] | None = None) -> Convert:
    """A `convert` for `make_model` whose first half runs once for each deployment target.

    Args:
        start: Calls `coremltools.convert` with the model, its inputs and outputs, and the keyword arguments given:
            `convert_to`, `compute_precision`, `minimum_deployment_target` and `pass_pipeline`. Inputs and outputs get
            float32 where they have no type.
        source: The framework and its version, for the metadata.
        outputs: Outputs to be renamed, by the name that `start` gives them.
    """
    ct = import_coremltools()
    passes = list(ct.PassPipeline.DEFAULT.passes)
    place = passes.index(_FIRST_OF_A_PRECISION)
    programs: dict[Any, Any] = {}

    def convert(compute_precision: Any, target: Any) -> Any:
        if target not in programs:
            programs[target] = start(
                convert_to="milinternal",
                compute_precision=ct.precision.FLOAT32,
                minimum_deployment_target=target,
                pass_pipeline=ct.PassPipeline([*passes[:place], _CLEANUP]),
            )
            _settle_names(programs[target], outputs or {})
        model = ct.convert(
            _copy(programs[target]),
            source="milinternal",
            convert_to="mlprogram",
            compute_precision=compute_precision,
            minimum_deployment_target=target,
            pass_pipeline=ct.PassPipeline(passes[place:]),
            skip_model_load=True,
        )
        model.user_defined_metadata[_SOURCE] = source
        return model

    return convert


def tell_faults(convert: Convert, explain: Callable[[Exception], str]) -> Convert:
    """The same `convert`, of which every fault is a `PackagingError`; `explain` puts coremltools' own into words."""

    def telling(compute_precision: Any, target: Any) -> Any:
        try:
            return convert(compute_precision, target)
        except PackagingError:
            raise
        except Exception as fault:
            raise PackagingError(f"coremltools: {explain(fault)}") from fault

    return telling


def _settle_names(program: Any, outputs: Mapping[str, str]) -> None:
    """Give ops and values the names that they have in a file, which coremltools otherwise does last.

    Whoever chooses types then knows an op by the name that it has in every precision. coremltools names a value and its
    op apart, and what it casts after the op; here an op's name is its value's, also where that is an output.

    Args:
        program: It is changed.
        outputs: Outputs to be renamed, by the name they have.

    Source: `sanitize_name_strings` of coremltools 9.0 (converters/mil/backend/mil/passes).
    """
    from coremltools.converters.mil.mil.passes.defs.preprocess import NameSanitizer
    from coremltools.converters.mil.mil.passes.pass_registry import PASS_REGISTRY

    for function in program.functions.values():
        renamed = [(var, outputs[var.name]) for var in function.outputs if var.name in outputs]
        for op in _walk(function):
            for var in op.outputs:
                if var.name in outputs.values():
                    var.set_name(f"{var.name}_within")
        for var, name in renamed:
            var.set_name(name)
        values, ops = NameSanitizer(prefix="var_"), NameSanitizer(prefix="op_")
        NameSanitizer.sanitize_block(function, values, ops, function.input_types)
    PASS_REGISTRY["common::dedup_op_and_var_names"](program)
    for function in program.functions.values():
        for op in _walk(function):
            if len(op.outputs) == 1:
                op.name = op.outputs[0].name


def _walk(block: Any) -> Iterator[Any]:
    """All ops, also of nested blocks."""
    for op in block.operations:
        yield op
        for inner in op.blocks:
            yield from _walk(inner)


def _copy(program: Any) -> Any:
    """A deep copy. It follows ops to what they read, so it is as deep as the program is long."""
    with _deep_stacks(), ThreadPoolExecutor(1) as pool:
        return pool.submit(copy.deepcopy, program).result()


@contextlib.contextmanager
def _deep_stacks() -> Iterator[None]:
    """Room for recursion in threads that start here."""
    frames, size = sys.getrecursionlimit(), threading.stack_size(_STACK_BYTES)
    sys.setrecursionlimit(max(frames, _MOST_FRAMES))
    try:
        yield
    finally:
        threading.stack_size(size)
        sys.setrecursionlimit(frames)
