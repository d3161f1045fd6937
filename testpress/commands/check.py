"""`testpress check`: an evaluation held against budgets and a baseline."""

from __future__ import annotations

from pathlib import Path

import click

from testpress.options import EVALUATION, JSON, Against, compared, conclude, example, show


@click.command(epilog=example("testpress check testpress-out --recipe stricter.toml"))
@EVALUATION
@compared
@click.option("--recipe", type=click.Path(path_type=Path, dir_okay=False), help="Budgets instead of those embedded.")
@JSON
def check(evaluation: Path, recipe: Path | None, against: Against, as_json: bool) -> None:
    """Hold an evaluation against its budgets and, with --baseline, an earlier one; exit 3 when one breaks."""
    from reports.judging.comparison import load_evaluation
    from testpress import summary
    from testpress.judging import judge
    from testpress.recipe import read_recipe

    old = against.open()
    budgets = read_recipe(recipe).written.budgets if recipe else None
    comparison = judge(
        load_evaluation(evaluation), evaluation, old, accept=against.accept, recipe=recipe, budgets=budgets
    )
    show(summary.check_data(comparison) if as_json else summary.judged_text(comparison), as_json)
    conclude(comparison, recipe)
