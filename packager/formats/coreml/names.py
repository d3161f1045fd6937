"""Names of inputs and outputs inside a Core ML model, which does not allow all of the source's own."""

from __future__ import annotations

_KEYWORDS = frozenset({"any", "bool", "program", "func", "tensor", "list", "dict", "tuple", "true", "false", "string"})
_INTEGERS = frozenset(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64))
_TYPES = frozenset({"bf16", "fp16", "fp32", "fp64"}) | _INTEGERS
_RESERVED = _KEYWORDS | _TYPES | {"state"}
"""words of MIL's text form; coremltools 9.0 renames whatever bears one (`state` to `state_workaround`)"""


def to_native(name: str) -> str:
    """What a file calls an input or output: `state_` for `state`, which is a keyword there."""
    return f"{name}_" if name in _RESERVED else name
