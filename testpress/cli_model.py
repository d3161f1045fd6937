"""Commands for one model file or bundle: `inspect`, `latency` and `play`, all by way of a worker."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from testpress.cli_parts import JSON, QUIET, example, limited, show, tell

if TYPE_CHECKING:
    from testpress.limits import LimitsSpec
    from testpress.sandbox import Found

_MODEL = click.argument("file", metavar="FILE")
_RECIPE = click.option(
    "--recipe", type=click.Path(path_type=Path, dir_okay=False), help="Audio contract of a bare model file."
)
_SIGNATURE = click.option(
    "--signature", metavar="NAME", help="Which signature (TFLite) or function (Core ML) of a file with several."
)
_RATE = click.option("--sample-rate", type=click.IntRange(1), metavar="HZ", help="Rate a bare model file hears at.")


@click.command(epilog=example("testpress inspect testpress-out/bundles/coreml-float32 --ranges --audio piano.wav"))
@_MODEL
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
@_RECIPE
@_RATE
@_SIGNATURE
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

    _present(sandbox.inspect_file(file, limits, signature), as_json)


@click.command(
    epilog=example("testpress latency testpress-out/bundles/tflite-float32 --device pixel-8 --device galaxy-a14")
)
@_MODEL
@click.option("--device", "devices", multiple=True, required=True, metavar="ID", help="A phone; may be given again.")
@_SIGNATURE
@click.option("--window", type=click.IntRange(1), metavar="SAMPLES", help="Length of what the file leaves open.")
@click.option("--all", "show_all", is_flag=True, help="List every op, not only the ten dearest.")
@JSON
@limited
def latency(file: str, as_json: bool, limits: LimitsSpec, **options: Any) -> None:
    """Predict latency and memory of a model on phones, with intervals, and which ops cost most.

    No phone is asked. A Core ML model of open length is run once on zeros of that length, to know its sizes: of
    --window, or of its default.
    """
    from testpress import sandbox

    _present(sandbox.predict_file(file, options, limits), as_json)


@click.command(
    epilog=example("testpress play testpress-out/bundles/coreml-float16 --audio piano.wav --notes -o outputs.npz")
)
@_MODEL
@click.option("--audio", required=True, type=click.Path(path_type=Path), metavar="FILE", help="WAV, FLAC, OGG or MP3.")
@_RECIPE
@_RATE
@click.option(
    "--window",
    type=click.IntRange(1),
    metavar="SAMPLES",
    help="Window of a bare model file that leaves it open, or that looks like no audio.",
)
@_SIGNATURE
@click.option("--notes", is_flag=True, help="Find note events in the outputs note and onset.")
@click.option("-o", "--out", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Outputs as .npz.")
@JSON
@QUIET
@limited
def play(file: str, out: Path | None, as_json: bool, quiet: bool, limits: LimitsSpec, **options: Any) -> None:
    """Run a bundle, .tflite, .mlpackage or .mlmodel on audio, on this machine."""
    from testpress import sandbox
    from testpress.progress import TerminalProgress

    with TerminalProgress(quiet=quiet) as progress:
        on_step = partial(progress.stage, "play")
        played = sandbox.play_file(file, {**options, "out": out}, limits, on_step)
    _present(played, as_json)


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
    _present(found, as_json)


def _present(found: Found, as_json: bool) -> None:
    """Show what a worker found; exit 1 when something is wrong with the file."""
    show(found.data if as_json else found.text, as_json)
    if found.fault is not None:
        tell(f"testpress: {found.fault}")
        sys.exit(1)
