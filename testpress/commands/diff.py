"""`testpress diff`: what two evaluations or two bundles differ in."""

from __future__ import annotations

from pathlib import Path

import click

from testpress.options import JSON, example, show


@click.command(epilog=example("testpress diff main/evaluation.json testpress-out/evaluation.json"))
@click.argument("before", type=click.Path(path_type=Path), metavar="A")
@click.argument("after", type=click.Path(path_type=Path), metavar="B")
@click.option("--all", "show_all", is_flag=True, help="List numbers that are the same, too.")
@JSON
def diff(before: Path, after: Path, show_all: bool, as_json: bool) -> None:
    """Say what differs between two evaluations (evaluation.json) or two bundles (folders).

    It is no verdict: the exit code is 0, whatever differs.
    """
    from testpress import differences

    found = differences.compare_paths(before, after)
    show(found.model_dump(mode="json") if as_json else differences.as_text(found, show_all=show_all), as_json)
