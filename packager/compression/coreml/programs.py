"""Converting a model once for all of its precisions.

coremltools' frontend, and all of its passes before the one that chooses types, do the same work whatever the precision:
they run once, and each precision goes on from a copy of the program they made.

Source: `_COMMON_PASSES` of coremltools 9.0 (converters/mil/mil/passes/pass_pipeline.py).
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from packager.compression.coreml import Convert
from packager.mlpackage import import_coremltools

_FIRST_OF_A_PRECISION = "common::add_fp16_cast"
_CLEANUP = "common::dead_code_elimination"
"""runs in the frontend too, but only where the pipeline given has it"""


def share_frontend(start: Callable[..., Any]) -> Convert:
    """A `convert` for `make_model` whose first half runs once for each deployment target.

    Args:
        start: Calls `coremltools.convert` with the model, its inputs and outputs, and the keyword arguments given:
            `convert_to`, `compute_precision`, `minimum_deployment_target` and `pass_pipeline`. Inputs and outputs get
            float32 where they have no type.
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
        return ct.convert(
            copy.deepcopy(programs[target]),
            source="milinternal",
            convert_to="mlprogram",
            compute_precision=compute_precision,
            minimum_deployment_target=target,
            pass_pipeline=ct.PassPipeline(passes[place:]),
            skip_model_load=True,
        )

    return convert
