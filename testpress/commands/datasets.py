"""`testpress datasets`: labelled audio that is made of packages in public registries."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from testpress.options import JSON, QUIET, example, limited, show

if TYPE_CHECKING:
    from testpress.limits import LimitsSpec

_NAME = click.argument("name", metavar="NAME")
_OPTION = click.option(
    "--option", "settings", multiple=True, metavar="KEY=VALUE", help="As dataset_options in a recipe: codec=gsm."
)


@click.group(
    invoke_without_command=True,
    subcommand_metavar="[show|fetch] [NAME]",
    epilog=example("testpress datasets fetch speech-prompts-en --option codec=gsm"),
)
@JSON
@click.pass_context
def datasets(context: click.Context, as_json: bool) -> None:
    """List the labelled audio that recipes can name as dataset = "builtin:NAME", show one, or fetch it.

    Packages come through your own apt-get and pip, are held against their SHA-256, and are kept with what is made of
    them in TESTPRESS_CACHE (default: testpress in your cache folder). A run fetches what it needs by itself.
    """
    if context.invoked_subcommand is None:
        from testpress import datasets as found

        listed = found.list_datasets()
        show([one.model_dump(mode="json") for one in listed] if as_json else found.list_text(listed), as_json)


@datasets.command("show", epilog=example("testpress datasets show speech-prompts-en"))
@_NAME
@_OPTION
@JSON
def show_dataset(name: str, settings: tuple[str, ...], as_json: bool) -> None:
    """Show one: labels and their rules, options, licence, packages, and where it lies."""
    from testpress import datasets as found

    described = found.describe_dataset(name, found.parse_settings(settings))
    show(described.model_dump(mode="json") if as_json else found.dataset_text(described), as_json)


@datasets.command("fetch", epilog=example("testpress datasets fetch keyboard-noise"))
@_NAME
@_OPTION
@JSON
@QUIET
@limited
def fetch_dataset(name: str, settings: tuple[str, ...], as_json: bool, quiet: bool, limits: LimitsSpec) -> None:
    """Fetch and make one now, for example before the network is gone; what is there is not fetched again."""
    from testpress import datasets as found
    from testpress.progress import TerminalProgress

    with TerminalProgress(quiet=quiet) as progress:
        made = found.fetch_dataset(name, found.parse_settings(settings), limits, progress.stage)
    show(made.model_dump(mode="json") if as_json else found.made_text(made), as_json)
