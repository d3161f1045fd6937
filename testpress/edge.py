"""Running the command line and telling how it went: every fault becomes one message and an exit code."""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from device_profiles.errors import TestpressError
from testpress.cli import cli
from testpress.options import Output, show_error, tell


def run_arguments() -> int:
    """Run what `sys.argv` says and return the exit code; `KeyboardInterrupt` is for the caller.

    Under `--json` what went wrong is also the one object on standard output, unless a result is there already.
    """
    output = Output()
    try:
        for word in (*sys.argv[1:], str(Path.cwd())):
            if any("\ud800" <= sign <= "\udfff" for sign in word):  # what Python makes of bytes it cannot decode
                return _end(f"{word}: holds bytes that are no UTF-8 text; rename it", output)
        result = cli.main(prog_name="testpress", standalone_mode=False, obj=output)
        return result if isinstance(result, int) else 0
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1
    except click.Abort as fault:
        raise KeyboardInterrupt from fault
    except click.ClickException as fault:
        text = io.StringIO()
        fault.show(text)
        return _end(fault.format_message(), output, code=fault.exit_code, shown=text.getvalue().rstrip("\n"))
    except TestpressError as fault:
        return _end(str(fault), output)
    except MemoryError:
        message = "this machine has not enough memory for it; close other programs, or take a smaller input"
        return _end(message, output)
    except OSError as fault:  # a full disk, a missing right: the user's to mend, wherever it was met
        place = f"{fault.filename}: " if fault.filename is not None else ""
        return _end(f"{place}{fault.strerror or fault}", output)


def _end(message: str, output: Output, *, code: int = 1, shown: str | None = None) -> int:
    """Tell what went wrong, in `shown` where that has more for people, and return the exit code."""
    tell(f"testpress: {message}" if shown is None else shown)
    if not output.has_result and _wants_json(sys.argv[1:]):
        with contextlib.suppress(OSError):  # where it cannot be written, `_flush` tells that at the end
            show_error(message, code)
    return code


def _wants_json(words: Sequence[str]) -> bool:
    return "--json" in (words[: words.index("--")] if "--" in words else words)
