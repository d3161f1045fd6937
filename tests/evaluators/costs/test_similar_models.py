"""Architectures that are off by factors of their own, in several sizes."""

from __future__ import annotations

import math

import numpy as np
import pytest

from evaluators.costs.similar_models import SimilarModels, Spent, fit_similar

SHARES = {
    "convolutional": ({"arithmetic": 0.8, "memory": 0.1, "ops": 0.1}, {"conv": 0.9, "elementwise": 0.1}),
    "recurrent": ({"arithmetic": 0.2, "memory": 0.5, "ops": 0.3}, {"recurrent": 0.8, "move": 0.2}),
    "attention": ({"arithmetic": 0.6, "memory": 0.3, "ops": 0.1}, {"dense": 0.5, "matmul": 0.4, "elementwise": 0.1}),
}


def spent(name: str, ms: float) -> Spent:
    parts, kinds = SHARES[name]
    return Spent(
        {part: share * ms for part, share in parts.items()}, {kind: share * ms for kind, share in kinds.items()}
    )


def fit(**off: float) -> SimilarModels:
    """Each architecture in three sizes, off by its own factor."""
    models = [(spent(name, ms), math.log(off[name])) for name in off for ms in (1.0, 2.0, 4.0)]
    return fit_similar([model for model, _ in models], np.array([log for _, log in models]))


def test_another_size_of_an_architecture_is_off_as_its_siblings() -> None:
    found = fit(convolutional=1.0, recurrent=1.5, attention=0.8)
    for name, factor in (("convolutional", 1.0), ("recurrent", 1.5), ("attention", 0.8)):
        assert math.exp(found.log_factor(spent(name, 3.0))) == pytest.approx(factor, rel=0.05)


def test_what_is_unlike_all_that_was_measured_stays() -> None:
    found = fit(convolutional=1.5, recurrent=1.5)
    assert found.log_factor(spent("attention", 2.0)) == pytest.approx(0, abs=0.01)
    assert found.log_factor(spent("convolutional", 4000.0)) == pytest.approx(0, abs=0.01)
    assert fit_similar([], np.array([])).log_factor(spent("attention", 2.0)) == 0


def test_errors_without_a_pattern_move_little() -> None:
    """Rows of one architecture that contradict each other are errors of the measurement."""
    models = [spent("attention", ms) for ms in np.linspace(1.0, 2.0, 10)]
    errors = np.log(np.tile([0.85, 1.15], 5))
    found = fit_similar(models, errors)
    assert all(abs(found.log_factor(model)) < 0.05 for model in models)


def test_one_row_says_less_than_three_that_agree() -> None:
    one = fit_similar([spent("recurrent", 2.0)], np.log([1.5]))
    assert 0 < one.log_factor(spent("recurrent", 2.0)) < fit(recurrent=1.5).log_factor(spent("recurrent", 2.0))
