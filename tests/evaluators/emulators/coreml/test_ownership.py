"""A value is alone only when no name, container, view or array can still reach it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch

from evaluators.emulators.coreml.ownership import is_alone

KEPT: list[Any] = []


@pytest.fixture(autouse=True)
def as_models_run() -> Iterator[None]:
    """Without gradients, for which a view would hold what it is a view of."""
    with torch.inference_mode():
        yield


@pytest.mark.parametrize(
    "make", [lambda: torch.zeros(2, 3), lambda: torch.zeros(0), lambda: torch.ones(4).clone(), dict]
)
def test_a_new_value_is_alone(make: Callable[[], Any]) -> None:
    assert is_alone([None, make()], 1)


def test_what_remains_of_a_larger_tensor_is_alone() -> None:
    assert is_alone([torch.zeros(4, 3)[1:3]], 0)


def keep(value: Any) -> Any:
    KEPT[:] = [value]
    return value


def viewed(value: torch.Tensor, view: Callable[[torch.Tensor], Any]) -> torch.Tensor:
    KEPT[:] = [view(value)]
    return value


@pytest.mark.parametrize(
    "make",
    [
        lambda: keep(torch.zeros(2, 3)),
        lambda: keep({}),
        lambda: keep(torch.zeros(2, 3))[:1],
        lambda: keep(torch.zeros(2, 3)).reshape(6),
        lambda: viewed(torch.zeros(2, 3), lambda value: value[0]),
        lambda: viewed(torch.zeros(2, 3), lambda value: value.unsqueeze(0)),
        lambda: viewed(torch.zeros(2, 3), lambda value: value.detach()),
        lambda: viewed(torch.zeros(2, 3), lambda value: value.numpy()),
        lambda: viewed(torch.zeros(2, 3), lambda value: value.numpy()[1:]),
    ],
    ids=["named", "object", "a part", "a shape", "row", "wider", "detached", "array", "part of an array"],
)
def test_what_can_be_reached_otherwise_is_not(make: Callable[[], Any]) -> None:
    slots = [make()]
    assert not is_alone(slots, 0)
    KEPT.clear()
    assert is_alone(slots, 0)


def test_two_slots_are_two_references() -> None:
    value = torch.zeros(2)
    slots = [value, value]
    del value
    assert not is_alone(slots, 0)
    slots[1] = None
    assert is_alone(slots, 0)


def test_elements_that_share_memory_are_not_written_to() -> None:
    assert not is_alone([torch.zeros(1).expand(3)], 0)


def test_nothing_is_alone_where_torch_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    from evaluators.emulators.coreml import ownership

    monkeypatch.setattr(ownership, "_users_of", None)
    assert not is_alone([torch.from_numpy(np.zeros(2))], 0)
