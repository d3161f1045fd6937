"""PyTorch models of tests, loaded as a recipe's factory would give them."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from packager.sources.torch import TorchSource


@pytest.fixture
def load_model(tmp_path: Path) -> Callable[..., TorchSource]:
    """Loads what a factory would return."""
    from packager.model import ModelSpec, find_source
    from packager.sources.torch import load

    def run(module: Any, *tensors: Any) -> TorchSource:
        (tmp_path / "given.py").write_text("def build(): ...\n")
        given = ModuleType("given")
        given.__file__ = str((tmp_path / "given.py").resolve())
        vars(given)["build"] = lambda: (module, tensors)
        sys.modules["given"] = given
        spec = ModelSpec(name="m", version="1", license="MIT", source="python:given:build")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's own, of export
            return load(find_source(spec, tmp_path), None)

    return run


@pytest.fixture
def same_when_exported() -> Callable[[TorchSource], None]:
    """Holds the exported and rewritten program against what the source gives, in float32."""

    def run(source: TorchSource) -> None:
        import torch

        from packager.rewrites.torch import rewrite_program

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = rewrite_program(source.program).program.module()(*source.tensors)
        for name, expected in source.run(source.examples).items():
            torch.testing.assert_close(found[name], torch.from_numpy(expected), rtol=1e-5, atol=1e-5)

    return run
