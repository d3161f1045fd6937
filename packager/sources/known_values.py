"""Export with what is known computed: padding and lengths that a model keeps in tensors become numbers.

Some models (EnCodec) hold strides in buffers and compute their padding with tensors. Nothing of it depends on the
audio, only on its length, which is fixed; but torch.export traces with tensors that have no values, and stops where one
decides how much is padded, or where attention asks whether a mask made in `forward` is the causal one. Here small
integer buffers keep their values, and what is computed of known tensors alone is computed, not traced.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

_SMALL = 16
"""elements of a buffer that may be a setting and no weight"""


def export_known(module: Any, tensors: tuple[Any, ...]) -> Any:
    """As `torch.export.export(module, tensors, strict=False)`, with known values computed.

    Args:
        module: Called with the tensors; it is the same after as before.
        tensors: Example inputs.
    """
    import torch

    with _settings_as_attributes(module), torch.no_grad(), _compute_known():
        return torch.export.export(module, tensors, strict=False)


@contextlib.contextmanager
def _settings_as_attributes(module: Any) -> Iterator[None]:
    """Small integer buffers as plain attributes: torch.export takes away the values of what is registered."""
    moved = [
        (owner, name, buffer)
        for owner in module.modules()
        for name, buffer in owner._buffers.items()
        if buffer is not None and buffer.numel() <= _SMALL and not (buffer.is_floating_point() or buffer.is_complex())
    ]
    for owner, name, buffer in moved:
        del owner._buffers[name]
        owner.__dict__[name] = buffer
    try:
        yield
    finally:
        for owner, name, buffer in moved:
            del owner.__dict__[name]
            owner._buffers[name] = buffer


def is_known(tensor: Any) -> bool:
    """Whether a tensor has values while a module is exported."""
    import torch
    from torch._subclasses.fake_tensor import FakeTensor

    plain = type(tensor) in (torch.Tensor, torch.nn.Parameter)
    return plain and not isinstance(tensor, FakeTensor) and not torch._is_functional_tensor(tensor)


def _compute_known() -> Any:
    import torch
    from torch.overrides import TorchFunctionMode
    from torch.utils._python_dispatch import _disable_current_modes
    from torch.utils._pytree import tree_leaves

    makers = {
        *(torch.tensor, torch.as_tensor, torch.arange, torch.linspace, torch.eye),
        *(torch.full, torch.ones, torch.zeros, torch.tril_indices, torch.triu_indices),
    }

    class KnownValues(TorchFunctionMode):
        """Runs a function outside of the trace where all its tensors have values."""

        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            kwargs = kwargs or {}
            tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
            if (tensors or func in makers) and all(is_known(tensor) for tensor in tensors):
                with _disable_current_modes():
                    return func(*args, **kwargs)
            return func(*args, **kwargs)

    return KnownValues()
