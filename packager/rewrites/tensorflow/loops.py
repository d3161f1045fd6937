"""Loops and conditions, traced anew.

Replaces: `While` and `If`, with and without state.
Why: a loop's counters, weights and lists all come in as its variables, so that nothing in it has a known shape or
    value; both converters take loops of plain tensors only (`tensor_lists.py`).
Given: a loop. Result: one with a single counter where the number of rounds is known, whose weights are constants and
    whose lists are tensors; of at most one round, no loop. What a round multiplies its frame by is multiplied for all
    frames at once, before the loop. A condition that is known leaves one branch.
Equal because: the same ops run on the same values in the same order; a product of matrices is the same row by row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from packager.rewrites.tensorflow.complex_values import Complex, as_pair, is_pair, real_dtype
from packager.rewrites.tensorflow.interpreter import Call, Interpreter, resolve
from packager.rewrites.tensorflow.loop_reading import Loop, find_kernel, read_loop
from packager.rewrites.tensorflow.recurrence import run_as_layer
from packager.rewrites.tensorflow.tensor_lists import TensorList, make_list

NAME = ""  # the manifest tells of what is done inside


def replacements() -> dict[str, Callable[[Call], Any]]:
    """By op."""
    return {
        "While": replace_while,
        "StatelessWhile": replace_while,
        "If": _replace_if,
        "StatelessIf": _replace_if,
        "Case": _replace_case,
        "StatelessCase": _replace_case,
    }


def replace_while(call: Call) -> Any:
    """A loop traced anew; what its format has an op for becomes that."""
    loop, interpreter = read_loop(call), call.interpreter
    values = {k: loop.start[k] for k in loop.varying}
    if loop.rounds is not None and loop.rounds <= 1:
        for done in range(loop.rounds):
            values = loop.run_round(interpreter, values, done)
    else:
        found = run_as_layer(loop, interpreter) if interpreter.dialect.has_recurrent_layers else None
        values = found or _run_as_loop(_multiply_before(loop, interpreter), interpreter)
    results = []
    for k, start in enumerate(loop.start[: len(call.values)]):
        if k in values:
            results.append(values[k])
        else:
            results.append(start if k in loop.invariant else loop.count(k, loop.rounds or 0))
    return results


def _run_as_loop(loop: Loop, interpreter: Interpreter) -> dict[int, Any]:
    import tensorflow as tf

    varying = loop.varying
    forms = _find_forms(loop, interpreter)
    flat = [part for k in varying for part in flatten(loop.start[k], forms[k], interpreter)]

    def goes_on(done: Any, *parts: Any) -> Any:
        if loop.rounds is not None:
            return done < loop.rounds
        values = unflatten(parts, [forms[k] for k in varying])
        given = {loop.condition.inputs[k].name: value for k, value in zip(varying, values, strict=True)}
        given |= {loop.condition.inputs[k].name: loop.start[k] for k in loop.invariant}
        (answer,) = interpreter.run(loop.condition, given, loop.condition.outputs)
        return interpreter.as_tensor(answer)

    def advance(done: Any, *parts: Any) -> Any:
        values = dict(zip(varying, unflatten(parts, [forms[k] for k in varying]), strict=True))
        after = loop.run_round(interpreter, values, done)
        results = [part for k in varying for part in flatten(after[k], forms[k], interpreter)]
        if interpreter.dialect.reuses_loop_values:
            results = [_copy(part, done) if _is_handed_on(part) else part for part in results]
        return [done + 1, *results]

    _, *results = tf.while_loop(goes_on, advance, [tf.constant(0), *flat], parallel_iterations=1, name=loop.name)
    return dict(zip(varying, unflatten(results, [forms[k] for k in varying]), strict=True))


def _is_handed_on(part: Any) -> bool:
    """Whether a round's result is one of its inputs, which TFLite may overwrite before it has been read."""
    while part.op.type in {"Identity", "Reshape", "Squeeze", "ExpandDims"}:
        part = part.op.inputs[0]
    return bool(part.op.type == "Placeholder")


def _copy(part: Any, done: Any) -> Any:
    """The same values in a tensor of their own, by an op that no converter takes away."""
    import tensorflow as tf

    goes_on = done >= 0
    return tf.logical_and(part, goes_on) if part.dtype == tf.bool else part * tf.cast(goes_on, part.dtype)


def _find_forms(loop: Loop, interpreter: Interpreter) -> dict[int, Any]:
    """What each variable looks like: a round in a graph that is thrown away tells the shapes in lists."""
    import tensorflow as tf
    from tensorflow.python.framework.func_graph import FuncGraph

    forms = {k: loop.start[k] for k in loop.varying}
    if not any(isinstance(form, TensorList) and form.shape is None and not form.pieces for form in forms.values()):
        return forms
    with FuncGraph("trial").as_default():
        given = {
            k: form if isinstance(form, TensorList) else unflatten(_placeholders(form), [form])[0]
            for k, form in forms.items()
        }
        after = loop.run_round(interpreter, given, tf.compat.v1.placeholder(tf.int32, []))
    return {
        k: replace(form, shape=after[k].shape) if isinstance(form, TensorList) else form for k, form in forms.items()
    }


