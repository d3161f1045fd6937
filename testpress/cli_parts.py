"""What all commands share: options, help's example, and how results, verdicts and annotations leave the process."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from device_profiles.text import defuse, to_json

if TYPE_CHECKING:
    from reports.comparison import Comparison

BROKEN = 3
"""exit code when a budget or regression limit broke"""

RECIPE = click.argument("recipe", type=click.Path(path_type=Path, dir_okay=False))
DEVICE = click.option("--device", "devices", multiple=True, metavar="ID", help="A phone instead of the recipe's.")
OUT = click.option("-o", "--out", type=click.Path(path_type=Path), metavar="DIR", help="Where output goes.")
BASELINE = click.option(
    "--baseline", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="An earlier evaluation.json."
)
JSON = click.option("--json", "as_json", is_flag=True, help="Write the result as JSON to standard output.")
QUIET = click.option("-q", "--quiet", is_flag=True, help="No progress.")


def example(command: str) -> str:
    """What help ends with; the sign keeps click from filling the lines."""
    return f"\b\nExample:\n  {command}"


def command_line() -> str:
    """What the user typed."""
    return shlex.join(["testpress", *sys.argv[1:]])


def show(result: Any, as_json: bool) -> None:
    """Write a result to standard output; nothing in it acts on a terminal or a CI runner."""
    click.echo(to_json(result) if as_json else defuse(result))


def tell(text: str) -> None:
    """Write a message to standard error; nothing in it acts on a terminal or a CI runner."""
    click.echo(defuse(text), err=True)


def conclude(comparison: Comparison, recipe: Path | None) -> NoReturn:
    """End by the verdict. On GitHub its annotations go to standard error, which the runner reads as well."""
    from testpress.github import annotation_lines

    for line in annotation_lines(comparison, recipe, os.environ):
        click.echo(line, err=True)
    sys.exit(BROKEN if comparison.outcome.status == "fail" else 0)
