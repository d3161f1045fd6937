"""A PyTorch model as both converters can take it: named tensors in, named tensors out.

Models take nested arguments, numbers and keywords, and return tensors, tuples, dictionaries or classes of their own.
Here the tensors among them get names, and everything else stays as the example had it.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from packager.errors import PackagingError

_UNSAFE = re.compile(r"[^A-Za-z0-9_]+")


@dataclasses.dataclass(frozen=True)
class Arguments:
    """An example call, taken apart.

    Attributes:
        names: Of its tensors, in order.
        tensors: The tensors.
        leaves: Everything in it, tensors too.
        structure: How the leaves were put together, as `torch.utils._pytree` says it.
    """

    names: tuple[str, ...]
    tensors: tuple[Any, ...]
    leaves: tuple[Any, ...]
    structure: Any


def take_apart(forward: Any, example: Any, *, where: str) -> Arguments:
    """Name the tensors of an example call after the parameters they are given for.

    Args:
        forward: The model's `forward`, for the names of its parameters.
        example: A tensor, a sequence of positional arguments, or a mapping of keyword arguments.
        where: The source, for messages.

    Raises:
        PackagingError: `forward` does not take such arguments, or there is no tensor among them.
    """
    from torch.utils import _pytree

    args, kwargs = as_call(example, where)
    named = _parameters(forward, args, kwargs, where)
    leaves, structure = _pytree.tree_flatten((args, kwargs))
    names: list[str] = []
    for name, value in named:
        count = len(_tensors(_pytree.tree_leaves(value)))
        for index in range(count):
            names.append(_distinct(name if count == 1 else f"{name}_{index}", names))
    if not names:
        raise PackagingError(f"{where}: the example inputs hold no tensor; found {type(example).__name__}")
    return Arguments(tuple(names), tuple(_tensors(leaves)), tuple(leaves), structure)


def _tensors(leaves: Sequence[Any]) -> list[Any]:
    import torch

    return [leaf for leaf in leaves if isinstance(leaf, torch.Tensor)]


def as_call(example: Any, where: str) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """An example of inputs as positional and keyword arguments.

    Raises:
        PackagingError: It is of no known form.
    """
    import torch

    if isinstance(example, torch.Tensor):
        return (example,), {}
    if isinstance(example, Mapping):
        return (), dict(example)
    if isinstance(example, Sequence) and not isinstance(example, str):
        if len(example) == 2 and isinstance(example[0], tuple) and isinstance(example[1], dict):
            return tuple(example[0]), dict(example[1])
        return tuple(example), {}
    raise PackagingError(
        f"{where}: the example inputs are of type {type(example).__name__}; give a tuple of tensors, "
        "or a dictionary of keyword arguments"
    )


def _parameters(forward: Any, args: tuple[Any, ...], kwargs: dict[str, Any], where: str) -> list[tuple[str, Any]]:
    """Parameter names and their values, in the order in which `(args, kwargs)` holds them."""
    schema = getattr(forward, "schema", None)
    if schema is not None:  # TorchScript's methods have no signature
        return [*zip((one.name for one in schema.arguments[1:]), args, strict=False), *kwargs.items()]
    try:
        bound = inspect.signature(forward).bind(*args, **kwargs)
    except TypeError as fault:
        raise PackagingError(f"{where}: the model cannot be called with its example inputs: {fault}") from None
    named: list[tuple[str, Any]] = []
    for name, value in bound.arguments.items():
        kind = bound.signature.parameters[name].kind
        if kind is inspect.Parameter.VAR_POSITIONAL:
            named += [(f"{name}_{index}", one) for index, one in enumerate(value)]
        elif name not in kwargs and kind is not inspect.Parameter.VAR_KEYWORD:
            named.append((name, value))
    return named + list(kwargs.items())


def _distinct(name: str, taken: Sequence[str]) -> str:
    safe = _UNSAFE.sub("_", name).strip("_") or "input"
    return safe if safe not in taken else _distinct(f"{safe}_{len(taken)}", taken)


def flatten_outputs(value: Any) -> Iterator[tuple[str, Any]]:
    """All tensors of a model's result with their paths: `""` for a lone one, keys and positions joined by `_`.

    None, numbers and text among them are left out.
    """
    import torch

    if isinstance(value, torch.Tensor):
        yield "", value
        return
    if isinstance(value, Mapping):
        items: Any = value.items()
    elif isinstance(value, tuple | list):
        fields = getattr(value, "_fields", None) or range(len(value))
        items = zip(fields, value, strict=True)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        items = ((field.name, getattr(value, field.name)) for field in dataclasses.fields(value))
    else:
        return
    for key, inner in items:
        for path, tensor in flatten_outputs(inner):
            yield _UNSAFE.sub("_", f"{key}_{path}" if path else str(key)), tensor


def name_outputs(paths: Sequence[str], wanted: Sequence[str], *, where: str) -> tuple[str, ...]:
    """Names for a model's outputs.

    Args:
        paths: As `flatten_outputs` gives them.
        wanted: The names in the recipe, in its order.
        where: The source, for messages.

    Returns:
        The model's own names where it has any (a dictionary's keys). A tuple has none: it is named by the recipe, in
        the recipe's order, or `output_0`, `output_1` … where the recipe says nothing; a lone tensor is `output`.

    Raises:
        PackagingError: The recipe names another number of outputs than a tuple has.
    """
    if not paths:
        raise PackagingError(f"{where}: the model returns no tensor")
    if not all(path == "" or path.replace("_", "").isdigit() for path in paths):
        return tuple(path if path[:1].isalpha() else f"output_{path.strip('_')}" for path in paths)
    if not wanted:
        return ("output",) if list(paths) == [""] else tuple(f"output_{path}" for path in paths)
    if len(wanted) != len(paths):
        raise PackagingError(
            f"model.outputs: names {len(wanted)} outputs ({', '.join(wanted)}), and {where} returns {len(paths)} "
            "tensors without names; name all of them, in the order of the model's tuple"
        )
    return tuple(wanted)


def make_flat_module(model: Any, arguments: Arguments, names: Sequence[str], *, copies: bool = False) -> Any:
    """A module that takes the tensors of `arguments` one by one and returns a dictionary by `names`.

    Across this border go float32 and int32 alone, and complex tensors as pairs of real numbers in a last dimension: no
    phone's formats have another form that both know. A number without dimensions is given as one of shape (1,), since
    Core ML takes no other. Inside, the model gets the types and shapes of `arguments`.

    Args:
        model: What is called.
        arguments: An example call.
        names: Of the outputs, in the order of `flatten_outputs`.
        copies: Whether the model gets copies of its inputs, because it writes into them.
    """
    import torch
    from torch.utils import _pytree

    # torch.export refuses TorchScript's weights, which are no nn.Parameter. As tensors from elsewhere it takes them,
    # and records the ops that TorchScript's interpreter calls, loops unrolled and branches taken.
    hidden = isinstance(model, torch.jit.ScriptModule)

    class FlatModule(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.training = False
            self.model = [model] if hidden else model

        def forward(self, *tensors: Any) -> dict[str, Any]:
            given = iter(tensor.clone() if copies else tensor for tensor in tensors)
            leaves = [
                _enter(next(given), leaf) if isinstance(leaf, torch.Tensor) else leaf for leaf in arguments.leaves
            ]
            args, kwargs = _pytree.tree_unflatten(leaves, arguments.structure)
            called: Any = self.model[0] if hidden else self.model
            found = [tensor for _, tensor in flatten_outputs(called(*args, **kwargs))]
            return {name: leave(tensor) for name, tensor in zip(names, found, strict=True)}

    return FlatModule()


def _enter(tensor: Any, example: Any) -> Any:
    import torch

    whole = torch.view_as_complex(tensor) if example.is_complex() else tensor
    return (whole if example.ndim else whole.reshape(())).to(example.dtype)


def give(tensor: Any) -> Any:
    """An input in the form in which it crosses the border."""
    return leave(tensor if tensor.ndim else tensor.reshape(1)).contiguous()


def leave(tensor: Any) -> Any:
    """A tensor in the form in which it crosses the border."""
    import torch

    real = torch.view_as_real(tensor.resolve_conj()) if tensor.is_complex() else tensor
    return real.to(torch.float32 if real.is_floating_point() else torch.int32)
