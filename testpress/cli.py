"""The command: a verb is a file of `commands`, with a function of its name that parses, calls one function, writes."""

from __future__ import annotations

import importlib
from pathlib import Path

import click

import testpress
from testpress.options import example

_ROOM = Path(__file__).with_name("commands")


class _Verbs(click.Group):
    """Commands are listed by their files' names, and imported when one is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  (its caller is Click)
        return sorted(path.stem for path in _ROOM.glob("[a-z]*.py"))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.list_commands(ctx):
            return None
        command: click.Command = getattr(importlib.import_module(f"testpress.commands.{cmd_name}"), cmd_name)
        return command


@click.group(
    cls=_Verbs,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=example("testpress run examples/basic_pitch/testpress.toml"),
)
@click.version_option(testpress.__version__, prog_name="testpress")
def cli() -> None:
    """Package audio models for phones, play them on emulated targets, judge them before release.

    Exit codes: 0 good, 1 something to mend (the message says what), 2 usage, 3 a budget, promise or regression
    limit broke.
    """
