"""`testpress search`: find the best bundle for each phone."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from testpress.options import (
    BROKEN,
    DEVICE,
    JSON,
    OUT,
    QUIET,
    RECIPE,
    command_line,
    distributed,
    example,
    show,
)

if TYPE_CHECKING:
    from testpress.limits import LimitsSpec


@click.command(epilog=example("testpress search testpress.toml --minutes 10"))
@RECIPE
@DEVICE
@OUT
@click.option(
    "--minutes", type=click.FloatRange(min=0, min_open=True), metavar="N", help="Stop then, with what was found so far."
)
@click.option("--minimise", metavar="METRIC", help="Ship what has least of it, in place of the recipe's [search].")
@JSON
@QUIET
@distributed
def search(
    recipe: Path,
    devices: tuple[str, ...],
    out: Path | None,
    minutes: float | None,
    minimise: str | None,
    as_json: bool,
    quiet: bool,
    limits: LimitsSpec,
    executor: str,
) -> None:
    """Find the best bundle for each phone that holds every budget.

    Every precision of the formats in [variants], or of all that the phones play, is an option. Cheap tests come first,
    and nothing is made or played that could not be chosen. Bundles and results are kept in the output folder, which a
    later search or run goes on from. Exit 3 when no bundle holds every budget on a phone.
    """
    from packager.jobs.executors import open_executor
    from testpress.progress import TerminalProgress
    from testpress.recipe import read_recipe
    from testpress.searching import text
    from testpress.searching.settling import RESULT_NAME, override_objective, search_recipe
    from testpress.work import Work, default_out

    read = read_recipe(recipe, devices=devices, limits=limits)
    if minimise is not None:
        read = override_objective(read, minimise)
    place = out or default_out(read)
    with open_executor(executor, read.limits.jobs) as opened, TerminalProgress(quiet=quiet) as progress:
        work = Work(read, place, progress, opened)
        result = search_recipe(work, command=command_line(), minutes=minutes)
    show(result.model_dump(mode="json") if as_json else text.describe(result, place / RESULT_NAME), as_json)
    sys.exit(0 if all(one.variant is not None for one in result.recommendations) else BROKEN)
