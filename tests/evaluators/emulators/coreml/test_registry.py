from __future__ import annotations

import re
from typing import Any

import pytest

from evaluators.emulators.coreml.ops import find_op, known_ops, op


def test_every_op_says_what_it_computes_and_since_when() -> None:
    assert len(known_ops()) > 120
    for kind, releases in known_ops().items():
        for release in releases:
            definition = find_op(
                kind, {15: "CoreML5", 16: "CoreML6", 17: "CoreML7", 18: "CoreML8"}[release], where="here"
            )
            text = definition.function.__doc__ or ""
            assert re.search(rf"\(iOS{release}", text), f"{kind}: the docstring does not say (iOS{release})"


def test_an_op_is_registered_once() -> None:
    with pytest.raises(ValueError, match="relu for iOS 15 is registered twice"):
        op("relu")(lambda x: x)


BUILD_TIME = {"const", "_const_symbolic"}
"""a const is read by the planner, a symbolic one never reaches a file"""

NESTED = {"_true_fn", "_false_fn", "_cond", "_body", "_existing_blocks"}
"""parameters of coremltools' builder that files hold as nested blocks"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("target", "opset"), [("iOS15", "CoreML5"), ("iOS16", "CoreML6"), ("iOS17", "CoreML7"), ("iOS18", "CoreML8")]
)
def test_every_op_coremltools_writes_is_known_with_all_its_parameters(
    coremltools: Any, target: str, opset: str
) -> None:
    from coremltools.converters.mil.mil.ops.registry import SSAOpRegistry

    release = getattr(coremltools.target, target)
    written = {kind: versions[release] for kind, versions in SSAOpRegistry.core_ops.items() if release in versions}
    assert len(written) > 145
    for kind, declared in written.items():
        if kind in BUILD_TIME:
            continue
        definition = find_op(kind, opset, where="here")
        inputs = declared.input_spec.input_types
        assert set(inputs) - NESTED <= set(definition.forms), kind
        needed = {name for name, parameter in inputs.items() if not parameter.optional}
        assert definition.required - {"blocks", "declared"} <= needed, kind
