from __future__ import annotations

import pytest

from evaluators.evaluation import Evaluation
from reports.comparison import Comparison, compare
from example_evaluation import make_evaluation


@pytest.fixture(scope="session")
def evaluation() -> Evaluation:
    return make_evaluation()


@pytest.fixture(scope="session")
def comparison(evaluation: Evaluation) -> Comparison:
    return compare(evaluation)
