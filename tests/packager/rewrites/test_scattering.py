"""Values added up or written at places, rewritten, against torch's own."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from packager.rewrites.torch import rewrite_program

torch = pytest.importorskip("torch")

pytestmark = [pytest.mark.slow, pytest.mark.pytorch]

LEAST_DB = 120
"""Sums of a few products with 0 or 1."""

FOLDS = torch.arange(40) % 6
ROWS, COLUMNS = torch.tensor([0, 1, 2, 2, -1]), torch.tensor([5, 3, 4, 4, 1])


def _write(x: Any, key: Any, values: Any, *, add: bool = False) -> Any:
    y = x.clone()
    if add:
        y[key] += values
    else:
        y[key] = values
    return y


CONSTANT: dict[str, Callable[..., Any]] = {
    "several axes, added": lambda x, r, c: torch.zeros(6, 7).index_put_((r, c), x[0, :5], accumulate=True),
    "with an axis between": lambda x, r, c: _write(x.reshape(6, 8, 10), (r, slice(None), c), x[:5, :8]),
    "behind an axis": lambda x, r, c: _write(x.reshape(4, 12, 10), (slice(None), r, c), x[:4, :5]),
    "rows times columns": lambda x, r, c: _write(x, (r[:3, None], c[None, :2]), x[:3, :2]),
    "one place": lambda x, r, c: torch.index_put(x, (r[4], c[2]), torch.tensor(3.0), accumulate=True),
    "rows added": lambda x, r, c: torch.ones(7, 40).index_add(0, r % 6, x[:5], alpha=-2),
    "rows copied": lambda x, r, c: x.index_copy(0, torch.tensor([4, 1]), x[:2] * 2),
    "rows filled": lambda x, r, c: x.index_fill(1, c, 3.0),
    "diagonal": lambda x, r, c: torch.diagonal_scatter(x, torch.ones(12), 2),
    "diagonal filled": lambda x, r, c: x[:, :12].clone().fill_diagonal_(0),
    "part of the memory": lambda x, r, c: torch.as_strided_scatter(x, x[:3, :2], (3, 2), (7, 2), 5),
}


@pytest.mark.parametrize("kind", CONSTANT)
def test_places_that_are_constants(prove: Any, audio: SimpleNamespace, kind: str) -> None:
    snr_db, applied = prove(CONSTANT[kind], audio.noise(12, 40), r=ROWS, c=COLUMNS)
    assert snr_db >= LEAST_DB
    assert "scattering" in applied


def _reduced(kind: str, *, include_self: bool) -> Callable[..., Any]:
    def formula(x: Any, index: Any) -> Any:
        start = torch.full((12, 9), 0.5)
        return start.scatter_reduce(1, index, x, kind, include_self=include_self), start.index_reduce_(
            0, index[0], x[:, :9].repeat(4, 1)[:40], {"sum": "prod"}.get(kind, kind), include_self=include_self
        )

    return formula


def _indices(*shape: int, below: int) -> Any:
    return torch.randint(0, below, shape, generator=torch.Generator().manual_seed(5))


@pytest.mark.parametrize("include_self", [True, False])
@pytest.mark.parametrize("kind", ["sum", "mean", "amax", "amin", "prod"])
def test_every_reduction(prove: Any, audio: SimpleNamespace, kind: str, include_self: bool) -> None:
    formula = _reduced(kind, include_self=include_self)
    assert prove(formula, audio.noise(12, 40), _indices(12, 40, below=9))[0] >= LEAST_DB


COMPUTED: dict[str, Callable[..., Any]] = {
    "added": lambda x, i: torch.ones(12, 9).scatter_add(1, i, x),
    "added to more rows": lambda x, i: torch.ones(15, 9).scatter_add(1, i, x),
    "added along the first axis": lambda x, i: torch.zeros(9, 45).scatter_add(0, i[:, :40], x),
    "added by one index for all": lambda x, i: torch.zeros(12, 9).scatter_add(1, i[0].expand(12, 40), x),
    "multiplied": lambda x, i: torch.ones(12, 9).scatter(1, i, x, reduce="multiply"),
    "a number added": lambda x, i: x[:, :9].scatter(1, i, 2.0, reduce="add"),
    "several axes": lambda x, i: torch.zeros(9, 10).index_put((i[0], i[0] + 1), x[0], accumulate=True),
    "counted": lambda x, i: torch.zeros(9, dtype=torch.int64).index_add(0, i[0], torch.ones(40, dtype=torch.int64)),
    "whole numbers, largest": lambda x, i: torch.zeros(12, 9, dtype=torch.int64).scatter_reduce(1, i, i * 2, "amax"),
    "put": lambda x, i: x.put(i[:, :2] * 3, torch.ones(12, 2), accumulate=True),
    "rows copied": lambda x, i: x.index_copy(0, i[0, :1] + 1, x[:1] * 2),
    "rows filled": lambda x, i: x.index_fill(1, i[0, :4], 1.5),
    "where a mask says": lambda x, i: x.masked_scatter(x > 0, torch.arange(480.0).reshape(12, 40)),
}


@pytest.mark.parametrize("kind", COMPUTED)
def test_places_that_are_computed(prove: Any, audio: SimpleNamespace, kind: str) -> None:
    snr_db, applied = prove(COMPUTED[kind], audio.noise(12, 40), _indices(12, 40, below=9))
    assert snr_db >= LEAST_DB
    assert "scattering" in applied


class Folding(torch.nn.Module):
    """Many bins folded onto few: as a matrix of 0 and 1 it would be 4 MB."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("places", torch.arange(2048) // 4)

    def forward(self, x: Any) -> Any:
        added = torch.zeros(512, 8).index_add(0, self.places, x)
        return added + torch.zeros(512, 8).scatter_add(0, self.places[:, None].expand_as(x), x * x)


