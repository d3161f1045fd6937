"""`testpress inspect`: what a model file or bundle holds, and what its ops do at work."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from testpress.options import CONTRACT, JSON, MODEL, QUIET, SAMPLE_RATE, SIGNATURE, example, limited, present

if TYPE_CHECKING:
    from testpress.limits import LimitsSpec


@click.command(epilog=example("testpress inspect testpress-out/bundles/coreml-float32 --ranges --audio piano.wav"))
@MODEL
@click.option("--ranges", is_flag=True, help="Run the model: the range of every op, and if float16 can hold it.")
@click.option(
    "--against", metavar="FILE", help="Run two models of one format: where FILE's values and those of the other part."
)
@click.option(
    "--audio",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="What to run on; else a bundle's golden inputs, or random values.",
)
@CONTRACT
@SAMPLE_RATE
@SIGNATURE
@click.option("--all", "show_all", is_flag=True, help="List every op that ran, not only the twenty that matter most.")
@JSON
@QUIET
@limited
def inspect(
    file: str,
    ranges: bool,
    signature: str | None,
    show_all: bool,
    as_json: bool,
    quiet: bool,
    limits: LimitsSpec,
    **options: Any,
) -> None:
    """Show what is in a .tflite, .mlpackage, .mlmodel or bundle: inputs, outputs, ops, precision, floor.

    With --ranges or --against, show what its ops do at work instead. Exit 1 when a file of a bundle is not what its
    manifest says.
    """
    if _watches(ranges, show_all, **options):
        if signature is not None:
            raise click.UsageError(
                "--signature does not go with --ranges and --against, which run the default function"
            )
        _watch(file, show_all, as_json, quiet, limits, **options)
        return
    from testpress import sandbox

    present(sandbox.inspect_file(file, limits, signature), as_json)


def _watches(ranges: bool, show_all: bool, **options: Any) -> bool:
    """Whether `inspect` is to run the model; what makes no sense together is refused."""
    if ranges and options["against"] is not None:
        raise click.UsageError("--ranges watches one model and --against two; give one of them")
    if ranges or options["against"] is not None:
        if options["audio"] is None and (options["recipe"] or options["sample_rate"]):
            raise click.UsageError("--recipe and --sample-rate say how --audio is heard; give --audio")
        return True
    if show_all or any(value is not None for value in options.values()):
        raise click.UsageError("--audio, --recipe, --sample-rate and --all go with --ranges or --against")
    return False


def _watch(file: str, show_all: bool, as_json: bool, quiet: bool, limits: LimitsSpec, **options: Any) -> None:
    from testpress import sandbox
    from testpress.progress import TerminalProgress

    with TerminalProgress(quiet=quiet) as progress:
        found = sandbox.watch_file(file, {**options, "show_all": show_all}, limits, partial(progress.stage, "run"))
    present(found, as_json)
