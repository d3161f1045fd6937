from __future__ import annotations

import re

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
