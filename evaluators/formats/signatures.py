"""What a model file asks for and returns: signatures (TFLite) or functions (Core ML)."""

from __future__ import annotations

from device_profiles.record import Record


class Port(Record):
    """One input, output or state."""

    name: str
    shape: tuple[int | None, ...]
    """none for an open dimension"""
    dtype: str
    note: str = ""
    """what a caller should know besides: quantisation, the shapes allowed, a default"""


class Signature(Record):
    """One way to call a model."""

    name: str | None
    """none where the file names no signature, so that inputs and outputs have tensor names only"""
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    states: tuple[Port, ...] = ()
