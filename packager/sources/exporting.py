"""torch.export as this project calls it: recurrences at once, and known values computed where it stops without."""

from __future__ import annotations

from typing import Any

from packager.rewrites.torch.told_shapes import tell_shapes
from packager.sources.known_values import export_known


def export_program(module: Any, tensors: tuple[Any, ...]) -> Any:
    """A `torch.export.ExportedProgram` of whole ATen ops, shapes fixed to those of `tensors`.

    Args:
        module: Called with the tensors.
        tensors: Example inputs.

    Raises:
        Exception: Whatever torch.export raises where it cannot follow the module's code.
    """
    import torch

    with tell_shapes():
        try:
            return torch.export.export(module, tensors, strict=False)
        except Exception as fault:
            if "data-dependent" not in str(fault):
                raise
            try:
                return export_known(module, tensors)
            except Exception:  # noqa: BLE001  that it did not help either says less than the first fault
                raise fault from None
