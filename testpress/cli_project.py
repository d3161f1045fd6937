"""Commands before and after a run: `init` writes what one needs, `diff` says what two differ in."""

from __future__ import annotations

from pathlib import Path

import click

from testpress.cli_parts import JSON, example, show


@click.command(epilog=example("testpress init --model pkg://basic_pitch/saved_models/icassp_2022/nmp --ci github"))
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), default=Path(), metavar="[DIR]")
@click.option(
    "--model", "source", metavar="SOURCE", help='A path, "pkg://package/path" or "python:module:function"; see README.'
)
@click.option(
    "--ci", "systems", multiple=True, type=click.Choice(["github", "gitlab", "none"]), help="Whose job; default: both."
)
@JSON
def init(folder: Path, source: str | None, systems: tuple[str, ...], as_json: bool) -> None:
    """Write a recipe with comments, testpress.toml, and jobs for GitHub and GitLab. Nothing is overwritten."""
    from testpress import starter

    if "none" in systems and len(set(systems)) > 1:
        raise click.UsageError("--ci none goes with no other --ci")
    wanted = tuple(system for system in systems or starter.CI_FILES if system != "none")
    made = starter.make_starter(folder, source=source, systems=wanted)
    show(made.as_data() if as_json else starter.as_text(made), as_json)


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