def test_constant_places_are_not_spread_to_matrices(prove: Any, audio: SimpleNamespace) -> None:
    x = audio.noise(2048, 8)
    assert prove(Folding(), x)[0] >= LEAST_DB
    program = rewrite_program(torch.export.export(Folding(), (x,), strict=False)).program
    held = {id(value): value.nbytes for value in (*program.constants.values(), *program.state_dict.values())}
    assert sum(held.values()) <= 4 * 2048 * 8  # a place for each value, in 64 bits


@pytest.mark.coreml
@pytest.mark.tflite
def test_both_formats(prove_both: Any, audio: SimpleNamespace) -> None:
    def formula(x: Any, folds: Any, rows: Any, columns: Any) -> Any:
        places = (x[:, :20].abs() * 3).long().clamp(max=8)
        return (
            torch.zeros(12, 6).index_put_((torch.arange(12)[:, None], folds[None]), x, accumulate=True),
            _write(x.reshape(6, 8, 10), (rows, slice(None), columns), x[:5, :8]),
            torch.ones(12, 9).scatter_add(1, places, x[:, :20]),
            torch.ones(12, 9).scatter_reduce(1, places, x[:, :20], "amax", include_self=False),
            torch.zeros(9, dtype=torch.int64).index_add(0, places[0], torch.ones(20, dtype=torch.int64)),
            x.masked_scatter(x > 0, torch.arange(480.0).reshape(12, 40)),
        )

    found = prove_both(formula, audio.noise(12, 40), folds=FOLDS, rows=ROWS, columns=COLUMNS)
    assert min(found.values()) >= LEAST_DB


def test_truth_values_and_rows_of_whole_numbers(prove: Any, prove_both: Any, audio: SimpleNamespace) -> None:
    def formula(x: Any) -> Any:
        best = x.topk(3, -1).indices
        chosen = torch.zeros_like(x, dtype=torch.bool).scatter(-1, best, True)
        order = x[0].argsort()
        return x.masked_fill(~chosen, -5.0), torch.zeros_like(order).scatter_(0, order, torch.arange(40))

    snr_db, applied = prove(formula, audio.noise(12, 40))
    assert snr_db >= LEAST_DB
    assert "scattering" in applied
    assert min(prove_both(formula, audio.noise(12, 40)).values()) >= LEAST_DB
