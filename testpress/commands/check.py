"""`testpress check`: an evaluation held against budgets and a baseline."""

from __future__ import annotations

from pathlib import Path

import click

from testpress.options import BASELINE, EVALUATION, JSON, conclude, example, show


@click.command(epilog=example("testpress check testpress-out --recipe stricter.toml"))
@EVALUATION
@BASELINE
@click.option("--recipe", type=click.Path(path_type=Path, dir_okay=False), help="Budgets instead of those embedded.")
@JSON
def check(evaluation: Path, baseline: Path | None, recipe: Path | None, as_json: bool) -> None:
    """Hold an evaluation against its budgets; exit 3 when one breaks."""
    from reports.judging.comparison import compare, load_evaluation
    from testpress import summary
    from testpress.recipe import read_recipe

    old = load_evaluation(baseline) if baseline else None
    budgets = read_recipe(recipe).written.budgets if recipe else None
    comparison = compare(load_evaluation(evaluation), old, budgets=budgets)
    show(summary.check_data(comparison) if as_json else summary.judged_text(comparison), as_json)
    conclude(comparison, recipe)
