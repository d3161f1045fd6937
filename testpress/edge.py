"""Running the command line and telling how it went: every fault becomes one message and an exit code."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import click

from device_profiles.errors import TestpressError
from testpress.cli import cli
from testpress.options import tell


def run_arguments() -> int:
    """Run what `sys.argv` says and return the exit code; `KeyboardInterrupt` is for the caller."""
    try:
        for word in (*sys.argv[1:], str(Path.cwd())):
            if any("\ud800" <= sign <= "\udfff" for sign in word):  # what Python makes of bytes it cannot decode
                tell(f"testpress: {word}: holds bytes that are no UTF-8 text; rename it")
                return 1
        result = cli.main(prog_name="testpress", standalone_mode=False)
        return result if isinstance(result, int) else 0
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1
    except click.Abort as fault:
        raise KeyboardInterrupt from fault
    except click.ClickException as fault:
        text = io.StringIO()
        fault.show(text)
        tell(text.getvalue().rstrip("\n"))
        return fault.exit_code
    except TestpressError as fault:
        tell(f"testpress: {fault}")
    except MemoryError:
        tell("testpress: this machine has not enough memory for it; close other programs, or take a smaller input")
    except OSError as fault:  # a full disk, a missing right: the user's to mend, wherever it was met
        place = f"{fault.filename}: " if fault.filename is not None else ""
        tell(f"testpress: {place}{fault.strerror or fault}")
    return 1
