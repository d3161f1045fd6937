"""Damage to bytes that mean nothing to it: flipped, set, cut, doubled, spliced, grown."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Sequence

NUMBERS = (
    0,
    1,
    2,
    3,
    7,
    16,
    127,
    128,
    255,
    256,
    65535,
    2**24,
    2**31 - 1,
    2**31,
    2**32 - 1,
    2**40,
    2**63 - 1,
    2**64 - 1,
)
_RUNS = (1, 2, 4, 16, 64, 600, 4096)
_GROWTH = (1, 64, 4096, 100_000)


def _flip(chance: random.Random, data: bytearray, _: bytes) -> None:
    for _number in range(chance.choice((1, 1, 2, 8, 64))):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)


def _set(chance: random.Random, data: bytearray, _: bytes) -> None:
    for _number in range(chance.choice((1, 1, 4, 32))):
        data[chance.randrange(len(data))] = chance.choice((0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)))


def _delete(chance: random.Random, data: bytearray, _: bytes) -> None:
    begin = chance.randrange(len(data))
    del data[begin : begin + chance.choice(_RUNS)]


def _double(chance: random.Random, data: bytearray, _: bytes) -> None:
    begin = chance.randrange(len(data))
    part = data[begin : begin + chance.choice(_RUNS)]
    data[begin:begin] = part * chance.choice((1, 1, 2, 100))


def _insert(chance: random.Random, data: bytearray, _: bytes) -> None:
    begin = chance.randrange(len(data) + 1)
    data[begin:begin] = chance.randbytes(chance.choice(_RUNS))


def _truncate(chance: random.Random, data: bytearray, _: bytes) -> None:
    del data[chance.randrange(len(data)) :]


def _splice(chance: random.Random, data: bytearray, other: bytes) -> None:
    begin, at = chance.randrange(len(data)), chance.randrange(len(other) + 1)
    length = chance.choice(_RUNS)
    data[begin : begin + length] = other[at : at + length] if chance.random() < 0.8 else other[at:]


def _number(chance: random.Random, data: bytearray, _: bytes) -> None:
    for _number in range(chance.choice((1, 1, 3, 10))):
        code, size = chance.choice((("<B", 1), ("<H", 2), ("<I", 4), ("<Q", 8), (">I", 4), (">H", 2)))
        if len(data) >= size:
            at = chance.randrange(0, len(data) - size + 1, size) if chance.random() < 0.8 else 0
            struct.pack_into(code, data, at, chance.choice(NUMBERS) % (1 << (8 * size)))


def _nearby(chance: random.Random, data: bytearray, _: bytes) -> None:
    """Add to what a small number is already, which stays plausible."""
    for _number in range(chance.choice((1, 2, 5))):
        at = chance.randrange(len(data))
        data[at] = (data[at] + chance.choice((-2, -1, 1, 2, 4, 8, 16))) % 256


def _zero(chance: random.Random, data: bytearray, _: bytes) -> None:
    begin, length = chance.randrange(len(data)), chance.choice(_RUNS)
    length = min(length, len(data) - begin)
    data[begin : begin + length] = bytes([chance.choice((0, 0, 255))]) * length


def _grow(chance: random.Random, data: bytearray, _: bytes) -> None:
    length = chance.choice(_GROWTH)
    data += chance.choice((bytes(length), chance.randbytes(length), bytes(data[:length])))


_WAYS: tuple[Callable[[random.Random, bytearray, bytes], None], ...] = (
    *(_flip, _flip, _set, _delete, _double, _insert, _truncate, _splice),
    *(_number, _number, _nearby, _zero, _grow),
)


def damage_bytes(chance: random.Random, data: bytes, others: Sequence[bytes] = (), *, head: int = 0) -> bytes:
    """Damaged bytes.

    Args:
        chance: What is random.
        data: What to damage.
        others: Files of which parts may be spliced in.
        head: If not 0, half of the time only the first so many bytes are damaged, where headers are.
    """
    damaged, rest = bytearray(data), b""
    if head and chance.random() < 0.5:
        damaged, rest = bytearray(data[:head]), data[head:]
    for _ in range(chance.choice((1, 1, 1, 2, 3, 6))):
        if not damaged:
            damaged += b"\0"
        chance.choice(_WAYS)(chance, damaged, chance.choice(others) if others else data)
    return bytes(damaged) + rest
