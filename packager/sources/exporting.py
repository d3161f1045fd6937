"""torch.export as this project calls it: recurrences at once; where it stops, known values, both ways of branches."""

from __future__ import annotations

import contextlib
import functools
import warnings
from typing import Any

from packager.rewrites.torch import APPLIED
from packager.rewrites.torch.told_shapes import tell_shapes
from packager.sources.branches import export_branches, plain_conditions
from packager.sources.export_faults import meets_packed_sequence
from packager.sources.known_values import export_known
from packager.sources.packed_sequences import NAME as PADDED
from packager.sources.packed_sequences import padded_frames


def export_program(module: Any, tensors: tuple[Any, ...]) -> Any:
    """A `torch.export.ExportedProgram` of whole ATen ops, shapes fixed to those of `tensors`.

    Args:
        module: Called with the tensors.
        tensors: Example inputs.

    Raises:
        Exception: Whatever torch.export raises where it cannot follow the module's code.
    """
    import torch

    with tell_shapes(), plain_conditions():
        try:
            program = torch.export.export(module, tensors, strict=False)
        except Exception as fault:
            if meets_packed_sequence(fault):
                return _export_padded(module, tensors, fault)
            if not _asks_data(fault):
                raise
            try:
                return export_known(module, tensors)
            except Exception as other:  # noqa: BLE001  that it did not help either says less than the first fault
                if not _asks_data(other):
                    raise fault from None
            return _export_ways(module, tensors, fault)
        if not _takes_numbers_out(program):
            return program
        with contextlib.suppress(Exception):
            return export_branches(functools.partial(export_known, tensors=tensors), module)
        return program


def _export_padded(module: Any, tensors: tuple[Any, ...], fault: Exception) -> Any:
    """Packed sequences as padded frames.

    Raises:
        Exception: The first fault, where something else does not follow.
    """
    try:
        with padded_frames(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's own, of its internals
            program = export_known(module, tensors)
    except Exception:  # noqa: BLE001  the first fault names the user's line
        raise fault from None
    program.graph_module.meta[APPLIED] = (PADDED,)
    return program


def _asks_data(fault: Exception) -> bool:
    return "data-dependent" in str(fault)


def _export_ways(module: Any, tensors: tuple[Any, ...], fault: Exception) -> Any:
    """Both ways of the branches, joined.

    Raises:
        Exception: The first fault, where there are too many ways or they cannot be joined.
    """
    try:
        return export_branches(functools.partial(export_known, tensors=tensors), module)
    except Exception:  # noqa: BLE001  the first fault names the user's line
        raise fault from None


def _takes_numbers_out(program: Any) -> bool:
    """Whether numbers are taken out of tensors by `item()`, which neither converter follows."""
    import torch

    taking = (torch.ops.aten._local_scalar_dense.default, torch.ops.aten.item.default)
    return any(node.target in taking for node in program.graph.nodes)
