"""Models that draw random numbers in `forward`: no bundle can be held against them, and no app could repeat a call.

What is asked is whether the outputs depend on what is drawn: noise that is multiplied by 0 does no harm.
"""

from __future__ import annotations

import re
import traceback
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from packager.diagnosis import find_place
from packager.errors import PackagingError

_RANDOM_TENSORFLOW = re.compile(r"Random|Multinomial|TruncatedNormal|StandardNormal|StatefulUniform|NonDeterministic")
"""in the types of TensorFlow's ops. Source: random_ops, stateful_random_ops and stateless_random_ops of 2.21"""


def run_undrawn(call: Callable[[], Mapping[str, Any]], where: str) -> Mapping[str, Any]:
    """A PyTorch model's outputs.

    Args:
        call: Runs the model.
        where: The source, for messages.

    Raises:
        PackagingError: The outputs depend on random numbers; names the op and the user's line.
    """
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode

    class Watch(TorchDispatchMode):  # type: ignore[no-untyped-call]
        """Notes the ops that draw, and draws as often as it is told, so that what is drawn is another."""

        def __init__(self, times: int) -> None:
            super().__init__()  # type: ignore[no-untyped-call]
            self.times = times
            self.drawn: list[tuple[Any, traceback.StackSummary]] = []

        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            del types
            result = func(*args, **(kwargs or {}))
            if torch.Tag.nondeterministic_seeded in func.tags:
                self.drawn.append((func, traceback.extract_stack()))
                for _ in range(self.times - 1):
                    result = func(*args, **(kwargs or {}))
            return result

    with Watch(1) as watch:
        found = call()
    if not watch.drawn:
        return found
    kept = {name: tensor.clone() for name, tensor in found.items()}
    with Watch(2):
        again = call()
    if any(not torch.equal(torch.nan_to_num(kept[name]), torch.nan_to_num(again[name])) for name in kept):
        op, stack = watch.drawn[0]
        dropout = any("dropout" in frame.name for frame in stack)
        raise PackagingError(_refusal(where, str(op), find_place(stack), dropout=dropout))
    return kept


def refuse_tensorflow_draws(function: Any, examples: Mapping[str, Any], where: str) -> None:
    """Refuse a concrete function whose outputs depend on random numbers.

    Args:
        function: Takes tensors in order, returns a dictionary.
        examples: Values for its inputs by name, as far as there are any.
        where: The source, for messages.

    Raises:
        PackagingError: Names the op and, where it is known, the user's line.
    """
    drawing = next(_random_ops(function.graph), None)
    if drawing is None:
        return
    name, kind, place = drawing
    random = np.random.default_rng(0)
    given = []
    for tensor in function.inputs[: len(function.structured_input_signature[0])]:
        value = examples.get(tensor.name.partition(":")[0])
        if value is None:
            size = tensor.shape.as_list()
            value = random.normal(size=size) if tensor.dtype.is_floating else np.zeros(size)
        given.append(_constant(value, tensor.dtype))
    first, second = (function(*given) for _ in range(2))
    if any(not np.array_equal(first[name].numpy(), second[name].numpy()) for name in first):
        raise PackagingError(_refusal(where, f"{kind} {name}", place, dropout="dropout" in name))


def _constant(value: Any, dtype: Any) -> Any:
    import tensorflow as tf

    return tf.cast(tf.constant(value), dtype)


def _random_ops(graph: Any) -> Iterator[tuple[str, str, str | None]]:
    """Name, type and place of the ops that draw; the place is not known inside functions."""
    for op in graph.get_operations():
        if _RANDOM_TENSORFLOW.search(op.type):
            yield op.name, op.type, find_place(traceback.StackSummary.from_list(list(op.traceback or ())))
    for function in graph.as_graph_def().library.function:
        for node in function.node_def:
            if _RANDOM_TENSORFLOW.search(node.op):
                yield node.name, node.op, None


def _refusal(where: str, op: str, place: str | None, *, dropout: bool) -> str:
    advice = "make the noise an input"
    if dropout:
        advice = "dropout is on though the model is in evaluation mode: say training=self.training"
    at = f", at {place}" if place is not None else ""
    return f"{where}: forward draws random numbers, so that no two calls give the same ({op}{at}); {advice}"
