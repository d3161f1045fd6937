"""Which ops of a program must stay in float32 while all others compute in float16.

An op must stay where rounding what it reads, computes and gives to float16 takes up too much of the error allowed, all
else being in float32. Stretches of the program are tried that way, and those that do harm are halved until single ops
are left. Ops without multiply-accumulates that lie between two such ops stay too: casts to and fro would gain nothing.
Of what has multiply-accumulates, everything that the limit does not need is given up again, the largest first.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from packager.compression.model_runner import MixedOp

Error = Callable[[Collection[str], float], float]
"""`error(kept, bound)`: how far off the outputs are when these ops compute in float32 and all others in float16. Once
that is known to be above the bound, any number above it will do."""

_SHARES = (1 / 2, 1 / 8, 1 / 32)
"""how much of the limit an op may take by itself; less is looked for where those found do not make up the error"""


_FINEST = 128
"""parts that a program is looked into at most: ops of larger programs are judged a few at a time"""


def find_float32_ops(ops: Sequence[MixedOp], error: Error, limit: float) -> frozenset[str]:
    """The ops that must stay in float32.

    Args:
        ops: In program order, so that ops of one passage lie side by side.
        error: Measured or rehearsed. It is asked some dozens of times: for each harmful op, twice the logarithm of the
            number of ops.
        limit: The largest error allowed.

    Returns:
        Their names; none where float16 holds, all where nothing less was found to hold.
    """
    names = [op.name for op in ops]
    if error((), limit) <= limit:
        return frozenset()
    for share in _SHARES:
        kept = _fill(ops, _find_harmful(names, error, share * limit))
        if error(kept, limit) <= limit:
            return _give_up([op for op in ops if op.name in kept], error, limit)
    return frozenset(names)


def _find_harmful(names: list[str], error: Error, threshold: float) -> list[str]:
    """Ops that alone, or with their next neighbours, do more harm in float16 than a threshold."""
    harmful: list[str] = []
    finest = max(1, len(names) // _FINEST)
    stretches = [(0, len(names))]
    while stretches:
        low, high = stretches.pop()
        if error(names[:low] + names[high:], threshold) <= threshold:
            continue
        if high - low <= finest:
            harmful += names[low:high]
        else:
            middle = (low + high) // 2
            stretches += [(middle, high), (low, middle)]
    return harmful


def _fill(ops: Sequence[MixedOp], kept: Collection[str]) -> frozenset[str]:
    """With the ops that have no multiply-accumulates and lie between two that are kept."""
    filled = set(kept)
    readers: dict[str, list[str]] = {}
    for op in ops:
        for name in op.reads:
            readers.setdefault(name, []).append(op.name)
    free = [op for op in ops if not op.macs]
    while True:
        between = {
            op.name
            for op in free
            if op.name not in filled
            and not filled.isdisjoint(op.reads)
            and not filled.isdisjoint(readers.get(op.name, ()))
        }
        if not between:
            return frozenset(filled)
        filled |= between


def _give_up(kept: Sequence[MixedOp], error: Error, limit: float) -> frozenset[str]:
    """What is left when every op with multiply-accumulates is let go that the limit does not need."""
    left = {op.name for op in kept}
    costly = [op.name for op in sorted(kept, key=lambda op: -op.macs) if op.macs]
    size = max(1, len(costly) // 2)
    while costly:
        for start in range(0, len(costly), size):
            fewer = left.difference(costly[start : start + size])
            if error(fewer, limit) <= limit:
                left = fewer
        costly = [name for name in costly if name in left]
        if size == 1:
            break
        size //= 2
    return frozenset(left)
