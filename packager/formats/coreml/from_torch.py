"""PyTorch to Core ML, as an ML Program: by coremltools' frontend for traced modules, else by that for exports.

The rewritten program is traced, not the user's module: what is traced is then the same graph that TFLite is made of.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from packager.compression import Context
from packager.diagnosis import explain
from packager.errors import PackagingError
from packager.formats.coreml.compression import list_kept, make_model
from packager.formats.coreml.compression.programs import share_frontend, tell_faults
from packager.formats.coreml.compression.targets import find_target
from packager.formats.coreml.export_attempts import find_attempt
from packager.formats.coreml.lowerings._decomposition import decompose
from packager.formats.coreml.lowerings._ranks import NAME as RANKS
from packager.formats.coreml.lowerings._ranks import lower_ranks
from packager.formats.coreml.mlpackage import import_coremltools, save_package
from packager.formats.coreml.names import to_native
from packager.formats.coreml.places import find_in, find_places
from packager.formats.format import Write
from packager.formats.lowerings import register_all
from packager.proving.lengths import input_shape
from packager.rewrites.torch import rewrite_program
from packager.sources.torch import TorchSource

_INTEGERS = {"int64": np.int32, "int32": np.int32, "int16": np.int32, "int8": np.int32, "uint8": np.int32, "bool": bool}


def prepare(source: TorchSource, context: Context) -> Write:
    """Convert with coremltools, once a compute precision; the features carry the source's names.

    Raises:
        PackagingError: The model can be neither exported nor traced.
    """
    import torch

    ct = import_coremltools()
    register_all("coreml")
    if context.lengths:
        return _prepare_lengths(ct, source, context)
    rewritten = rewrite_program(source.program)
    program, ranked = lower_ranks(decompose(rewritten.program))
    applied = tuple(sorted({*rewritten.applied, *((RANKS,) if ranked else ())}))
    frontends = [
        functools.cache(lambda: _trace(program, source)),
        functools.cache(lambda: program.run_decompositions({})),
    ]

    def start(**options: Any) -> Any:
        return _start(ct, source, frontends, options)

    shared = share_frontend(start, f"torch=={torch.__version__}")
    convert = tell_faults(shared, lambda fault: explain(fault, program))

    def write(precision: str, path: Path) -> tuple[str, ...]:
        model = make_model(convert, precision, context)
        save_package(model.get_spec(), Path(model.weights_dir), path)
        return applied

    @functools.cache
    def list_places() -> Mapping[str, str]:
        try:
            return find_places(frontends[0](), program)
        except Exception:  # noqa: BLE001  it could not be traced, or coremltools changed: then no line is named
            return {}

    return Write(write, lambda op: find_in(list_places(), op), functools.partial(list_kept, convert))


def _prepare_lengths(ct: Any, source: TorchSource, context: Context) -> Write:
    import torch

    inputs = _input_types(ct, source, context)

    def start(program: Any, **options: Any) -> Any:
        return _call(ct, program, inputs, _output_types(ct, source), options)

    def try_way(program: Any, compute_precision: Any, target: Any) -> Any:
        return start(program, compute_precision=compute_precision, minimum_deployment_target=target)

    way = find_attempt(source, context, try_way, find_target(context.minimum_deployment_target))
    convert = share_frontend(functools.partial(start, way.program), f"torch=={torch.__version__}")

    def write(precision: str, path: Path) -> tuple[str, ...]:
        model = make_model(convert, precision, context)
        save_package(model.get_spec(), Path(model.weights_dir), path)
        return way.applied

    return Write(write, list_kept=functools.partial(list_kept, convert))


def _trace(program: Any, source: TorchSource) -> Any:
    import torch

    shared = _find_shared(program)

    class Outputs(torch.nn.Module):
        """The program's outputs as a tuple: traced modules return no dictionaries."""

        def __init__(self) -> None:
            super().__init__()
            self.inner = program.module()

        def forward(self, *tensors: Any) -> Any:
            found = enumerate(self.inner(*tensors).values())
            return tuple(torch.maximum(value, value) if index in shared else value for index, value in found)

    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.jit.trace(  # type: ignore[no-untyped-call]
            Outputs(), source.tensors, check_trace=False
        )


def _find_shared(program: Any) -> frozenset[int]:
    """Outputs that are an input, or another output, unchanged: coremltools has one name for all of them."""
    import torch

    aten = torch.ops.aten
    unchanging = {aten.clone.default, aten.alias.default, aten.detach.default, aten.contiguous.default}
    shared, seen = set(), set()
    for index, output in enumerate(program.graph.output_node().args[0]):
        node = output
        while node.op == "call_function" and (node.target in unchanging or _keeps_type(node)):
            node = node.args[0]
        if node.op == "placeholder" or node in seen:
            shared.add(index)
        seen.add(node)
    return frozenset(shared)


def _keeps_type(node: Any) -> bool:
    import torch

    casts = node.target in {torch.ops.aten.to.dtype, torch.ops.aten._to_copy.default}
    return casts and bool(node.meta["val"].dtype == node.args[0].meta["val"].dtype)


def _start(ct: Any, source: TorchSource, frontends: Sequence[Callable[[], Any]], options: dict[str, Any]) -> Any:
    """What the first frontend that takes the model makes of it; where none does, the first one's fault."""
    faults = []
    for frontend in frontends:
        try:
            return _call(ct, frontend(), _input_types(ct, source, Context()), _output_types(ct, source), options)
        except PackagingError:
            raise
        except Exception as fault:  # noqa: BLE001  the next frontend may take it
            faults.append(fault)
    raise faults[0]


def _call(ct: Any, program: Any, inputs: list[Any], outputs: list[Any], options: dict[str, Any]) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        every = {"convert_to": "mlprogram", "skip_model_load": True, **options}
        return ct.convert(program, source="pytorch", inputs=inputs, outputs=outputs, **every)


def _input_types(ct: Any, source: TorchSource, context: Context) -> list[Any]:
    return [
        ct.TensorType(
            name=to_native(name),
            shape=input_shape(ct, name, tensor.shape, context.lengths),
            dtype=_INTEGERS.get(tensor.dtype, np.float32),
        )
        for name, tensor in source.inputs.items()
    ]


def _output_types(ct: Any, source: TorchSource) -> list[Any]:
    return [
        ct.TensorType(name=to_native(name), dtype=_INTEGERS.get(tensor.dtype, np.float32))
        for name, tensor in source.outputs.items()
    ]
