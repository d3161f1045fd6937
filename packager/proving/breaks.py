"""Why a bundle departs from its PyTorch source, where it is not the precision: the op of the source, the user's line.

The source itself may hang on rounding, as the phase of what is nearly 0 and a comparison with a threshold do: then it
departs from its own computation in float64 as well, and no bundle can follow it. Or what an op gives is nowhere in a
float32 bundle although what it takes is there: then the converter is to blame.

Values are found in a bundle by their number, sum, sum of squares, least and greatest, whatever their layout is.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from packager.diagnosis import find_place_of_node
from packager.snr import bounded_db

if TYPE_CHECKING:
    from torch.fx import Node

    from packager.sources.torch import TorchSource

Tensors = Mapping[str, npt.NDArray[Any]]
Watch = Callable[[Tensors, Callable[[npt.NDArray[Any]], None]], None]
"""runs a bundle on a call and shows every op's values"""

_CALLS = 2
"""of the first ones; each runs the whole model twice"""
_EQUAL_DB = 150.0
"""what equal values count as: about the precision of float32"""
_ALIKE = 1e-4
"""relative departure of sums at which values still count as the same: 80 dB"""


def find_hanging(source: TorchSource, calls: Sequence[Tensors], tolerance_db: float) -> str | None:
    """The first op whose float32 values depart from float64's by more than a bundle may, in words.

    Args:
        source: The model, exported.
        calls: Inputs by name.
        tolerance_db: What is promised of the bundle.

    Returns:
        None where the source does not hang on rounding, or cannot be computed in float64.
    """
    # What is suppressed: ops that know float32 alone, or that write into what they were given.
    with contextlib.suppress(Exception):
        return _find_hanging(source, calls[:_CALLS], tolerance_db)
    return None


def find_missing(source: TorchSource, call: Tensors, watch: Watch) -> str | None:
    """The first op whose values are not in a float32 bundle although those that it takes are, in words.

    Args:
        source: The model, exported.
        call: Inputs by name.
        watch: Runs the bundle.

    Returns:
        None where there is none that leads to an output, or the source's ops cannot be run one by one.
    """
    with contextlib.suppress(Exception):
        return _find_missing(source, call, watch)
    return None


def _find_hanging(source: TorchSource, calls: Iterable[Tensors], tolerance_db: float) -> str | None:
    import torch

    single, double = _Graph(source, torch.float32), _Graph(source, torch.float64)
    for call in calls:
        pairs = zip(single.run(call), double.run(call), strict=True)
        ratios = {node: _snr_db(exact, near) for (node, near), (_, exact) in pairs}
        departed = {node for node, ratio in ratios.items() if ratio < tolerance_db}
        node = _find_first(single.outputs, departed, ratios)
        if node is not None:
            before = min((ratios[one] for one in node.all_input_nodes if one in ratios), default=_EQUAL_DB)
            return (
                f"{_name(node)}: the source itself hangs on rounding there: computed in float64 it gives "
                f"{ratios[node]:.0f} dB of what it gives in float32, from values that agree to {before:.0f} dB"
            )
    return None


def _find_missing(source: TorchSource, call: Tensors, watch: Watch) -> str | None:
    import torch

    there: list[_Digest] = []
    watch(call, lambda values: there.append(_digest(values)))
    graph = _Graph(source, torch.float32)
    missing: dict[Node, bool] = {}
    for node, value in graph.run(call):
        own = [_digest(one) for one in _arrays(value) if one.dtype.kind == "f"]
        missing[node] = bool(own) and not any(_alike(one, other) for one in own for other in there)
    first = _find_first(graph.outputs, {node for node, is_missing in missing.items() if is_missing}, missing)
    return None if first is None else f"{_name(first)}: what it takes is in the bundle, what it gives is not"


def _find_first(outputs: Iterable[Node], departed: set[Node], order: Iterable[Node]) -> Node | None:
    """The first op in order that departed, takes nothing that did, and reaches an output through others that did."""
    waiting, leading = [node for node in outputs if node in departed], set[Any]()
    while waiting:
        node = waiting.pop()
        if node not in leading:
            leading.add(node)
            waiting += [one for one in node.all_input_nodes if one in departed]
    return next((node for node in order if node in leading and departed.isdisjoint(node.all_input_nodes)), None)


