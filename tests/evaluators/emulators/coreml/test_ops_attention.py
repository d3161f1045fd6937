"""Attention against its documented formula in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from evaluators.emulators.coreml.ops import find_op
from evaluators.errors import EvaluationError

from .programs import Op, Program, write_package

TOLERANCE = 2e-6
"""absolute, for outputs of about 1: some float32 roundings of a weighted mean"""

RNG = np.random.default_rng(5)
pytestmark = pytest.mark.usefixtures("own_draws")
TARGETS, SOURCES, SIZE, VALUES = 4, 6, 8, 3


def normal(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape).astype(np.float32)


def attend(*arrays: np.ndarray, opset: str = "CoreML8") -> np.ndarray:
    function = find_op("scaled_dot_product_attention", opset, where="test").function
    return function(*(torch.from_numpy(array) for array in arrays)).numpy()


def expected(query: np.ndarray, key: np.ndarray, value: np.ndarray, mask: Any = 0.0) -> np.ndarray:
    if isinstance(mask, np.ndarray) and mask.dtype == bool:
        mask = np.where(mask, 0.0, -np.inf)
    scores = query.astype(np.float64) @ np.swapaxes(key, -1, -2) / np.sqrt(SIZE) + mask
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    return weights / weights.sum(-1, keepdims=True) @ value


def inputs(*batch: int) -> tuple[np.ndarray, ...]:
    return normal(*batch, TARGETS, SIZE), normal(*batch, SOURCES, SIZE), normal(*batch, SOURCES, VALUES)


@pytest.mark.parametrize("batch", [(2,), (2, 3), (2, 3, 2)])
def test_without_mask(batch: tuple[int, ...]) -> None:
    arrays = inputs(*batch)
    found = attend(*arrays)
    assert found.shape == (*batch, TARGETS, VALUES)
    np.testing.assert_allclose(found, expected(*arrays), rtol=0, atol=TOLERANCE)


MASKS = [(SOURCES,), (1, SOURCES), (TARGETS, SOURCES), (3, 1, SOURCES), (2, 1, TARGETS, SOURCES)]


@pytest.mark.parametrize("shape", MASKS, ids=str)
@pytest.mark.parametrize("truth", [True, False])
def test_masks_broadcast(shape: tuple[int, ...], truth: bool) -> None:
    mask = RNG.random(shape) < 0.6 if truth else normal(*shape)
    mask[..., 0] = True if truth else 0.0  # something takes part in every row
    arrays = inputs(2, 3)
    np.testing.assert_allclose(attend(*arrays, mask), expected(*arrays, mask), rtol=0, atol=TOLERANCE)


def test_one_source_is_taken_whole() -> None:
    query, key, value = inputs(1)
    mask = np.zeros(SOURCES, bool)
    mask[2] = True
    np.testing.assert_array_equal(attend(query, key, value, mask), np.broadcast_to(value[:, 2:3], (1, TARGETS, VALUES)))


@pytest.mark.parametrize("truth", [True, False])
def test_a_row_in_which_nothing_takes_part_is_not_a_number(truth: bool) -> None:
    mask = np.ones((TARGETS, SOURCES), bool) if truth else np.zeros((TARGETS, SOURCES), np.float32)
    mask[1] = False if truth else -np.inf
    found = attend(*inputs(2), mask)
    assert np.isnan(found[:, 1]).all()
    assert np.isfinite(np.delete(found, 1, 1)).all()


def test_batches_of_one_broadcast() -> None:
    query, key, value = inputs(2, 3)
    wanted = expected(query[:1], key, value[:, :1])
    np.testing.assert_allclose(attend(query[:1], key, value[:, :1]), wanted, rtol=0, atol=TOLERANCE)


def test_it_begins_with_ios18() -> None:
    with pytest.raises(EvaluationError, match="it begins with iOS 18"):
        attend(*inputs(1), opset="CoreML7")


def test_float16_is_rounded_once(tmp_path: Any) -> None:
    from evaluators.emulators.coreml import CoreMLModel

    arrays = [array.astype(np.float16) for array in inputs(2)]
    names = ("query", "key", "value")
    op = Op("scaled_dot_product_attention", {n: n for n in names}, "y", "float16", (2, TARGETS, VALUES))
    shapes = {name: ("float16", array.shape) for name, array in zip(names, arrays, strict=True)}
    program = Program([op], {"y": ("float16", (2, TARGETS, VALUES))}, shapes, "CoreML8")
    found = CoreMLModel(write_package(tmp_path, program)).predict(dict(zip(names, arrays, strict=True)))["y"]
    wide = attend(*(array.astype(np.float32) for array in arrays))
    np.testing.assert_array_equal(found, wide.astype(np.float16))
