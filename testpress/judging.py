"""An evaluation judged as a command is asked to: against a baseline, with what was accepted since."""

from __future__ import annotations

from pathlib import Path

from evaluators.evaluation import Evaluation
from reports.judging.budgets import Budget
from reports.judging.comparison import Comparison, compare
from testpress.acceptances import choose_file, open_acceptance
from testpress.baselines import Baseline


def judge(
    evaluation: Evaluation,
    place: Path,
    baseline: Baseline | None,
    *,
    accept: Path | None = None,
    recipe: Path | None = None,
    budgets: tuple[Budget, ...] | None = None,
) -> Comparison:
    """Judge an evaluation.

    Args:
        evaluation: What was found.
        place: Its file.
        baseline: What it is compared with.
        accept: The file of accepted changes; default: the one beside the recipe, where it is there.
        recipe: The recipe, where it is known; else that of the evaluation's command.
        budgets: Default: those of the recipe the evaluation was made from.

    Raises:
        ReportError: The file of accepted changes is malformed, a budget cannot be applied, or the baseline is of
            another model.
    """
    acceptance = open_acceptance(accept, choose_file(evaluation, place, recipe))
    old = None if baseline is None else baseline.evaluation
    return compare(evaluation, old, budgets=budgets, acceptance=acceptance)
