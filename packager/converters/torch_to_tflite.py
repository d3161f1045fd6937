"""PyTorch to TFLite: litert-torch once for float32, the AI Edge Quantizer for every other precision.

litert-torch's public `convert` exports the module itself. Here the program is exported once, rewritten, and handed to
the stages behind that function, so that nothing is traced twice.
"""

from __future__ import annotations

import importlib.util
import logging
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from packager.compression import Context
from packager.compression.tflite import compress
from packager.converters import Write
from packager.diagnosis import explain
from packager.errors import PackagingError
from packager.lowerings import register_all
from packager.rewrites.torch import rewrite_program
from packager.rewrites.torch.surgery import settle_constants
from packager.sources.torch import TorchSource

_SIGNATURE = "serving_default"


def prepare(source: TorchSource, context: Context) -> Write:
    """Convert to float32; the signature carries the source's names.

    Raises:
        PackagingError: The program cannot be exported or rewritten, or the converter refuses it.
    """
    rewritten = rewrite_program(source.program)
    float32 = lower(rewritten.program, tuple(source.inputs))

    def write(precision: str, path: Path) -> tuple[str, ...]:
        path.write_bytes(compress(float32, precision, context))
        return rewritten.applied

    return Write(write)


def lower(program: Any, inputs: Sequence[str]) -> bytes:
    """A float32 TFLite model of an exported program that returns a dictionary.

    Args:
        program: `torch.export.ExportedProgram`.
        inputs: Names for its inputs, in order.

    Raises:
        PackagingError: litert-torch is missing, or refuses the program.
    """
    if importlib.util.find_spec("litert_torch") is None:
        raise PackagingError('litert-torch is not installed; install "testpress[torch,tflite]"')
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _lower(program, inputs)


def _lower(program: Any, inputs: Sequence[str]) -> bytes:
    logging.getLogger().setLevel(logging.ERROR)  # its notes on 64-bit inputs and on torch's own warnings
    from litert_torch import fx_infra
    from litert_torch._convert import core, litert_converter, signature

    class NamedSignature(signature.Signature):  # type: ignore[misc]
        """A signature whose inputs have names of our own choice."""

        @property
        def flat_arg_names(self) -> list[str]:
            return list(inputs)

    register_all("tflite")
    try:
        ready = fx_infra.graph_utils.reset_from_node_meta(program)
        ready = fx_infra.safe_run_decompositions(ready, fx_infra.decomp.pre_convert_decomp(), can_skip=False)
        ready = core._run_convert_passes(ready)
        settle_constants(ready)
        names = NamedSignature(_SIGNATURE, None, program.example_inputs[0], {})
        exporter = litert_converter.exported_programs_to_flatbuffer([ready], [names])
        return bytes(exporter.to_bytes())
    except PackagingError:
        raise
    except Exception as fault:
        raise PackagingError(f"litert-torch: {explain(fault, program)}") from fault