def _placeholders(form: Any) -> list[Any]:
    import tensorflow as tf

    dtype = real_dtype(form.dtype)
    return [tf.compat.v1.placeholder(dtype, form.shape) for _ in range(2 if _is_complex(form) else 1)]


def _is_complex(form: Any) -> bool:
    return is_pair(form) or form.dtype.is_complex


def flatten(value: Any, form: Any, interpreter: Interpreter) -> list[Any]:
    """A value as the tensors that carry it: a list as one tensor, a complex number as two.

    Args:
        value: The value.
        form: One like it, which may know more of its shape.
        interpreter: Makes tensors of known values.
    """
    if isinstance(value, TensorList):
        shape = value.shape if value.shape is not None else form.shape
        value = replace(value, shape=shape).stack(interpreter)
    symbol = interpreter.as_symbol(value)
    if _is_complex(form) and not is_pair(symbol):
        symbol = as_pair(symbol)
    return [symbol.real, symbol.imag] if is_pair(symbol) else [symbol]


def unflatten(parts: Sequence[Any], forms: Sequence[Any]) -> list[Any]:
    """Values of tensors, in the forms that `flatten` took."""
    waiting: Iterator[Any] = iter(parts)
    values = []
    for form in forms:
        if _is_complex(form):
            value: Any = Complex(next(waiting), next(waiting))
        else:
            value = next(waiting)
        if isinstance(form, TensorList):
            value = TensorList(form.length, tuple(value.shape.as_list()[1:]), form.dtype, value)
        values.append(value)
    return values


def _multiply_before(loop: Loop, interpreter: Interpreter) -> Loop:
    """The loop with products of a frame and known weights taken for all frames before it.

    A product is read from a list of products in place of the list of frames.
    """
    places = {one.name: k for k, one in enumerate(loop.body.inputs)}
    for op in loop.body.get_operations():
        if op.type != "MatMul" or op.get_attr("transpose_a") or loop.rounds is None:
            continue
        read = resolve(op.inputs[0])
        if read.op.type != "TensorListGetItem":
            continue
        frames, counter = (places.get(resolve(tensor).name, -1) for tensor in read.op.inputs[:2])
        kernel = find_kernel(op, loop, interpreter)
        if frames in loop.invariant and counter in loop.counters and kernel is not None:
            loop = _with_products(loop, op, (frames, kernel, counter), interpreter)
    return loop


def _with_products(loop: Loop, op: Any, given: tuple[int, Any, int], interpreter: Interpreter) -> Loop:
    frames, kernel, _ = given
    listed = loop.start[frames]
    if not isinstance(listed, TensorList) or listed.shape is None or len(listed.shape) != 2:
        return loop
    import tensorflow as tf

    items = interpreter.as_symbol(listed.stack(interpreter))
    if is_pair(items):
        return loop
    rows = tf.reshape(items, [-1, listed.shape[1]])
    products = tf.reshape(tf.matmul(rows, kernel), [listed.length, listed.shape[0], kernel.shape[1]])
    return replace(loop, products=(*loop.products, (op.outputs[0].name, make_list(products), given[2])))


def _replace_if(call: Call) -> Any:
    names = [call.attribute(name).name for name in ("then_branch", "else_branch")]
    answer = call.known(0)
    if answer is not None:
        return call.interpreter.run_function(names[0 if np.all(answer) and answer.size else 1], call.values[1:])
    import tensorflow as tf

    if not call.interpreter.dialect.has_branches_in_loops and call.interpreter.is_inside_loop():
        return _both(call, names)
    return _branches(call, names, lambda branches: tf.cond(call.inputs[0], *branches))


def _both(call: Call, names: Sequence[str]) -> Any:
    """Both branches computed and one chosen: coremltools 9.0 finds no condition in a loop ("Branch not found")."""
    import tensorflow as tf

    results = [call.interpreter.run_function(name, call.values[1:]) for name in names]
    chosen = []
    for one, other in zip(*results, strict=True):
        pairs = zip(flatten(one, one, call.interpreter), flatten(other, other, call.interpreter), strict=True)
        parts = [tf.where(call.inputs[0], a, b) for a, b in pairs]
        chosen += unflatten(parts, [one])
    return chosen


def _replace_case(call: Call) -> Any:
    names = [one.name for one in call.attribute("branches")]
    index = call.known(0)
    if index is not None:
        chosen = int(index) if 0 <= int(index) < len(names) else len(names) - 1
        return call.interpreter.run_function(names[chosen], call.values[1:])
    import tensorflow as tf

    chosen = call.inputs[0]

    def nest(branches: list[Callable[[], Any]], at: int = 0) -> Any:
        if at == len(branches) - 1:
            return branches[at]()
        return tf.cond(tf.equal(chosen, at), branches[at], lambda: nest(branches, at + 1))

    return _branches(call, names, nest)


def _branches(call: Call, names: Sequence[str], choose: Callable[[list[Callable[[], Any]]], Any]) -> Any:
    forms: list[list[Any]] = []

    def branch(name: str) -> Callable[[], list[Any]]:
        def run() -> list[Any]:
            results = call.interpreter.run_function(name, call.values[1:])
            forms.append(results)
            return [part for value in results for part in flatten(value, value, call.interpreter)]

        return run

    parts = choose([branch(name) for name in names])
    return unflatten(parts if isinstance(parts, list | tuple) else [parts], forms[0])
