"""`testpress play`: a model file run on audio."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from testpress.options import CONTRACT, JSON, MODEL, QUIET, SAMPLE_RATE, SIGNATURE, example, limited, present

if TYPE_CHECKING:
    from testpress.limits import LimitsSpec


@click.command(
    epilog=example("testpress play testpress-out/bundles/coreml-float16 --audio piano.wav --notes -o outputs.npz")
)
@MODEL
@click.option("--audio", required=True, type=click.Path(path_type=Path), metavar="FILE", help="WAV, FLAC, OGG or MP3.")
@CONTRACT
@SAMPLE_RATE
@click.option(
    "--window",
    type=click.IntRange(1),
    metavar="SAMPLES",
    help="Window of a bare model file that leaves it open, or that looks like no audio.",
)
@SIGNATURE
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
    present(played, as_json)
