from __future__ import annotations

import pytest
from example_evaluation import make_evaluation

from evaluators.evaluation import Evaluation
from reports.comparison import Comparison, compare


@pytest.fixture(scope="session")
def evaluation() -> Evaluation:
    return make_evaluation()


@pytest.fixture(scope="session")
def comparison(evaluation: Evaluation) -> Comparison:
    return compare(evaluation)
