"""Loops that reach the file: the converter's own last step for them, which litert-torch leaves out.

A TFLite file holds a loop's condition and body as subgraphs of their own. litert-converter 0.5 legalises
`stablehlo.while` to `tfl.while` with both inside the op, and has a pass that moves them out (`WhileOutlinePass`), but
neither runs it nor lets Python run it; writing the file then fails with an empty message. This is that pass.

What a body reads from outside becomes an operand that no round changes; constants are repeated inside, where TFLite
must have them, and share one buffer in the file.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

NAME = "loops"

_CONSTANTS = {"arith.constant", "tfl.no_value", "tfl.pseudo_const"}


@functools.cache
def register() -> None:
    """Make the converter's passes end with the outlining of loops."""
    from litert_torch._convert import litert_converter

    extension = litert_converter.converter_api_ext
    run_passes = extension.run_convert_to_tfl_passes

    @functools.wraps(run_passes)
    def run_and_outline(module: Any, *args: Any) -> None:
        run_passes(module, *args)
        outline_loops(module)

    extension.run_convert_to_tfl_passes = run_and_outline


def outline_loops(module: Any) -> None:
    """Move condition and body of every `tfl.while` into functions of their own; other modules stay as they are.

    Args:
        module: an `ir.Module` in the `tfl` dialect, changed in place
    """
    from litert_converter.mlir import ir

    loops = list(_find_loops(module.operation))
    if not loops:
        return
    with module.context, ir.Location.unknown():
        for number, loop in enumerate(loops):
            _outline(module, loop, number)
        module.operation.verify()


def _find_loops(operation: Any) -> Iterator[Any]:
    """Inner loops before those they are in."""
    for region in operation.regions:
        for block in region.blocks:
            for child in block.operations:
                yield from _find_loops(child.operation)
                if child.operation.name == "tfl.while":
                    yield child.operation


def _outline(module: Any, loop: Any, number: int) -> None:
    from litert_converter.mlir import ir
    from litert_converter.mlir.dialects import func

    captured = [value for region in loop.regions for value in _find_captured(region.blocks[0])]
    extra = list(dict.fromkeys(value for value in captured if not _is_constant(value)))
    operands = [*loop.operands, *extra]
    types = [value.type for value in operands]
    attributes = {name: loop.attributes[name] for name in ("is_stateless",) if name in loop.attributes}
    outlined = ir.Operation.create(
        "tfl.while", results=types, operands=operands, attributes=attributes, regions=2, ip=ir.InsertionPoint(loop)
    )
    for region, part, passed_on in zip((0, 1), ("condition", "body"), ([], extra), strict=True):
        block = loop.regions[region].blocks[0]
        results = [*_yielded(block), *passed_on]
        name = f"loop_{number}_{part}"
        kind = ir.FunctionType.get(types, [value.type for value in results])
        function = func.FuncOp(name, kind, visibility="private", ip=ir.InsertionPoint(module.body))
        entry = function.add_entry_block()
        replaced = dict(zip([*block.arguments, *extra], entry.arguments, strict=True))
        with ir.InsertionPoint(entry):
            for value in _find_captured(block):
                if _is_constant(value):
                    replaced[value] = _defining_op(value).clone().results[0]
            _clone(block, replaced)
            func.ReturnOp([replaced.get(value, value) for value in results])
        shell = outlined.regions[region].blocks.append(*types)
        with ir.InsertionPoint(shell):
            call = func.CallOp(kind.results, name, list(shell.arguments))
            ir.Operation.create("tfl.yield", operands=list(call.results))
    for before, after in zip(loop.results, outlined.results, strict=False):
        before.replace_all_uses_with(after)
    loop.erase()
    # The quantizer changes a buffer and the tensors it finds in use; a tensor left over would no longer fit its buffer.
    for constant in {value for value in captured if _is_constant(value)}:
        if not list(constant.uses):
            _defining_op(constant).erase()


def _find_captured(block: Any) -> list[Any]:
    """What a block reads from outside, each once."""
    own = {*block.arguments, *(result for op in block.operations for result in op.operation.results)}
    read = (value for op in block.operations for value in op.operation.operands)
    return list(dict.fromkeys(value for value in read if value not in own))


def _clone(block: Any, replaced: dict[Any, Any]) -> None:
    """Repeat a block's ops where the insertion point is, all but its end; loops inside are outlined already."""
    for op in block.operations:
        operation = op.operation
        if operation.name == "tfl.yield":
            return
        clone = operation.clone()
        for position, value in enumerate(operation.operands):
            clone.operands[position] = replaced.get(value, value)
        replaced.update(zip(operation.results, clone.results, strict=True))


def _yielded(block: Any) -> list[Any]:
    return list(block.operations[len(block.operations) - 1].operation.operands)


def _is_constant(value: Any) -> bool:
    operation = _defining_op(value)
    return operation is not None and operation.name in _CONSTANTS


def _defining_op(value: Any) -> Any:
    """The op a value comes from; none for a block's argument."""
    from litert_converter.mlir import ir

    return None if isinstance(value.owner, ir.Block) else value.owner.operation
