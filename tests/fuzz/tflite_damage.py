"""Damage to a TFLite model's fields: the FlatBuffer stays well-formed, what it says does not."""

from __future__ import annotations

import copy
import random
import struct
from collections.abc import Iterator
from typing import Any

import numpy as np

NUMBERS = (0, 1, -1, 2, 3, 5, 7, 64, 127, 128, 255, -128, 2**15, 2**16, 2**30, 2**31 - 1, -(2**31), 2**40)
FLOATS = (0.0, -1.0, 0.5, 1e30, -1e30, 1e-40, float("inf"), float("-inf"), float("nan"))
_TEXTS = (b"", b"x", b"audio", b"\xff\xfe", b"a\x00b", b"\x1b[31m", b"\n::error::x", b"../x", b"n" * 5000)
_TRIES = 8


def damage_model(chance: random.Random, data: bytes) -> bytes:
    """A model with one or some fields bent; what the schema's writer refuses to write is tried anew."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    whole = schema.ModelT.InitFromPackedBuf(data, 0)
    for _ in range(_TRIES):
        model = copy.deepcopy(whole)
        for _number in range(chance.choice((1, 1, 1, 2, 4))):
            _bend(chance, *chance.choice([*_places(model)]))
        builder = flatbuffers.Builder(len(data))
        try:
            builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
        except (TypeError, ValueError, AttributeError, IndexError, OverflowError, struct.error):
            continue
        return bytes(builder.Output())
    return data


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every field of every table, and every element of every vector of numbers or tables."""
    if isinstance(value, list):
        for index, item in enumerate(value[:64]):
            yield value, index
            yield from _places(item)
    elif isinstance(value, np.ndarray):
        yield from ((value, index) for index in range(min(value.size, 4)))
    elif hasattr(value, "__dict__"):
        for name, item in vars(value).items():
            if item is not None:
                yield value, name
                yield from _places(item)


def _bend(chance: random.Random, holder: Any, key: Any) -> None:
    listed = isinstance(holder, list | np.ndarray)
    value = _bent(chance, holder[key] if listed else getattr(holder, key))
    if isinstance(holder, np.ndarray):
        holder[key] = np.array(value if isinstance(value, int | float) else 0).astype(holder.dtype)
    elif isinstance(holder, list) and chance.random() < 0.2:
        holder.insert(key, copy.deepcopy(holder[key])) if chance.random() < 0.5 else holder.pop(key)
    elif listed:
        holder[key] = value
    else:
        setattr(holder, key, value)


def _bent(chance: random.Random, value: Any) -> Any:
    if isinstance(value, bool | np.bool_):
        return not value
    if isinstance(value, int | np.integer):
        return chance.choice((int(value) + chance.choice((-1, 1)), chance.choice(NUMBERS)))
    if isinstance(value, float | np.floating):
        return chance.choice(FLOATS)
    if isinstance(value, bytes | str):
        return chance.choice(_TEXTS)
    if isinstance(value, np.ndarray):
        return chance.choice(
            (value[: len(value) // 2], np.zeros(0, value.dtype), np.tile(value, 2), value[::-1].copy())
        )
    if isinstance(value, list):
        return chance.choice((value[1:], value[::-1], value + value[:1], [], value * 2))
    return None
