"""Models that remember: tensors and numbers of the module that `forward` writes, and that its next outputs depend on.

Neither format keeps what a module holds from call to call, so such a model is another one in every bundle.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from packager.errors import PackagingError

Marks = Mapping[str, tuple[Any, ...]]


def mark(model: Any) -> Marks:
    """What a module holds by its name there: numbers, and where tensors lie and how often they were written."""
    return {name: tuple(state) for name, state in _states(model)}


def _states(model: Any) -> Iterator[tuple[str, list[Any]]]:
    import torch
    from torch.utils._pytree import tree_leaves

    if not isinstance(model, torch.nn.Module):
        return
    for path, module in model.named_modules():
        prefix = f"{path}." if path else ""
        held = {name: value for name, value in vars(module).items() if not name.startswith("_")}
        for name, value in (*held.items(), *module.named_buffers(recurse=False)):
            leaves = tree_leaves(value)
            tensors = [leaf for leaf in leaves if isinstance(leaf, torch.Tensor)]
            numbers = [leaf for leaf in leaves if isinstance(leaf, int | float | str)]
            # Sparse tensors lie at no one place, and tensors of inference mode count no writes.
            dense = [one for one in tensors if one.layout is torch.strided]
            counts = [0 if one.is_inference() else one._version for one in dense]
            yield prefix + name, [*numbers, *counts, *(one.data_ptr() for one in dense)]


@contextlib.contextmanager
def keep_memory(model: Any) -> Iterator[None]:
    """Put back what a module holds, whatever is called in between: attributes, and what is in its buffers and lists."""
    import torch

    modules = list(model.modules()) if isinstance(model, torch.nn.Module) else []
    kept = [(module, dict(vars(module)), dict(module._buffers)) for module in modules]
    inside = [
        (value, copy.copy(value)) for _, held, _ in kept for value in held.values() if type(value) in (list, dict)
    ]
    tensors = [one for _, held, buffers in kept for one in (*held.values(), *buffers.values())]
    before = [
        (one, one.detach().clone()) for one in tensors if isinstance(one, torch.Tensor) and not one.is_inference()
    ]
    try:
        yield
    finally:
        for module, held, buffers in kept:
            vars(module).clear()
            vars(module).update(held)
            module._buffers.clear()
            module._buffers.update(buffers)
        for value, content in inside:
            value.clear()
            value.extend(content) if isinstance(value, list) else value.update(content)
        with torch.no_grad():
            for one, values in before:
                one.detach().copy_(values)


def refuse_memory(before: Marks, after: Marks, first: Sequence[Any], second: Mapping[str, Any], where: str) -> None:
    """Refuse a model that wrote what it holds, and gave something else the second time.

    Args:
        before: `mark`s of the model before it was called the first time.
        after: After it was called the second time with the same inputs.
        first: The first call's outputs.
        second: The second call's, by name in the same order.
        where: The source, for messages.

    Raises:
        PackagingError: Names what was written, and the outputs.
    """
    import torch

    written = [name for name in after if after[name] != before.get(name)]
    pairs = zip(second.items(), first, strict=True)
    changed = [name for (name, new), old in pairs if not torch.allclose(new, old, rtol=0, atol=0, equal_nan=True)]
    if written and changed:
        raise PackagingError(
            f"{where}: forward writes {', '.join(written)}, which the module keeps from call to call, and gives "
            f"another {', '.join(changed)} when a call is repeated: take as inputs what is kept, return what it "
            "becomes, and bind them in [model.state]"
        )
