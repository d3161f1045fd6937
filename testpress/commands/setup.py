"""`testpress setup`: what testpress can do beyond its packages, put into the user's cache."""

from __future__ import annotations

import click

from testpress.options import JSON, QUIET, example, show


@click.group(invoke_without_command=True, epilog=example("testpress setup arm"))
@JSON
@click.pass_context
def setup(context: click.Context, as_json: bool) -> None:
    """Say what is there of what pip does not bring, or put it into your cache folder: emulated Arm cores."""
    if context.invoked_subcommand is None:
        from testpress import arm_setup

        found = arm_setup.find_state()
        show({"arm": found.model_dump(mode="json")} if as_json else arm_setup.as_text(found), as_json)


@setup.command("arm", epilog=example("testpress setup arm"))
@JSON
@QUIET
def arm(as_json: bool, quiet: bool) -> None:
    """Set up Arm cores: `testpress run` then plays a few windows of each TFLite bundle as the phones' cores would.

    QEMU, Debian's arm64 libraries and LiteRT for Arm come through your own apt-get and pip, about 60 MB, are held
    against their SHA-256 and unpacked into TESTPRESS_CACHE (default: testpress in your cache folder). Nobody has to be
    root, nothing is installed into the system. With a C compiler, instructions are counted too. Linux on x86-64 alone.
    """
    from testpress import arm_setup
    from testpress.progress import TerminalProgress

    with TerminalProgress(quiet=quiet) as progress:
        made = arm_setup.set_up_arm(progress.stage)
    show(made.model_dump(mode="json") if as_json else arm_setup.as_text(made), as_json)
