"""What must change in a TensorFlow graph before a converter takes it: one file a rewrite.

Each file says what it replaces, why, and why the result is equal. It has `NAME` and one or both of

- `replacements()`: by op of TensorFlow, a function of a `Call` that returns what stands for the op's outputs. It is
  ordinary TensorFlow code, or it declines by returning `NotImplemented`, and the op stays as it is. It may take the
  converter's `Dialect`, and offer only what that one lacks.
- `LOWERINGS`: by op, a function of coremltools' `(context, node)` that lowers it to Core ML.

Every conversion takes the graph as the interpreter leaves it: functions inlined, everything computed that depends on no
input. A bundle's manifest lists the rewrites that changed more than that.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packager.errors import PackagingError
from packager.rewrites.tensorflow.dialect import Dialect
from packager.rewrites.tensorflow.replacements import Replacement

_USED_BY_OTHERS = frozenset({"elementary", "arrangement"})
"""rewrites whose ops may come out of other rewrites"""
_LEAVES_UNUSED = frozenset({"unrolled_frames"})
"""rewrites that leave much in the graph which nothing uses; freezing takes it out"""
_MOST_PASSES = 2


@dataclass(frozen=True)
class Rewritten:
    """A function that converters take.

    Attributes:
        function: Concrete function without variables, under the same names of inputs and outputs.
        applied: Names of the rewrites that changed it, sorted.
    """

    function: Any
    applied: tuple[str, ...]


def rewrite_function(function: Any, dialect: Dialect) -> Rewritten:
    """Replace in a function what a format's converter does not take.

    Args:
        function: Concrete function of tensors with static shapes, which returns a dictionary.
        dialect: What the converter takes.

    Raises:
        PackagingError: It changes variables of its own, or holds an op on complex numbers that has no real counterpart.
    """
    replacements = load_replacements(dialect)
    names = sorted(function.structured_outputs)
    applied: set[str] = set()
    current = _freeze(function)
    for _ in range(_MOST_PASSES):
        rewritten, names_applied = _trace_anew(current, names, replacements, dialect)
        applied |= names_applied
        if not _LEAVES_UNUSED & names_applied and not _has_left_over(rewritten.graph, replacements):
            break
        current = _freeze(rewritten)
    return Rewritten(rewritten, tuple(sorted(applied)))


def _trace_anew(
    frozen: Any, names: Sequence[str], replacements: Mapping[str, Replacement], dialect: Dialect
) -> tuple[Any, set[str]]:
    """The function run by the interpreter into a new one, and the rewrites that had a part in it."""
    import tensorflow as tf

    from packager.rewrites.tensorflow.interpreter import Interpreter, bind

    interpreter = Interpreter(frozen.graph, replacements, dialect)
    specs = [tf.TensorSpec(tensor.shape, tensor.dtype, tensor.name.partition(":")[0]) for tensor in frozen.inputs]

    def call(*given: Any) -> dict[str, Any]:
        values = interpreter.run(frozen.graph, bind(frozen.inputs, given), frozen.outputs)
        return {
            name: tf.identity(interpreter.as_tensor(value), name=name)
            for name, value in zip(names, values, strict=True)
        }

    return tf.function(call, autograph=False).get_concrete_function(*specs), interpreter.applied


def _has_left_over(graph: Any, replacements: Mapping[str, Replacement]) -> bool:
    """Whether one rewrite used an op that another one replaces."""
    definition = graph.as_graph_def()
    nodes = [node for function in definition.library.function for node in function.node_def]
    found = (replacements.get(node.op) for node in (*definition.node, *nodes))
    return any(replacement is not None and replacement.name in _USED_BY_OTHERS for replacement in found)


def _freeze(function: Any) -> Any:
    """The function with its variables' values as constants; loops and conditions stay functional."""
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    try:
        return convert_variables_to_constants_v2(function, lower_control_flow=False)
    except Exception as fault:
        raise PackagingError(
            f"the model's variables cannot be made constants: {fault}; a model that changes variables of its own must "
            "take them as inputs and return them, and the recipe's [model.state] binds the two"
        ) from fault


def load_replacements(dialect: Dialect) -> Mapping[str, Replacement]:
    """Gather the replacements of all files of this folder for a format."""
    found: dict[str, Replacement] = {}
    for module in _modules():
        if hasattr(module, "replacements"):
            takes_dialect = bool(inspect.signature(module.replacements).parameters)
            calls = module.replacements(dialect) if takes_dialect else module.replacements()
            found |= {op: Replacement(module.NAME, call) for op, call in calls.items() if op not in found}
    return found


def register_tensorflow_lowerings() -> set[str]:
    """Make coremltools lower TensorFlow's ops by the rewrites.

    Returns:
        A set that fills with the names of the rewrites as a conversion applies them.
    """
    from coremltools.converters.mil import register_tf_op

    applied: set[str] = set()
    for module in _modules():
        for op, lower in getattr(module, "LOWERINGS", {}).items():
            register_tf_op(_noting(module.NAME, op, lower, applied), override=True)
    return applied


def _modules() -> Iterator[Any]:
    for path in sorted(Path(__file__).parent.glob("[a-z]*.py")):
        yield importlib.import_module(f"packager.rewrites.tensorflow.{path.stem}")


def _noting(name: str, op: str, lower: Callable[[Any, Any], None], applied: set[str]) -> Any:
    def noting(context: Any, node: Any) -> None:
        applied.add(name)
        lower(context, node)

    noting.__name__ = op  # coremltools takes the op's name from the function's
    return noting
