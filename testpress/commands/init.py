"""`testpress init`: a recipe to fill in, and jobs for CI."""

from __future__ import annotations

from pathlib import Path

import click

from testpress.options import JSON, example, show


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
