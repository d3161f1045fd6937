"""Constants that are views of other tensors: whatever their layout in memory, each keeps its own values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from packager.rewrites.torch import rewrite_program

torch = pytest.importorskip("torch")

pytestmark = [pytest.mark.slow, pytest.mark.pytorch]

SIZE = 24


def _noise(*shape: int, dtype: Any = None) -> Any:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)), dtype=dtype or torch.float32)


def _several(make: Callable[[int], Any]) -> list[Any]:
    return [make(index) for index in range(3)]


LAYOUTS: dict[str, Callable[[int], Any]] = {
    "transposed": lambda index: (_noise(SIZE, SIZE) + index).t(),
    "every other row": lambda index: (_noise(2 * SIZE, SIZE) + index)[::2],
    "every other column": lambda index: (_noise(SIZE, 2 * SIZE) + index)[:, 1::2],
    "one of a stack": lambda index: (_noise(SIZE, 3, SIZE) + index)[:, 1],
    "spread": lambda index: (_noise(SIZE, 1) + index).expand(SIZE, SIZE),
    "overlapping frames": lambda index: (_noise(2 * SIZE - 1) + index).unfold(0, SIZE, 1),
    "turned": lambda index: (_noise(SIZE, SIZE) + index).flip(0).t(),
    "real part": lambda index: (_noise(SIZE, SIZE, dtype=torch.complex64) + index).real,
    "stored with the other sign": lambda index: (_noise(SIZE, SIZE, dtype=torch.complex64) * (index + 1)).conj().imag,
}


class Products(torch.nn.Module):
    """Attributes that are no buffers, a buffer, and a parameter, each a view."""

    def __init__(self, layouts: list[Callable[[int], Any]]) -> None:
        super().__init__()
        self.plain = [value for make in layouts for value in _several(make)]
        self.register_buffer("held", layouts[0](3))
        self.learnt = torch.nn.Parameter(layouts[0](4), requires_grad=False)

    def forward(self, x: Any) -> list[Any]:
        return [x @ matrix for matrix in (*self.plain, self.held, self.learnt)]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_rewritten_program_holds_plain_tensors(layout: str) -> None:
    module, x = Products([LAYOUTS[layout]]), _noise(1, 5, SIZE)
    program = rewrite_program(torch.export.export(module, (x,), strict=False)).program
    held = [*program.constants.values(), *program.state_dict.values()]
    assert len(held) == 5
    assert all(value.is_contiguous() and not value.is_neg() for value in held)
    for expected, found in zip(module(x), program.module()(x), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)  # sums go in another order by layout


class Twins(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("one", LAYOUTS["transposed"](0))
        self.register_buffer("other", self.one)

    def forward(self, x: Any) -> Any:
        return x @ self.one + (x + 1) @ self.other


def test_one_tensor_by_two_names_stays_one() -> None:
    program = torch.export.export(Twins(), (_noise(1, 5, SIZE),), strict=False)
    assert not any(value.is_contiguous() for value in program.state_dict.values())
    held = rewrite_program(program).program.state_dict
    assert all(value.is_contiguous() for value in held.values())
    assert len({value.data_ptr() for value in held.values()}) == 1


@pytest.mark.coreml
@pytest.mark.tflite
def test_every_layout_in_both_formats(prove_both: Any) -> None:
    found = prove_both(Products(list(LAYOUTS.values())), _noise(1, 5, SIZE))
    assert min(found.values()) >= 120  # sums of 24 products
