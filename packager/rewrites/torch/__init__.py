"""What must change in a PyTorch program before either converter takes it: one file a rewrite.

Each file says what it replaces, why, and why the result is equal. It has `NAME` and one or more of

- `replacements()`: ops whose arguments and results are real,
- `complex_replacements()`: ops that take or give complex tensors, which are `Complex` pairs here,
- `wanted(node)`: False where a replacement would decline, told from the node alone; without it, always True.

A replacement takes the arguments of the ATen op, as they stand in the graph. It is ordinary torch code that
`torch.export` can trace, or it declines by returning `NotImplemented`, and the op stays as it is. Constants are made
with numpy or `torch.tensor`; what they are computed from is never traced.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from packager.errors import PackagingError
from packager.rewrites.torch.replacements import Replacement, Replacements

if TYPE_CHECKING:
    from torch.export import ExportedProgram
    from torch.fx import GraphModule, Node

APPLIED = "testpress_applied"
"""in the `meta` of an exported program's graph module: names of what was rewritten before, by the export"""

MOST_ROUNDS = 4
"""of tracing: what a replacement is made of may itself be replaced"""


@dataclass(frozen=True)
class Rewritten:
    """A program that converters take.

    Attributes:
        program: The program; the one that was given where nothing had to change.
        applied: Names of the rewrites that changed it, sorted.
    """

    program: ExportedProgram
    applied: tuple[str, ...]


def rewrite_program(program: ExportedProgram) -> Rewritten:
    """Replace in a program what converters do not take: unsupported ops, complex numbers, computed constants.

    Inputs, parameters and buffers keep their names, inputs and outputs their structure. A complex input or output
    becomes a real one with a last dimension of 2, real part first, as of `torch.view_as_real`.

    Args:
        program: As exported, before any decomposition.

    Returns:
        The program to convert. Where no op is to be replaced it is not traced again; its constants are in order in
        memory.

    Raises:
        PackagingError: Complex numbers meet an op that has no real counterpart here, or how large a tensor is depends
            on the data; names op and source line.
    """
    from packager.rewrites.torch.constant_folding import NAME, fold_constants
    from packager.rewrites.torch.functional import remove_writes
    from packager.rewrites.torch.inlining import inline_regions
    from packager.rewrites.torch.interpreter import trace
    from packager.rewrites.torch.surgery import settle_constants

    replacements = load_replacements()
    flat = remove_writes(inline_regions(program))
    current = fold_constants(flat)
    applied = set() if current is flat else {NAME}
    for _ in range(MOST_ROUNDS):
        if not any(_is_concerned(node, replacements) for node in _nodes(current.graph_module)):
            break
        traced, names = trace(current, replacements)
        if not names:
            break
        current = fold_constants(traced, thorough=True)
        applied |= names if current is traced else {NAME, *names}
    result = current if applied else program
    settle_constants(result)
    _refuse_open_sizes(result)
    return Rewritten(result, tuple(sorted({*applied, *program.graph_module.meta.get(APPLIED, ())})))


def _refuse_open_sizes(program: ExportedProgram) -> None:
    import torch

    from packager.rewrites.torch.masked import is_open
    from packager.rewrites.torch.masked_values import explain_open

    for node in program.graph.nodes:
        value = node.meta.get("val")
        sizes = isinstance(value, torch.Tensor | list | tuple) and is_open(value)
        if sizes or node.target in (torch.ops.aten.item.default, torch.ops.aten._local_scalar_dense.default):
            raise PackagingError(explain_open(node))


@cache
def load_replacements() -> Replacements:
    """Gather the replacements of all files of this folder."""
    real: dict[Any, Replacement] = {}
    complex_: dict[Any, Replacement] = {}
    for path in sorted(Path(__file__).parent.glob("[a-z]*.py")):
        module: Any = importlib.import_module(f"packager.rewrites.torch.{path.stem}")
        for table, source in ((real, "replacements"), (complex_, "complex_replacements")):
            if hasattr(module, source):
                wanted = getattr(module, "wanted", lambda _: True)
                table.update(
                    {op: Replacement(module.NAME, call, wanted) for op, call in getattr(module, source)().items()}
                )
    return Replacements(real, complex_)


def _nodes(module: GraphModule) -> Iterator[Node]:
    from torch.fx import GraphModule

    for inner in module.modules():
        if isinstance(inner, GraphModule):
            yield from inner.graph.nodes


def _is_concerned(node: Node, replacements: Replacements) -> bool:
    import torch

    from packager.rewrites.torch.masked import is_open

    value = node.meta.get("val")
    if (isinstance(value, torch.Tensor) and value.is_complex()) or is_open(value):
        return True
    replacement = replacements.real.get(node.target)
    return replacement is not None and replacement.wanted(node)
