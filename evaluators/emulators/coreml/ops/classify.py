"""What makes a model a classifier. Source: iOS15/classify.py."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from evaluators.emulators.coreml.ops.registry import op
from evaluators.errors import EvaluationError


@op("classify", exact=True)
def classify(probabilities: Tensor, classes: list[Any]) -> tuple[Any, Any]:
    """The class of the largest probability, the first of equals, and the probability of each class (iOS15)."""
    values = probabilities.reshape(-1)
    if len(classes) != values.numel():
        raise EvaluationError(f"classify has {len(classes)} classes for {values.numel()} probabilities")
    return classes[int(values.argmax())], dict(zip(classes, values.tolist(), strict=True))
