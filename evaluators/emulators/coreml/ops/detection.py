"""Boxes chosen among overlapping ones. Source: tensor_operation.py of iOS15 and iOS17.

Where fewer boxes survive than asked for, the rest is padded; with zeros, and indices of -1. Where none reaches the
score threshold, the best one is chosen all the same. Source: `_ref_non_maximum_suppression`, which coremltools' tests
call the reference of Core ML's op.
"""

from __future__ import annotations

import torch
from torch import Tensor

from evaluators.emulators.coreml.ops.registry import op
from evaluators.emulators.coreml.sizes import check_size
from evaluators.errors import EvaluationError


@op("non_maximum_suppression", exact=True)
def non_maximum_suppression(
    boxes: Tensor,
    scores: Tensor,
    iou_threshold: float,
    score_threshold: float,
    max_boxes: int,
    per_class_suppression: bool = False,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Boxes `(n, B, 4)` in the order of their scores `(n, B, K)`, without those that overlap a better one (iOS15).

    Returns the boxes, their scores, their indices, and how many there are.
    """
    if boxes.ndim != 3 or boxes.shape[2] != 4 or scores.ndim != 3 or scores.shape[:2] != boxes.shape[:2]:
        raise EvaluationError(
            f"non_maximum_suppression has boxes of shape {list(boxes.shape)} and scores of {list(scores.shape)};"
            " expected [n, boxes, 4] and [n, boxes, classes]"
        )
    chosen = [
        _chosen(box, score, iou_threshold, score_threshold, max_boxes, per_class_suppression)
        for box, score in zip(boxes, scores, strict=True)
    ]
    counts = torch.tensor([len(index) for index in chosen], dtype=torch.int32)
    indices = _stacked([index.int() for index in chosen], max_boxes, -1)
    picked = (
        _stacked([rows[index] for rows, index in zip(x, chosen, strict=True)], max_boxes, 0) for x in (boxes, scores)
    )
    return (*picked, indices, counts)  # type: ignore[return-value]  # two from the generator


@op("non_maximum_suppression", since=17, exact=True)
def non_maximum_suppression_of_columns(
    boxes: Tensor, scores: Tensor, iou_threshold: float, max_boxes: int, per_class_suppression: bool = False
) -> tuple[Tensor, Tensor, Tensor]:
    """As before with boxes `(n, 4, B)` and scores `(n, K, B)`, no score threshold and no count (iOS17)."""
    if min(boxes.ndim, scores.ndim) < 2:
        raise EvaluationError(
            f"non_maximum_suppression has boxes of shape {list(boxes.shape)} and scores of {list(scores.shape)};"
            " expected [n, 4, boxes] and [n, classes, boxes]"
        )
    picked, picked_scores, indices, _ = non_maximum_suppression(
        boxes.mT, scores.mT, iou_threshold, -torch.inf, max_boxes, per_class_suppression
    )
    return picked.mT, picked_scores.mT, indices


def _chosen(
    boxes: Tensor, scores: Tensor, iou_threshold: float, score_threshold: float, max_boxes: int, per_class: bool
) -> Tensor:
    """The indices of the boxes chosen for one image, best first."""
    best, classes = scores.max(1)
    order = torch.argsort(best, descending=True, stable=True)
    open_ = best >= score_threshold
    found: list[Tensor] = []
    for index in order[open_[order]]:
        if len(found) == max_boxes:
            break
        if open_[index]:
            found.append(index)
            rivals = overlaps(boxes, boxes[index]) > iou_threshold
            open_ = open_ & ~(rivals & (classes == classes[index]) if per_class else rivals)
    return torch.stack(found) if found else order[: min(1, max_boxes)]


def overlaps(boxes: Tensor, box: Tensor) -> Tensor:
    """Intersection over union of each of `boxes` `(B, 4)` with one box; all as centre x, centre y, width, height."""
    half = boxes[:, 2:] / 2
    low = torch.maximum(boxes[:, :2] - half, box[:2] - box[2:] / 2)
    high = torch.minimum(boxes[:, :2] + half, box[:2] + box[2:] / 2)
    shared = (high - low).clamp(min=0).prod(1)
    return shared / (boxes[:, 2:].prod(1) + box[2:].prod() - shared)


def _stacked(rows: list[Tensor], length: int, filler: int) -> Tensor:
    """The rows in one tensor, each filled up to `length`."""
    shape = (len(rows), length, *rows[0].shape[1:])
    check_size(shape)
    result = rows[0].new_full(shape, filler)
    for place, row in zip(result, rows, strict=True):
        place[: len(row)] = row
    return result
