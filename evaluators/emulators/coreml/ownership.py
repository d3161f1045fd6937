"""Whether an op may write into a value it is given: when nobody but the plan can see it, and the plan needs it no more.

References are counted, by Python for the value and by torch for the memory under a tensor, which views share. What is
given from outside, constants, states, and what an observer keeps are all held elsewhere, so they are never written to.
Both counts are compared with those of a value that is known to be alone, for what a count includes depends on Python.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import torch

_users_of = getattr(torch._C, "_storage_Use_Count", None)
"""Tensors over one piece of memory, by its address. Torch does not promise it; without it tensors are never reused"""


def _memory_users(tensor: torch.Tensor) -> int:
    return -1 if _users_of is None else int(_users_of(tensor.untyped_storage()._cdata))


_NEW = [torch.empty(1)]
_ALONE = sys.getrefcount(_NEW[0])
_SOLE_USER = _memory_users(_NEW[0]) if _users_of is not None else 0


def is_alone(slots: Sequence[Any], slot: int) -> bool:
    """Whether the value in this slot is referred to from nowhere else, and its memory neither."""
    if sys.getrefcount(slots[slot]) != _ALONE:
        return False
    value = slots[slot]
    return not isinstance(value, torch.Tensor) or (value.is_contiguous() and _memory_users(value) == _SOLE_USER)
