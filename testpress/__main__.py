"""The one place where errors become text and an exit code."""

from __future__ import annotations

import sys

import click

from device_profiles.errors import TestpressError
from testpress.cli import cli


def main() -> None:
    """Run the command: 0 good · 1 the user can mend it · 2 usage · 3 a budget or regression limit broke."""
    try:
        cli(prog_name="testpress")
    except TestpressError as fault:
        click.echo(f"testpress: {fault}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
