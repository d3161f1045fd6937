"""The command: parse, call one function, write, say where. Only the stages that need a framework import it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

import testpress
from testpress.cli_bundle import verify
from testpress.cli_model import inspect, latency, play
from testpress.cli_parts import (
    BASELINE,
    BROKEN,
    DEVICE,
    JSON,
    OUT,
    QUIET,
    RECIPE,
    SIGN,
    command_line,
    conclude,
    example,
    limited,
    show,
)
from testpress.cli_project import diff, init

if TYPE_CHECKING:
    from testpress.limits import LimitsSpec


@click.group(
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=example("testpress run examples/basic_pitch/testpress.toml"),
)
@click.version_option(testpress.__version__, prog_name="testpress")
def cli() -> None:
    """Package audio models for phones, play them on emulated targets, judge them before release.

    Exit codes: 0 good, 1 something to mend (the message says what), 2 usage, 3 a budget, promise or regression
    limit broke.
    """


@cli.command(epilog=example("testpress run testpress.toml --device pixel-8"))
@RECIPE
@DEVICE
@OUT
@BASELINE
@SIGN
@JSON
@QUIET
@limited
def run(
    recipe: Path,
    devices: tuple[str, ...],
    out: Path | None,
    baseline: Path | None,
    sign: Path | None,
    as_json: bool,
    quiet: bool,
    limits: LimitsSpec,
) -> None:
    """Package, evaluate, report and check: the default job.

    What is finished already is not done again, also after a kill.
    """
    from reports.comparison import load_evaluation
    from testpress import pipeline, summary
    from testpress.progress import TerminalProgress
    from testpress.recipe import read_recipe

    read, old = read_recipe(recipe, devices=devices, limits=limits), load_evaluation(baseline) if baseline else None
    where = out or pipeline.default_out(read)
    with TerminalProgress(quiet=quiet) as progress:
        result = pipeline.run(read, where, progress, command=command_line(), baseline=old, sign=sign)
    show(summary.run_data(result) if as_json else summary.run_text(result), as_json)
    conclude(result.comparison, recipe)


@cli.command(epilog=example("testpress package testpress.toml -o build"))
@RECIPE
@DEVICE
@OUT
@SIGN
@JSON
@QUIET
@limited
def package(
    recipe: Path,
    devices: tuple[str, ...],
    out: Path | None,
    sign: Path | None,
    as_json: bool,
    quiet: bool,
    limits: LimitsSpec,
) -> None:
    """Make the recipe's bundles. Exit 1 when one could not be made, 3 when one breaks its precision's promise."""
    from testpress import pipeline, summary
    from testpress.progress import TerminalProgress
    from testpress.recipe import read_recipe

    read = read_recipe(recipe, devices=devices, limits=limits)
    with TerminalProgress(quiet=quiet) as progress:
        outcomes = pipeline.package_recipe(read, out or pipeline.default_out(read), progress, sign=sign)
    show(summary.package_data(outcomes) if as_json else summary.package_text(outcomes), as_json)
    if not all(outcome.bundle for outcome in outcomes):
        sys.exit(1)
    sys.exit(BROKEN if summary.break_texts(outcomes) else 0)


@cli.command(
    epilog=example(
        "testpress evaluate testpress.toml old/model.tflite pkg://basic_pitch/saved_models/icassp_2022/nmp.mlpackage"
    )
)
@RECIPE
@click.argument("files", nargs=-1, metavar="[BUNDLE|FILE]...")
@DEVICE
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="What to write; bundles are looked for beside it.",
)
@JSON
@QUIET
@limited
def evaluate(
    recipe: Path,
    files: tuple[str, ...],
    devices: tuple[str, ...],
    out: Path | None,
    as_json: bool,
    quiet: bool,
    limits: LimitsSpec,
) -> None:
    """Evaluate the packaged bundles, and any bundle, .tflite or .mlpackage named beside them."""
    from device_profiles.record import dump_json
    from evaluators.errors import EvaluationError
    from packager.storage import write_text_atomically
    from testpress import pipeline, summary
    from testpress.progress import TerminalProgress
    from testpress.recipe import read_recipe

    read = read_recipe(recipe, devices=devices, limits=limits)
    path = out or pipeline.default_out(read) / pipeline.EVALUATION_NAME
    with TerminalProgress(quiet=quiet) as progress:
        evaluation = pipeline.evaluate_recipe(read, path.parent, files, progress, command=command_line())
    write_text_atomically(path, dump_json(evaluation))
    show(evaluation.model_dump(mode="json") if as_json else summary.evaluation_text(evaluation, path), as_json)
    if (nothing := summary.describe_nothing(evaluation)) is not None:
        raise EvaluationError(nothing)


@cli.command(epilog=example("testpress report testpress-out/evaluation.json --baseline main/evaluation.json"))
@click.argument("evaluation", type=click.Path(path_type=Path, dir_okay=False))
@BASELINE
@OUT
@JSON
def report(evaluation: Path, baseline: Path | None, out: Path | None, as_json: bool) -> None:
    """Write report.html, report.md, comment.md, junit.xml, metrics.txt and drift/*.json of an evaluation."""
    from reports.comparison import load_evaluation
    from reports.write import write_report
    from testpress import summary

    old = load_evaluation(baseline) if baseline else None
    out = out or evaluation.parent / "report"
    paths = write_report(load_evaluation(evaluation), out, baseline=old, folder=evaluation.parent)
    show(summary.report_data(paths) if as_json else str(paths.html), as_json)


@cli.command(epilog=example("testpress check testpress-out/evaluation.json --recipe stricter.toml"))
@click.argument("evaluation", type=click.Path(path_type=Path, dir_okay=False))
@BASELINE
@click.option("--recipe", type=click.Path(path_type=Path, dir_okay=False), help="Budgets instead of those embedded.")
@JSON
def check(evaluation: Path, baseline: Path | None, recipe: Path | None, as_json: bool) -> None:
    """Hold an evaluation against its budgets; exit 3 when one breaks."""
    from reports.comparison import compare, load_evaluation
    from testpress import summary
    from testpress.recipe import read_recipe

    old = load_evaluation(baseline) if baseline else None
    budgets = read_recipe(recipe).written.budgets if recipe else None
    comparison = compare(load_evaluation(evaluation), old, budgets=budgets)
    show(summary.check_data(comparison) if as_json else summary.check_text(comparison), as_json)
    conclude(comparison, recipe)


@cli.command(epilog=example("testpress devices pixel-8"))
@click.argument("device", required=False, metavar="[ID]")
@JSON
def devices(device: str | None, as_json: bool) -> None:
    """List the phones there are, or show one (ID, or a profile's .toml) with the source of each number."""
    from device_profiles.profile import profile_ids, read_profile
    from testpress import phones

    if device is None:
        profiles = [read_profile(identifier) for identifier in profile_ids()]
        show([p.model_dump(mode="json") for p in profiles] if as_json else phones.list_text(profiles), as_json)
    else:
        profile = read_profile(device)
        show(profile.model_dump(mode="json") if as_json else phones.phone_text(profile), as_json)


@cli.command(epilog=example("testpress doctor"))
@JSON
def doctor(as_json: bool) -> None:
    """Say what is installed, what each missing part costs, and how to get it.

    Exit 1 when the default job cannot run.
    """
    from testpress import diagnosis

    found = diagnosis.diagnose()
    show(found.as_data() if as_json else diagnosis.as_text(found), as_json)
    sys.exit(0 if found.ready else 1)


for _command in (init, diff, verify, inspect, latency, play):
    cli.add_command(_command)
