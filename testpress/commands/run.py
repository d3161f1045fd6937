"""`testpress run`: package, evaluate, report and check."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from testpress.options import (
    BASELINE,
    DEVICE,
    JSON,
    OUT,
    RECIPES,
    SIGN,
    VARIANT,
    command_line,
    conclude,
    conclude_all,
    distributed,
    example,
    narrated,
    show,
)

if TYPE_CHECKING:
    from testpress.limits import LimitsSpec


@click.command(epilog=example("testpress run testpress.toml --device pixel-8"))
@RECIPES
@DEVICE
@VARIANT
@OUT
@BASELINE
@SIGN
@JSON
@narrated
@distributed
def run(
    recipes: tuple[Path, ...],
    devices: tuple[str, ...],
    only: tuple[str, ...],
    out: Path | None,
    baseline: Path | None,
    sign: Path | None,
    as_json: bool,
    quiet: bool,
    verbose: bool,
    limits: LimitsSpec,
    executor: str,
) -> None:
    """Package, evaluate, report and check: the default job.

    What is finished already is not done again, also after a kill. Where [variants] says "search", the best bundles are
    searched for first, as testpress search does. Several recipes are run one after another, on a
    cluster side by side; each has its own output folder, with -o DIR a folder in DIR. They end with one table, or one
    list of --json, and the highest exit code.
    """
    from packager.jobs.executors import open_executor
    from reports.judging.comparison import load_evaluation
    from testpress import pipeline, several, summary
    from testpress.progress import TerminalProgress
    from testpress.recipe import read_recipe
    from testpress.searching.settling import settle

    if len(recipes) > 1 and baseline is not None:
        raise click.UsageError("--baseline is one recipe's; compare the others with testpress check")
    read = [read_recipe(recipe, devices=devices, only=only, limits=limits) for recipe in recipes]
    old = load_evaluation(baseline) if baseline else None
    places = several.choose_folders(read, out)
    with (
        open_executor(executor, read[0].limits.jobs) as opened,
        TerminalProgress(quiet=quiet, verbose=verbose) as progress,
    ):
        works = [pipeline.Work(one, place, progress, opened, verbose) for one, place in zip(read, places, strict=True)]
        if len(works) > 1:
            ended = several.run_all(works, command=command_line(), sign=sign)
            show(several.as_data(ended) if as_json else several.as_text(ended), as_json)
            conclude_all([(None if one.result is None else one.result.comparison, one.path) for one in ended])
        work = settle(works[0], command=command_line())
        result = pipeline.run(work, command=command_line(), baseline=old, sign=sign)
    show(summary.run_data(result) if as_json else summary.run_text(result), as_json)
    conclude(result.comparison, recipes[0])
