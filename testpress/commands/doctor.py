"""`testpress doctor`: what is installed."""

from __future__ import annotations

import sys

import click

from testpress.options import JSON, example, show


@click.command(epilog=example("testpress doctor"))
@JSON
def doctor(as_json: bool) -> None:
    """Say what is installed, what each missing part costs, and how to get it.

    Exit 1 when no recipe can run; what the demo or an option lacks is told, and no fault.
    """
    from testpress import diagnosis

    found = diagnosis.diagnose()
    show(found.as_data() if as_json else diagnosis.as_text(found), as_json)
    sys.exit(0 if found.ready else 1)
