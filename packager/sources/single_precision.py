"""PyTorch models that compute in other types than float32, computed in float32 as phones are given them.

`model.float()` changes the weights; a `forward` that casts (`.to(torch.bfloat16)`, `.double()`, `torch.autocast`) then
meets weights of another type, or computes in a type that one format or both have not. Here such casts follow, and what
that changes is measured beside the model as it was.
"""

from __future__ import annotations

import contextlib
import functools
import math
from collections.abc import Callable, Iterator
from typing import Any

from packager.snr import snr_db
from packager.sources.quantized_modules import call_on_floats, hold_floats


def settle_types(model: Any, call: Callable[[bool], list[Any]], where: str) -> str | None:
    """Let a module compute in float32, in place.

    Args:
        model: Its weights, and what it computes, may be of any types; layers that torch quantised become floats.
        call: Runs the module on its example inputs; False for inputs as they were given, True for them in float32.
            Gives all output tensors.
        where: The source, for messages.

    Returns:
        What was changed, and by how much outputs change with it, in one sentence; None where all is float32.
    """
    import torch

    held = {tensor.dtype for tensor in (*model.parameters(), *model.buffers())}
    own, met = _try(call)
    others = {one for one in (*held, *met) if _is_other(one)}
    quantized = hold_floats(model, where)
    model.float()
    if not others and not quantized:
        return None
    model.forward = _following(model.forward)
    names = [*sorted(str(one).removeprefix("torch.") for one in others), *(["quantised layers"] if quantized else [])]
    said = f"computed in float32 where the model has {', '.join(names)}"
    if own is None:
        return f"{said}; the model as it is could not be run beside it"
    try:
        with torch.no_grad():
            new = call(True)
    except Exception:  # noqa: BLE001  the model is run again, and its fault told, by who loads it
        return said
    return f"{said}; {_compare(own, new)}"


def _try(call: Callable[[bool], list[Any]]) -> tuple[list[Any] | None, set[Any]]:
    """Outputs of the model as it is, None where it fails, and the types of tensors that were computed."""
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils._pytree import tree_leaves

    met: set[Any] = set()

    mode: Any = TorchDispatchMode

    class Watch(mode):  # type: ignore[misc]
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            del types
            result = func(*args, **(kwargs or {}))
            met.update(leaf.dtype for leaf in tree_leaves(result) if isinstance(leaf, torch.Tensor))
            return result

    try:
        with torch.no_grad(), Watch():
            return call(False), met
    except Exception:  # noqa: BLE001  the model is run again, and its fault told, by who loads it
        return None, met


def _is_other(dtype: Any) -> bool:
    return (dtype.is_floating_point or dtype.is_complex) and dtype in _counterparts()


def _counterparts() -> dict[Any, Any]:
    import torch

    wide = {torch.float16, torch.bfloat16, torch.float64}
    return {**dict.fromkeys(wide, torch.float32), torch.complex128: torch.complex64, torch.complex32: torch.complex64}


def _compare(own: list[Any], new: list[Any]) -> str:
    if [one.shape for one in own] != [one.shape for one in new]:
        return "its outputs have other sizes then"
    ratios = []
    for a, b in zip(own, new, strict=True):
        exact, found = (_as_real(one) for one in (a, b))
        ratios.append(snr_db(float((exact**2).sum()), float(((exact - found) ** 2).sum())))
    if None in ratios:
        return "on the example inputs its own outputs are 0 throughout, or no numbers, and then they are others"
    worst = min((ratio for ratio in ratios if ratio is not None), default=math.inf)
    if worst == -math.inf:
        return "on the example inputs its outputs are no numbers then"
    return "its outputs are the same" if worst == math.inf else f"its outputs change by that: {worst:.1f} dB SNR"


def _as_real(tensor: Any) -> Any:
    import torch

    return (torch.view_as_real(tensor.resolve_conj()) if tensor.is_complex() else tensor).double()


def _following(forward: Any) -> Any:
    import torch
    from torch.overrides import TorchFunctionMode
    from torch.utils._pytree import tree_map

    counterparts, on_floats = _counterparts(), call_on_floats()
    casts = {torch.Tensor.half, torch.Tensor.bfloat16, torch.Tensor.double}

    def single(value: Any) -> Any:
        return counterparts.get(value, value) if isinstance(value, torch.dtype) else value

    def narrow(value: Any) -> Any:
        other = isinstance(value, torch.Tensor) and value.dtype in counterparts
        return value.to(counterparts[value.dtype]) if other else value

    class Single(TorchFunctionMode):
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            del types
            func = torch.Tensor.float if func in casts else on_floats.get(func, func)
            args, kwargs = tree_map(single, (args, kwargs or {}))
            result = func(*args, **kwargs)
            return tree_map(narrow, result) if isinstance(result, torch.Tensor | tuple | list) else result

    @functools.wraps(forward)
    def follow(*args: Any, **kwargs: Any) -> Any:
        with _without_autocast(), Single():
            return forward(*args, **kwargs)

    return follow


@contextlib.contextmanager
def _without_autocast() -> Iterator[None]:
    """While inside, regions of `torch.autocast` are no regions."""
    import torch

    cast: Any = torch.autocast
    own = cast.__enter__, cast.__exit__
    cast.__enter__, cast.__exit__ = (lambda self: self), (lambda *_: False)
    try:
        yield
    finally:
        cast.__enter__, cast.__exit__ = own
