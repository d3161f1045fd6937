"""Non-maximum suppression against its definition, written out box by box."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluators.emulators.coreml.ops import find_op

OLD = find_op("non_maximum_suppression", "CoreML5", where="here").function
NEW = find_op("non_maximum_suppression", "CoreML7", where="here").function


def overlap(one: np.ndarray, other: np.ndarray) -> float:
    """Intersection over union of two boxes, each x, y, width, height; an area is counted as a difference of edges."""
    sides = [
        max(0.0, min(a + v / 2, b + w / 2) - max(a - v / 2, b - w / 2))
        for a, v, b, w in zip(one[:2], one[2:], other[:2], other[2:], strict=True)
    ]
    shared = sides[0] * sides[1]
    return shared / (one[2] * one[3] + other[2] * other[3] - shared)


def survivors(boxes: np.ndarray, scores: np.ndarray, iou: float, score: float, per_class: bool) -> list[int]:
    best, classes = scores.max(1), scores.argmax(1)
    kept: list[int] = []
    for index in np.argsort(-best, kind="stable"):
        rivals = [k for k in kept if not per_class or classes[k] == classes[index]]
        if best[index] >= score and all(overlap(boxes[index], boxes[k]) <= iou for k in rivals):
            kept.append(int(index))
    return kept or [int(best.argmax())]


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 10**6), st.integers(1, 12), st.integers(1, 3), st.integers(1, 8), st.booleans(), st.floats(0.05, 0.9)
)
def test_the_boxes_chosen_are_those_of_the_definition(
    seed: int, number: int, classes: int, max_boxes: int, per_class: bool, iou: float
) -> None:
    generator = np.random.default_rng(seed)
    boxes = np.concatenate((generator.uniform(0, 9, (2, number, 2)), generator.uniform(1, 6, (2, number, 2))), -1)
    scores = generator.standard_normal((2, number, classes))
    found = OLD(torch.from_numpy(boxes), torch.from_numpy(scores), iou, -0.5, max_boxes, per_class)
    for image in range(2):
        kept = survivors(boxes[image], scores[image], iou, -0.5, per_class)[:max_boxes]
        empty = max_boxes - len(kept)
        assert found[3][image] == len(kept)
        assert found[2][image].tolist() == kept + [-1] * empty
        np.testing.assert_array_equal(found[0][image], np.concatenate((boxes[image][kept], np.zeros((empty, 4)))))
        np.testing.assert_array_equal(
            found[1][image], np.concatenate((scores[image][kept], np.zeros((empty, classes))))
        )


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.booleans())
def test_since_ios17_boxes_are_columns_and_no_score_is_too_low(seed: int, per_class: bool) -> None:
    generator = torch.Generator().manual_seed(seed)
    boxes, scores = torch.rand(2, 9, 4, generator=generator) + 0.1, torch.randn(2, 9, 3, generator=generator)
    old = OLD(boxes, scores, 0.3, -1e9, 5, per_class)
    new = NEW(boxes.mT, scores.mT, 0.3, 5, per_class)
    assert len(new) == 3
    assert torch.equal(new[0], old[0].mT)
    assert torch.equal(new[1], old[1].mT)
    assert torch.equal(new[2], old[2])


def test_scores_decide_and_thresholds_are_open() -> None:
    boxes = torch.tensor([[[0.0, 0, 2, 2], [1.0, 0, 2, 2], [9.0, 9, 1, 1]]])  # the first two share a third
    scores = torch.tensor([[[0.5], [0.9], [0.25]]])
    assert OLD(boxes, scores, 1 / 3 + 1e-6, 0.25, 3)[2].tolist() == [[1, 0, 2]]
    assert OLD(boxes, scores, 0.3, 0.25, 3)[2].tolist() == [[1, 2, -1]]
    assert OLD(boxes, scores, 0.3, 0.26, 3)[2].tolist() == [[1, -1, -1]]
    assert OLD(boxes, scores, 0.3, 0.25, 1)[2].tolist() == [[1]]
    half = torch.tensor([[[0.0, 0, 4, 4], [0.0, 0, 2, 4]]])  # an overlap of the threshold itself is no more than it
    assert OLD(half, scores[:, :2], 0.5, 0.0, 2)[2].tolist() == [[1, 0]]
    assert OLD(half, scores[:, :2], 0.499, 0.0, 2)[2].tolist() == [[1, -1]]


def test_where_no_score_suffices_the_best_box_is_chosen() -> None:
    boxes, scores = torch.rand(1, 4, 4), torch.tensor([[[0.1], [0.4], [0.3], [0.2]]])
    *_, indices, count = OLD(boxes, scores, 0.5, 0.8, 2)
    assert indices.tolist() == [[1, -1]]
    assert indices.dtype == count.dtype == torch.int32
    assert count.tolist() == [1]


def test_boxes_without_area_do_not_suppress_each_other() -> None:
    boxes, scores = torch.zeros(1, 2, 4), torch.tensor([[[0.1], [0.2]]])
    assert OLD(boxes, scores, 0.0, 0.0, 2)[2].tolist() == [[1, 0]]


@pytest.mark.coreml
@pytest.mark.slow
@pytest.mark.parametrize("target", ["iOS15", "iOS17"])
def test_a_program_with_suppression_runs(run_mil: Any, target: str) -> None:
    boxes = np.array([[[1.0, 1, 2, 2], [1.5, 1, 2, 2], [7, 7, 2, 2]]], np.float32)
    scores = np.array([[[0.6], [0.9], [0.7]]], np.float32)
    parameters = {"iou_threshold": 0.4, "max_boxes": 2}
    if target == "iOS15":
        parameters["score_threshold"] = 0.1
    else:
        boxes, scores = boxes.transpose(0, 2, 1).copy(), scores.transpose(0, 2, 1).copy()
    found = run_mil(
        lambda mb, boxes, scores: list(mb.non_maximum_suppression(boxes=boxes, scores=scores, **parameters)),
        {"boxes": boxes, "scores": scores},
        target,
    )
    assert found[2].tolist() == [[1, 2]]
    kept = found[0] if target == "iOS15" else found[0].transpose(0, 2, 1)
    assert kept.tolist() == [[[1.5, 1, 2, 2], [7, 7, 2, 2]]]
