"""`testpress evaluate`: bundles and model files, measured."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from testpress.options import DEVICE, JSON, RECIPE, VARIANT, command_line, distributed, example, narrated, show

if TYPE_CHECKING:
    from testpress.limits import LimitsSpec


@click.command(
    epilog=example(
        "testpress evaluate testpress.toml old/model.tflite pkg://basic_pitch/saved_models/icassp_2022/nmp.mlpackage"
    )
)
@RECIPE
@click.argument("files", nargs=-1, metavar="[BUNDLE|FILE]...")
@DEVICE
@VARIANT
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="What to write; bundles are looked for beside it.",
)
@JSON
@narrated
@distributed
def evaluate(
    recipe: Path,
    files: tuple[str, ...],
    devices: tuple[str, ...],
    only: tuple[str, ...],
    out: Path | None,
    as_json: bool,
    quiet: bool,
    verbose: bool,
    limits: LimitsSpec,
    executor: str,
) -> None:
    """Evaluate the packaged bundles, and any bundle, .tflite or .mlpackage named beside them."""
    from device_profiles.record import dump_json
    from evaluators.errors import EvaluationError
    from packager.jobs.executors import open_executor
    from packager.storage import write_text_atomically
    from testpress import pipeline, summary
    from testpress.progress import TerminalProgress
    from testpress.recipe import read_recipe
    from testpress.searching.settling import settle

    read = read_recipe(recipe, devices=devices, only=only, limits=limits)
    path = out or pipeline.default_out(read) / pipeline.EVALUATION_NAME
    with (
        open_executor(executor, read.limits.jobs) as opened,
        TerminalProgress(quiet=quiet, verbose=verbose) as progress,
    ):
        work = pipeline.Work(read, path.parent, progress, opened, verbose)
        settled = settle(work, command=command_line(), searches=False)
        evaluation = pipeline.evaluate_recipe(settled, files, command=command_line())
    write_text_atomically(path, dump_json(evaluation))
    show(evaluation.model_dump(mode="json") if as_json else summary.evaluation_text(evaluation, path), as_json)
    if (nothing := summary.describe_nothing(evaluation)) is not None:
        raise EvaluationError(nothing)
