"""`testpress package`: the recipe's bundles."""

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
    RECIPE,
    SIGN,
    VARIANT,
    command_line,
    distributed,
    example,
    narrated,
    show,
)

if TYPE_CHECKING:
    from testpress.limits import LimitsSpec


@click.command(epilog=example("testpress package testpress.toml -o build"))
@RECIPE
@DEVICE
@VARIANT
@OUT
@SIGN
@JSON
@narrated
@distributed
def package(
    recipe: Path,
    devices: tuple[str, ...],
    only: tuple[str, ...],
    out: Path | None,
    sign: Path | None,
    as_json: bool,
    quiet: bool,
    verbose: bool,
    limits: LimitsSpec,
    executor: str,
) -> None:
    """Make the recipe's bundles. Exit 1 when one could not be made, 3 when one breaks its precision's promise."""
    from packager.jobs.executors import open_executor
    from testpress import pipeline, summary
    from testpress.progress import TerminalProgress
    from testpress.recipe import read_recipe
    from testpress.searching.settling import settle

    read = read_recipe(recipe, devices=devices, only=only, limits=limits)
    with (
        open_executor(executor, read.limits.jobs) as opened,
        TerminalProgress(quiet=quiet, verbose=verbose) as progress,
    ):
        work = pipeline.Work(read, out or pipeline.default_out(read), progress, opened, verbose)
        outcomes = pipeline.package_recipe(settle(work, command=command_line()), sign=sign)
    show(summary.package_data(outcomes) if as_json else summary.package_text(outcomes), as_json)
    if not all(outcome.bundle for outcome in outcomes):
        sys.exit(1)
    sys.exit(BROKEN if summary.break_texts(outcomes) else 0)
