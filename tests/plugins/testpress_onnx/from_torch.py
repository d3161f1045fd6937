"""PyTorch to ONNX, by torch.onnx."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from packager.errors import PackagingError
from packager.formats.format import Write


def prepare(source: Any, context: Any) -> Write:
    """Export the program once; inputs and outputs keep the source's names."""
    import torch

    del context
    logging.getLogger("onnxscript").setLevel(logging.ERROR)
    names = {"input_names": list(source.inputs), "output_names": list(source.outputs)}
    try:
        exported = torch.onnx.export(source.program, (), dynamo=True, verbose=False, **names)
    except Exception as fault:
        raise PackagingError(f"torch.onnx: {type(fault).__name__}: {fault}") from fault

    def write(precision: str, path: Path) -> tuple[str, ...]:
        del precision
        assert exported is not None
        exported.save(str(path), external_data=False)
        return ()

    return Write(write)
