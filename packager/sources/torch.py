"""PyTorch models: a factory, a script, an exported program or TorchScript; run it as the reference, export it once."""

from __future__ import annotations

import copy
import dataclasses
import functools
import importlib.util
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from packager.audio_windows import AUDIO
from packager.bundle import AudioContract
from packager.diagnosis import explain
from packager.errors import PackagingError
from packager.factories import call_factory
from packager.frontends.backends import TorchBackend
from packager.model import ModelSource, ModelSpec
from packager.sources import SourceTensor, check_outputs, find_audio_input, part_names
from packager.sources.branches import plain_conditions
from packager.sources.draws import run_undrawn
from packager.sources.export_faults import explain_export
from packager.sources.exporting import export_program
from packager.sources.flat_call import (
    Arguments,
    as_call,
    flatten_outputs,
    give,
    leave,
    make_flat_module,
    name_outputs,
    take_apart,
)
from packager.sources.memory import keep_memory, mark, refuse_memory
from packager.sources.single_precision import settle_types
from packager.sources.torch_files import load_checkpoint, load_module, reload_scripts

_SEED = 20261127


@dataclass(frozen=True)
class TorchSource:
    """A PyTorch model with named tensors in and out.

    Attributes:
        module: Takes the input tensors in order and returns a dictionary of outputs.
        inputs: By name, in the order of the call.
        outputs: By name.
        tensors: Example inputs, in order.
        where: The source, for messages.
        types: What is computed in other types than the model's own, and what that changes, in one sentence.
    """

    module: Any
    inputs: Mapping[str, SourceTensor]
    outputs: Mapping[str, SourceTensor]
    tensors: tuple[Any, ...]
    where: str
    types: str | None = None

    @property
    def examples(self) -> Mapping[str, npt.NDArray[Any]]:
        """The example inputs by name."""
        return {name: tensor.numpy() for name, tensor in zip(self.inputs, self.tensors, strict=True)}

    def run(self, inputs: Mapping[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
        """Run once, eagerly."""
        import torch

        given = (torch.from_numpy(np.array(inputs[name])) for name in self.inputs)  # a model may write into its inputs,
        try:
            with torch.no_grad(), plain_conditions():
                found = self.module(*given)
        except Exception as fault:
            raise PackagingError(
                f"{self.where}: fails on a trial input of the example's sizes: {explain(fault)}; it takes no other "
                "values than the example's, so hold what is computed of them within bounds (clamp)"
            ) from fault
        # and return what it will write into in the next call.
        return {name: np.array(tensor.detach().resolve_neg().numpy()) for name, tensor in found.items()}

    @property
    def backend(self) -> TorchBackend:
        """What a front end is folded in with."""
        return TorchBackend()

    def put_behind(self, name: str, compute: Callable[[Any], Any], example: npt.NDArray[np.float32]) -> TorchSource:
        """The same model, one of its inputs computed from audio by its own graph.

        Args:
            name: The input.
            compute: Samples → what the input takes.
            example: A window of samples.
        """
        import torch

        place, model = list(self.inputs).index(name), self.module

        class Behind(torch.nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.training = False
                self.model = model

            def forward(self, *tensors: Any) -> dict[str, Any]:
                given = [*tensors[:place], compute(tensors[place]), *tensors[place + 1 :]]
                found: dict[str, Any] = self.model(*given)
                return found

        samples = torch.from_numpy(example)
        inputs = {AUDIO if each == name else each: tensor for each, tensor in self.inputs.items()}
        return dataclasses.replace(
            self,
            module=Behind(),
            inputs={**inputs, AUDIO: _describe(samples)},
            tensors=(*self.tensors[:place], samples, *self.tensors[place + 1 :]),
        )

    @functools.cached_property
    def program(self) -> Any:
        """The model as a `torch.export.ExportedProgram` of whole ATen ops, shapes fixed to the example's.

        Raises:
            PackagingError: torch.export cannot follow the model's code.
        """
        import torch

        try:
            # What TorchScript optimised for real values knows no others.
            with torch.jit.optimized_execution(False):  # type: ignore[attr-defined]
                program = export_program(self.module, self.tensors)
        except Exception as fault:
            raise PackagingError(explain_export(fault)) from fault
        self._refuse_other_sizes(program)
        return program

    def _refuse_other_sizes(self, program: Any) -> None:
        """Where sizes depend on the data, the fixed ones must be the example's."""
        for node, (name, tensor) in zip(program.graph.output_node().args[0], self.outputs.items(), strict=False):
            value = node.meta.get("val") if hasattr(node, "meta") else None
            sizes = getattr(value, "shape", tensor.shape)
            if all(isinstance(size, int) for size in sizes) and tuple(sizes) != tensor.shape:
                raise PackagingError(
                    f"{self.where}: output {name} has the shape {list(tensor.shape)} for the example inputs, and "
                    f"{list(sizes)} where no size depends on the data: let the longest clip of the example fill its "
                    "frames, or say total_length where sequences are padded"
                )


def load(source: ModelSource, audio: AudioContract | None) -> TorchSource:
    """Load a model and run it once on its example inputs.

    Raises:
        PackagingError: It cannot be loaded, is not what the recipe says, or fails on its example inputs.
    """
    if importlib.util.find_spec("torch") is None:
        raise PackagingError('PyTorch is not installed; install "testpress[torch]"')
    import torch

    torch.manual_seed(_SEED)
    where = f"{source.path.name}:{source.factory}" if source.factory else str(source.path)
    model, example, types = _load_model(source, audio, where)
    arguments = take_apart(getattr(model, "forward", model), example, where=where)
    arguments = _rename(_resize(arguments, source.spec), source.spec, audio, where)
    tensors = tuple(give(tensor.detach().clone()) for tensor in arguments.tensors)
    held = mark(model)
    with torch.no_grad(), plain_conditions():
        outputs = list(flatten_outputs(_call(model, arguments, where)))
    paths, first = [path for path, _ in outputs], [leave(tensor).clone() for _, tensor in outputs]
    writes = not all(map(_same, tensors, arguments.tensors))
    named = [*source.spec.outputs, *(name for name in source.spec.state.values() if name not in source.spec.outputs)]
    names = name_outputs(paths, named if source.spec.outputs else (), where=where)
    names = part_names(names, arguments.names)
    module = make_flat_module(model, arguments, names, copies=writes)
    with torch.no_grad(), plain_conditions():
        found = run_undrawn(lambda: module(*tensors), where)
    refuse_memory(held, mark(model), first, found, where)
    check_outputs(source.spec, {name: tuple(tensor.shape) for name, tensor in found.items()}, where=where)
    return TorchSource(
        module=module,
        inputs={name: _describe(tensor) for name, tensor in zip(arguments.names, tensors, strict=True)},
        outputs={name: _describe(tensor) for name, tensor in found.items()},
        tensors=tensors,
        where=where,
        types=types,
    )


def _load_model(source: ModelSource, audio: AudioContract | None, where: str) -> tuple[Any, Any, str | None]:
    """The model in evaluation mode, computing in float32, an example of its inputs, and what its types were."""
    import torch
    from torch.utils import _pytree

    spec, example, types = source.spec, None, None
    if source.factory is not None:
        weights = () if source.weights is None else (load_checkpoint(source.weights, trust=spec.trust),)
        made = call_factory(source.path, source.factory, *weights)
        if isinstance(made, tuple) and len(made) == 2 and callable(made[0]):
            model, example = made
        else:
            model = made
        if isinstance(model, torch.nn.Module):
            model = reload_scripts(model)
    else:
        model = load_module(source.path, trust=spec.trust)
    if isinstance(model, torch.export.ExportedProgram):
        args, kwargs = model.example_inputs or ((), {})
        model, example = model.module(), example if example is not None else (tuple(args), dict(kwargs))
    elif isinstance(model, torch.nn.Module):
        model.eval()
        for parameter in model.parameters():
            parameter.requires_grad_(False)
        if not isinstance(model, torch.jit.ScriptModule):
            example = _make_example(spec, audio, source.path) if example is None else example
            given, example = example, _pytree.tree_map(_to_single, example)
            if type(model).__module__.startswith("torch.ao.nn"):
                model = torch.nn.Sequential(model)
            types = settle_types(model, functools.partial(_run_example, model, given, example), where)
    else:
        raise PackagingError(
            f"{source.path}: {source.factory} returned a {type(model).__name__}; a factory returns a torch.nn.Module, "
            "or (module, example_inputs)"
        )
    return model, _make_example(spec, audio, source.path) if example is None else example, types


def _run_example(model: Any, given: Any, example: Any, single: bool) -> list[Any]:
    """All outputs of a call that leaves no trace."""
    args, kwargs = as_call(copy.deepcopy(example if single else given), "")
    with plain_conditions(), keep_memory(model):
        return [tensor.detach().clone() for _, tensor in flatten_outputs(model(*args, **kwargs))]


def _to_single(value: Any) -> Any:
    """Tensors of other real numbers as float32, in which phones compute."""
    import torch

    return value.float() if isinstance(value, torch.Tensor) and value.is_floating_point() else value


def _make_example(spec: ModelSpec, audio: AudioContract | None, path: Path) -> tuple[Any, ...]:
    """Inputs for a model that comes without any: the recipe's shapes, else one window of audio."""
    import torch

    shapes: Sequence[tuple[int, ...] | None] = [one.shape for one in spec.inputs.values()]
    if not shapes and audio is not None:
        shapes = [(1, audio.window_samples) if audio.channels == 1 else (1, audio.channels, audio.window_samples)]
    if not shapes or any(shape is None for shape in shapes):
        raise PackagingError(
            f"{path}: comes without example inputs, so their shapes are not known; say them in the recipe, in the "
            "order of the call: model.inputs.NAME.shape = [1, 16000]"
        )
    return tuple(torch.randn(shape) for shape in shapes if shape is not None)


def _resize(arguments: Arguments, spec: ModelSpec) -> Arguments:
    """The example with the shapes that the recipe asks for."""
    import torch

    wanted = {name: one.shape for name, one in spec.inputs.items() if one.shape is not None}
    changed = {
        id(tensor): torch.randn(wanted[name]).to(tensor.dtype)
        for name, tensor in zip(arguments.names, arguments.tensors, strict=True)
        if name in wanted and tuple(tensor.shape) != wanted[name]
    }
    return dataclasses.replace(
        arguments,
        tensors=tuple(changed.get(id(tensor), tensor) for tensor in arguments.tensors),
        leaves=tuple(changed.get(id(leaf), leaf) for leaf in arguments.leaves),
    )


def _rename(arguments: Arguments, spec: ModelSpec, audio: AudioContract | None, where: str) -> Arguments:
    """The inputs' names: `audio` for the one that takes samples."""
    shapes = {name: tuple(tensor.shape) for name, tensor in zip(arguments.names, arguments.tensors, strict=True)}
    unknown = sorted(set(spec.inputs) - set(shapes) - {AUDIO})
    if unknown and len(spec.inputs) != len(shapes):
        raise PackagingError(
            f"model.inputs: {', '.join(unknown)}: no input of {where}, which takes {', '.join(shapes)}"
        )
    names = list(spec.inputs) if unknown else list(arguments.names)  # shapes said without names the model knows
    shapes = dict(zip(names, shapes.values(), strict=True))
    heard = find_audio_input(shapes, spec, audio, where=where)
    taken = {name for name in spec.outputs if name not in spec.inputs and name not in spec.state}
    free = [f"{name}_in" if name in taken else name for name in names]  # the recipe's word is the output's
    others = part_names(free, () if heard in (None, AUDIO) else (AUDIO,))
    named = (AUDIO if name == heard else other for name, other in zip(names, others, strict=True))
    return dataclasses.replace(arguments, names=tuple(named))


def _call(model: Any, arguments: Arguments, where: str) -> Any:
    from torch.utils import _pytree

    args, kwargs = _pytree.tree_unflatten(list(arguments.leaves), arguments.structure)
    try:
        return model(*args, **kwargs)
    except Exception as fault:
        raise PackagingError(f"{where}: fails on its example inputs: {explain(fault)}") from fault


def _same(before: Any, after: Any) -> bool:
    """Whether a tensor is as it was when it crossed the border; NaN is as it was."""
    import torch

    return torch.allclose(before, leave(after), rtol=0, atol=0, equal_nan=before.is_floating_point())


def _describe(tensor: Any) -> SourceTensor:
    return SourceTensor(tuple(tensor.shape), str(tensor.dtype).removeprefix("torch."))
