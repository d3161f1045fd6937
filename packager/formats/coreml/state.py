"""States that a Core ML model keeps by itself (iOS 18), made of states that are inputs and outputs.

It is done to the finished program, so that a precision is the same one with or without: the input becomes a state that
is read once before all else, the output a value that is written to it after all else.

Source: https://apple.github.io/coremltools/docs-guides/source/stateful-models.html. Core ML keeps float16 states only
(coremltools 9.0, converters/mil/backend/mil/load.py).
"""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from packager.errors import PackagingError
from packager.formats.coreml.mlpackage import import_coremltools, save_package
from packager.storage import temporary_folder

DEPLOYMENT_TARGET = "iOS18"
"""the first system whose Core ML has states"""
_PASSES = ("common::cast_optimization", "common::dead_code_elimination")


def keep_states(path: Path, state: Mapping[str, str]) -> None:
    """Make a model keep states; their inputs and outputs are gone then.

    Args:
        path: An .mlpackage; it is written anew.
        state: State input → the output that it is fed from, as the file calls them. The state is called as the input.

    Raises:
        PackagingError: A state holds other than real numbers, or coremltools refuses the program.
    """
    ct = import_coremltools()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = ct.models.MLModel(str(path), skip_model_load=True)
        program = _load(model, int(model.get_spec().specificationVersion))
        for name, output in state.items():
            _keep(program.functions["main"], name, output)
        try:
            kept = ct.convert(
                program,
                source="milinternal",
                convert_to="mlprogram",
                minimum_deployment_target=getattr(ct.target, DEPLOYMENT_TARGET),
                pass_pipeline=ct.PassPipeline(list(_PASSES)),
                skip_model_load=True,
            )
        except Exception as fault:
            raise PackagingError(f"coremltools: states: {type(fault).__name__}: {fault}") from fault
    with temporary_folder() as folder:
        made = folder / path.name
        save_package(_described_as(model.get_spec(), kept.get_spec()), Path(kept.weights_dir), made)
        shutil.rmtree(path)
        shutil.move(made, path)


def _described_as(before: Any, after: Any) -> Any:
    """A specification whose inputs take what they took before: several lengths are not part of a program."""
    types = {feature.name: feature.type for feature in before.description.input}
    for feature in after.description.input:
        feature.type.CopyFrom(types[feature.name])
    return after


def _load(model: Any, version: int) -> Any:
    from coremltools.converters.mil.frontend.milproto.load import load

    ct = import_coremltools()
    oldest = int(getattr(ct.target, DEPLOYMENT_TARGET))
    return load(
        model_spec=model.get_spec(), specification_version=max(version, oldest), file_weights_dir=model.weights_dir
    )


def _keep(function: Any, name: str, output: str) -> None:
    """Put a state in the place of an input and an output, in a program in memory."""
    from coremltools.converters.mil.mil import Builder as mb  # noqa: N813  # coremltools' own word
    from coremltools.converters.mil.mil import types
    from coremltools.converters.mil.mil.program import StateTensorPlaceholder
    from coremltools.converters.mil.mil.types.symbolic import any_symbolic

    given = function.inputs[name]
    dtype = types.builtin_to_string(given.dtype)
    if dtype not in ("fp16", "fp32"):
        raise PackagingError(f"model.state.{name}: is of type {dtype}; Core ML keeps states of float16 only")
    holder = StateTensorPlaceholder(given.shape, dtype=types.fp16, name=name)
    state = holder.outputs[0]
    made = next(var for var in function.outputs if var.name == output)
    first = function.operations[0] if function.operations else None
    with function:
        now = mb.read_state(input=state, before_op=first, name=f"{name}_read")
        if dtype == "fp32":
            now = mb.cast(x=now, dtype="fp32", before_op=first, name=f"{name}_read_fp32")
        function.replace_uses_of_var_after_op(anchor_op=None, old_var=given, new_var=now)
        if any_symbolic(made.shape):  # of an input of several lengths; a state has one
            made = mb.reshape(x=made, shape=given.shape, name=f"{output}_sized")
        if made.dtype != types.fp16:
            made = mb.cast(x=made, dtype="fp16", name=f"{output}_fp16")
        mb.coreml_update_state(state=state, value=made, name=f"{output}_written")
    function.placeholder_inputs[name] = holder
    function.inputs[name] = state
    function.set_outputs([var for var in function.outputs if var.name != output])
