"""The graphs of SavedModels and of traced functions, held against `graph_ops` before anything of them runs."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from packager.errors import PackagingError
from packager.sources.graph_ops import explain_node
from packager.sources.trust import refuse

_MOST_NUMBERS = 2**31
"""in a constant: protobuf's own bound for one message is 2 GiB, so one that says it holds more repeats a number"""


def check_saved_model(model: Any, path: Path) -> None:
    """Refuse a SavedModel whose graph does more than compute.

    What TensorFlow's loader runs is looked at: all functions of the library, and of a SavedModel of TensorFlow 1 the
    part of the main graph that signatures, initialisers and the restoring of variables lead to. Functions that save
    and restore checkpoints stand in every SavedModel of Keras and name files; they belong to a main graph that the
    loader of TensorFlow 2 does not run, and are passed over where nothing else calls them.

    Args:
        model: As `loader_impl.parse_saved_model` read it, which the loader reads with.
        path: The folder, for messages.

    Raises:
        PackagingError: It needs trust, or names an asset outside its folder.
    """
    for graph in model.meta_graphs:
        _check_assets(graph, path)
        functions = {one.signature.name: one for one in graph.graph_def.library.function}
        if graph.HasField("object_graph_def"):
            passed = _find_saver_functions(graph, functions)
        else:
            passed = set()
            _check_main_graph(graph, path)
        for name, function in functions.items():
            if name not in passed:
                _check_nodes(function.node_def, functions, path, f"the function {name!r}")


def check_graph(graph: Any, where: Path | str) -> None:
    """Refuse a `GraphDef`, of a function that was traced, if it does more than compute.

    Raises:
        PackagingError: It needs trust.
    """
    functions = {one.signature.name: one for one in graph.library.function}
    _check_nodes(graph.node, functions, where, "the model's graph")
    for name, function in functions.items():
        _check_nodes(function.node_def, functions, where, f"the function {name!r}")


def _check_nodes(nodes: Iterable[Any], functions: Mapping[str, Any], where: Path | str, place: str) -> None:
    for node in nodes:
        reason = None if node.op in functions else explain_node(node)
        if reason is not None:
            raise refuse(where, f"has the op {node.op} in {place}, which {reason}")
        if node.op == "Const":
            _check_constant(node, where, place)


def _check_constant(node: Any, where: Path | str, place: str) -> None:
    size = 1
    for dimension in node.attr["value"].tensor.tensor_shape.dim:
        size *= max(dimension.size, 0)
    if size > _MOST_NUMBERS:
        raise PackagingError(
            f"{where}: the constant {node.name!r} in {place} says that it holds more than {_MOST_NUMBERS} numbers, "
            "which no graph's file can; it is damaged, or made to exhaust memory"
        )


def _check_assets(graph: Any, path: Path) -> None:
    from tensorflow.core.protobuf import meta_graph_pb2

    assets = list(graph.asset_file_def)
    for packed in graph.collection_def["saved_model_assets"].any_list.value:
        asset = meta_graph_pb2.AssetFileDef()
        packed.Unpack(asset)
        assets.append(asset)
    for name in (one.filename for one in assets):
        if not _stays_inside(name) or not (path / "assets" / name).resolve().is_relative_to(path.resolve()):
            raise PackagingError(f"{path}: names the asset {name!r}, which lies outside its folder; assets lie within")


def _stays_inside(name: str) -> bool:
    if "\0" in name or "\\" in name or "://" in name:
        return False
    normal = posixpath.normpath(name)
    return not normal.startswith(("/", "../")) and normal != ".."


def _find_saver_functions(graph: Any, functions: Mapping[str, Any]) -> set[str]:
    """The functions that the main graph's saver calls, and nothing else.

    Grappler may put a function in place of another that says it implements the same, so such are not passed over.
    """
    nodes = {node.name: node for node in graph.graph_def.node}
    saver = graph.saver_def
    starts = [_node_name(name) for name in (saver.save_tensor_name, saver.restore_op_name) if name]
    called = _close({name for start in starts if start in nodes for name in _list_called(nodes[start])}, functions)
    others = {*graph.object_graph_def.concrete_functions, *(functions.keys() - called)}
    others |= {name for name in called if "api_implements" in functions[name].attr}
    others |= {one.gradient_func for one in graph.graph_def.library.gradient}
    others |= {one.gradient_func for one in graph.graph_def.library.registered_gradients}
    return called - _close(others, functions)


def _close(names: Iterable[str], functions: Mapping[str, Any]) -> set[str]:
    """These functions, and all that they call."""
    found, waiting = set[str](), [name for name in names if name in functions]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            inner = (called for node in functions[name].node_def for called in _list_called(node))
            waiting += [called for called in inner if called in functions]
    return found


def _list_called(node: Any) -> Iterator[str]:
    """What may be functions among what a node names: its op, and its attributes."""
    yield node.op
    waiting = list(node.attr.values())
    while waiting:
        value = waiting.pop()
        for function in (value.func, *value.list.func):
            if function.name:
                yield function.name
                waiting += list(function.attr.values())
        for text in (value.s, *value.list.s):  # gradients are named by text
            yield text.decode(errors="replace")


def _check_main_graph(graph: Any, path: Path) -> None:
    """The main graph of a SavedModel of TensorFlow 1, as far as its loader runs it."""
    nodes = {node.name: node for node in graph.graph_def.node}
    functions = {one.signature.name: one for one in graph.graph_def.library.function}
    given = _node_name(graph.saver_def.filename_tensor_name)
    restored = _list_ancestors([_node_name(graph.saver_def.restore_op_name)], nodes)
    run = _list_ancestors(_list_run(graph), nodes)
    for name in sorted(restored - run):
        node = nodes[name]
        if node.op == "RestoreV2" and node.input and _node_name(node.input[0]) == given:
            continue  # the loader puts the path of the folder's own variables there
        _check_nodes([node], functions, path, "the main graph")
    _check_nodes((nodes[name] for name in sorted(run)), functions, path, "the main graph")


def _list_run(graph: Any) -> list[str]:
    """Names of the nodes that signatures, initialisers and collections name."""
    names = []
    for signature in graph.signature_def.values():
        for tensor in (*signature.inputs.values(), *signature.outputs.values()):
            names += _names_of_tensor(tensor)
    for collection in graph.collection_def.values():
        names += list(collection.node_list.value)
        for text in collection.bytes_list.value:
            names += _names_of_variable(text)
    return [_node_name(name) for name in names]


def _names_of_tensor(tensor: Any) -> list[str]:
    sparse = tensor.coo_sparse
    parts = [name for part in tensor.composite_tensor.components for name in _names_of_tensor(part)]
    names = (tensor.name, sparse.values_tensor_name, sparse.indices_tensor_name, sparse.dense_shape_tensor_name)
    return [name for name in (*names, *parts) if name]


def _names_of_variable(text: bytes) -> list[str]:
    from google.protobuf.message import DecodeError
    from tensorflow.core.framework import variable_pb2

    try:
        variable = variable_pb2.VariableDef.FromString(text)
    except DecodeError:  # a collection of something else
        return []
    fields = (variable.variable_name, variable.initial_value_name, variable.initializer_name, variable.snapshot_name)
    return [name for name in fields if name]


def _list_ancestors(names: Iterable[str], nodes: Mapping[str, Any]) -> set[str]:
    found, waiting = set[str](), [name for name in names if name in nodes]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += [one for one in map(_node_name, nodes[name].input) if one in nodes]
    return found


def _node_name(tensor: str) -> str:
    """The node of a tensor `node:0` or of a control input `^node`."""
    return tensor.lstrip("^").partition(":")[0]
