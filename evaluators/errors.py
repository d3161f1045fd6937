"""The evaluators' root error."""

from __future__ import annotations

from device_profiles.errors import TestpressError


class EvaluationError(TestpressError):
    """A bundle, a dataset or a measurement cannot be evaluated."""


class PredictionError(EvaluationError, RuntimeError):
    """A model was loaded, and took its inputs, and could not compute. Core ML's users expect a `RuntimeError`."""
