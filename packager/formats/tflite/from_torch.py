"""PyTorch to TFLite: litert-torch once for float32, the AI Edge Quantizer for every other precision.

litert-torch's public `convert` exports the module itself. Here the program is exported once, rewritten, and handed to
the stages behind that function, so that nothing is traced twice.
"""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from packager.compression import Context
from packager.diagnosis import explain, find_place_of_node
from packager.errors import PackagingError
from packager.formats.format import Write
from packager.formats.lowerings import register_all
from packager.formats.tflite.compression import compress
from packager.rewrites.torch import rewrite_program
from packager.rewrites.torch.surgery import settle_constants
from packager.sources.torch import TorchSource

_SIGNATURE = "serving_default"
_ATTRIBUTE = "model"
"""of the flat module, under which the user's stands"""
_END = ";"
"""closes a name; litert-torch puts a number behind it where one op of torch becomes several"""


def prepare(source: TorchSource, context: Context) -> Write:
    """Convert to float32; the signature carries the source's names.

    Raises:
        PackagingError: The program cannot be exported or rewritten, or the converter refuses it.
    """
    rewritten = rewrite_program(source.program)
    places: dict[str, str] = {}
    float32 = lower(rewritten.program, tuple(source.inputs), places)

    def write(precision: str, path: Path) -> tuple[str, ...]:
        path.write_bytes(compress(float32, precision, context))
        return rewritten.applied

    def find_place(op: str) -> str | None:
        return places.get(op.rpartition(" ")[2].partition(_END)[0])  # behind the op's kind, before a number of its own

    return Write(write, find_place)


def lower(program: Any, inputs: Sequence[str], places: dict[str, str] | None = None) -> bytes:
    """A float32 TFLite model of an exported program that returns a dictionary.

    Args:
        program: `torch.export.ExportedProgram`.
        inputs: Names for its inputs, in order.
        places: Takes the user's line for each name that ops are given, as far as it is known.

    Raises:
        PackagingError: litert-torch is missing, or refuses the program.
    """
    if importlib.util.find_spec("litert_torch") is None:
        raise PackagingError('litert-torch is not installed; install "testpress[torch,tflite]"')
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _lower(program, inputs, {} if places is None else places)


def _lower(program: Any, inputs: Sequence[str], places: dict[str, str]) -> bytes:
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
        with _named_ops(places):
            exporter = litert_converter.exported_programs_to_flatbuffer([ready], [names])
        return bytes(exporter.to_bytes())
    except PackagingError:
        raise
    except Exception as fault:
        raise PackagingError(f"litert-torch: {explain(fault, program)}") from fault


@contextlib.contextmanager
def _named_ops(places: dict[str, str]) -> Iterator[None]:
    """Let litert-torch name ops by the user's modules and torch's ops, where it would list the classes around them."""
    from litert_torch.backend import debuginfo

    original = debuginfo.build_mlir_debuginfo

    def name(node: Any) -> str:
        modules = [path for path, _ in (node.meta.get("nn_module_stack") or {}).values()]
        path = modules[-1].removeprefix(_ATTRIBUTE).strip(".") if modules else ""
        label = f"{path}/{node.name}" if path else str(node.name)
        place = find_place_of_node(node)
        if place is not None:
            places[label] = place
        return f"{label}{_END}"

    debuginfo.build_mlir_debuginfo = name
    try:
        yield
    finally:
        debuginfo.build_mlir_debuginfo = original
