"""Names of inputs and outputs inside a model file, where a format does not allow the source's own."""

from __future__ import annotations

from collections.abc import Container

_KEYWORDS = frozenset({"any", "bool", "program", "func", "tensor", "list", "dict", "tuple", "true", "false", "string"})
_INTEGERS = frozenset(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64))
_TYPES = frozenset({"bf16", "fp16", "fp32", "fp64"}) | _INTEGERS
_RESERVED = _KEYWORDS | _TYPES | {"state"}
"""words of MIL's text form; coremltools 9.0 renames whatever bears one (`state` to `state_workaround`)"""


def native_name(name: str, format_: str) -> str:
    """What a file of a format calls an input or output: Core ML has `state_` for `state`, which is a keyword there."""
    return f"{name}_" if format_ == "coreml" and name in _RESERVED else name


def find_native(name: str, available: Container[str]) -> str | None:
    """A source's name as a file of either format has it; None where it has it not."""
    return next((each for each in (name, native_name(name, "coreml")) if each in available), None)
