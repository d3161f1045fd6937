from __future__ import annotations

import pytest

from evaluators.evaluation import Evaluation
from reports.judging.comparison import Comparison, compare
from tests.reports.example_evaluation import make_evaluation
from tests.reports.hostile_evaluation import make_hostile


@pytest.fixture(scope="session")
def evaluation() -> Evaluation:
    return make_evaluation()


@pytest.fixture(scope="session")
def comparison(evaluation: Evaluation) -> Comparison:
    return compare(evaluation)


@pytest.fixture(scope="session")
def small(evaluation: Evaluation) -> Comparison:
    """One good bundle, one that breaks a budget and one that failed: small enough for golden files."""
    kept = tuple(evaluation.variants[number] for number in (1, 4, -1))
    return compare(evaluation.model_copy(update={"variants": kept}))


@pytest.fixture(scope="session")
def hostile(evaluation: Evaluation) -> Comparison:
    """Every text that comes from outside is an attack, too long, or written from right to left."""
    return compare(make_hostile(evaluation))
