"""One frontend for all precisions of a model, however long its program is."""

from __future__ import annotations

from typing import Any

import pytest

from packager.formats.coreml.compression.programs import share_frontend
from packager.formats.coreml.mlpackage import import_coremltools

pytestmark = [
    pytest.mark.slow,
    pytest.mark.coreml,
    pytest.mark.filterwarnings("ignore:Implicitly cleaning up:ResourceWarning"),  # of coremltools' converter
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

OPS = 600
"""in a row: a deep copy goes through all of them, some frames each, before it comes back"""


def test_the_frontend_runs_once_and_each_precision_gets_a_whole_program() -> None:
    from coremltools.converters.mil import Builder as mb

    ct, started = import_coremltools(), []

    def start(**options: Any) -> Any:
        started.append(options["minimum_deployment_target"])

        @mb.program(input_specs=[mb.TensorSpec(shape=(1, 8))], opset_version=options["minimum_deployment_target"])
        def program(x: Any) -> Any:
            for number in range(OPS):
                x = mb.sin(x=x) if number % 2 else mb.cos(x=x)
            return x

        return ct.convert(program, skip_model_load=True, **options)

    convert = share_frontend(start, "somewhere==1.0")
    for precision, casts in ((ct.precision.FLOAT32, 0), (ct.precision.FLOAT16, 2), (ct.precision.FLOAT32, 0)):
        spec = convert(precision, ct.target.iOS15).get_spec()
        (block,) = spec.mlProgram.functions["main"].block_specializations.values()
        kinds = [op.type for op in block.operations if op.type != "const"]
        assert [kinds.count(kind) for kind in ("sin", "cos", "cast")] == [OPS // 2, OPS // 2, casts]
        assert spec.description.metadata.userDefined["com.github.apple.coremltools.source"] == "somewhere==1.0"
    assert started == [ct.target.iOS15]