class _Graph:
    """An exported program's graph, run op by op in one type of real numbers."""

    def __init__(self, source: TorchSource, dtype: Any) -> None:
        self._program, self._names, self._dtype = source.program, tuple(source.inputs), dtype
        (last,) = (node for node in self._program.graph.nodes if node.op == "output")
        self.outputs: list[Node] = list(last.all_input_nodes)

    def run(self, call: Tensors) -> Iterator[tuple[Node, Any]]:
        """Each op's node and value, in order."""
        import torch
        from torch.fx.node import map_arg

        with torch.no_grad():
            values: dict[Node, Any] = self._given(call)
            for node in self._program.graph.nodes:
                if node.op == "get_attr":
                    values[node] = getattr(self._program.graph_module, str(node.target))
                if node.op != "call_function":
                    continue
                arguments = map_arg((node.args, node.kwargs), values.__getitem__)
                args, kwargs = torch.utils._pytree.tree_map(self._cast, arguments)
                values[node] = node.target(*args, **kwargs)
                yield node, values[node]

    def _given(self, call: Tensors) -> dict[Node, Any]:
        """Inputs, weights and constants, by placeholder."""
        import torch

        program = self._program
        inputs = iter([torch.from_numpy(np.array(call[name])) for name in self._names])
        placeholders = {node.name: node for node in program.graph.nodes if node.op == "placeholder"}
        found = {}
        for spec in program.graph_signature.input_specs:
            held = program.state_dict.get(spec.target, program.constants.get(spec.target)) if spec.target else None
            value = next(inputs) if spec.target is None else held
            found[placeholders[spec.arg.name]] = self._cast(value.clone() if isinstance(value, torch.Tensor) else value)
        return found

    def _cast(self, value: Any) -> Any:
        """Real numbers, and the word for their type, as this run has them."""
        import torch

        if value is torch.float32:
            return self._dtype
        if isinstance(value, torch.Tensor) and value.dtype == torch.float32:
            return value.to(self._dtype)
        return value


def _name(node: Node) -> str:
    place = find_place_of_node(node)
    return f"{node.target}" if place is None else f"{node.target} ({place})"


def _arrays(value: Any) -> list[npt.NDArray[Any]]:
    """The numbers of a value, of which lists of tensors have several; complex ones as pairs."""
    import torch

    found = [one for one in torch.utils._pytree.tree_leaves(value) if isinstance(one, torch.Tensor)]
    found = [torch.view_as_real(one.resolve_conj()) if one.is_complex() else one for one in found]
    return [one.detach().resolve_neg().numpy() for one in found]


def _snr_db(exact: Any, near: Any) -> float:
    ratios = [_EQUAL_DB]
    for one, other in zip(_arrays(exact), _arrays(near), strict=True):
        same = one.shape == other.shape
        error = float(np.sum((one.astype(np.float64) - other.astype(np.float64)) ** 2)) if same else np.inf
        ratios.append(bounded_db(float(np.sum(one.astype(np.float64) ** 2)), error, _EQUAL_DB))
    return min(ratios)


@dataclass(frozen=True)
class _Digest:
    """What stays of values when their layout changes."""

    size: int
    total: float
    power: float
    low: float
    high: float


def _digest(values: npt.NDArray[Any]) -> _Digest:
    wide = np.asarray(values, np.float64)
    if not wide.size:
        return _Digest(0, 0.0, 0.0, 0.0, 0.0)
    return _Digest(wide.size, float(wide.sum()), float(np.sum(wide**2)), float(wide.min()), float(wide.max()))


def _alike(one: _Digest, other: _Digest) -> bool:
    if one.size != other.size:
        return False
    root = max(one.power, other.power) ** 0.5
    far = max(abs(one.total - other.total) * one.size**-0.5, abs(one.low - other.low), abs(one.high - other.high))
    return bool(far <= _ALIKE * root and abs(one.power - other.power) <= _ALIKE * root**2)
