"""The command: parse, call one function, write, say where. Only the stages that need a framework import it."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import testpress
from testpress.cli_bundle import verify
from testpress.cli_parts import (
    BASELINE,
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
    tell,
)
from testpress.cli_project import diff, init

if TYPE_CHECKING:
    from testpress.limits import LimitsSpec
    from testpress.sandbox import Found


@click.group(
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=example("testpress run examples/basic_pitch/testpress.toml"),
)
@click.version_option(testpress.__version__, prog_name="testpress")
def cli() -> None:
    """Package audio models for phones, play them on emulated targets, judge them before release.

    Exit codes: 0 good, 1 something to mend (the message says what), 2 usage, 3 a budget or regression limit broke.
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
    """Make the recipe's bundles. Exit 1 when one could not be made."""
    from testpress import pipeline, summary
    from testpress.progress import TerminalProgress
    from testpress.recipe import read_recipe

    read = read_recipe(recipe, devices=devices, limits=limits)
    with TerminalProgress(quiet=quiet) as progress:
        outcomes = pipeline.package_recipe(read, out or pipeline.default_out(read), progress, sign=sign)
    show(summary.package_data(outcomes) if as_json else summary.package_text(outcomes), as_json)
    sys.exit(0 if all(outcome.bundle for outcome in outcomes) else 1)


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


_MODEL = click.argument("file", metavar="FILE")


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


@cli.command(epilog=example("testpress inspect testpress-out/bundles/coreml-float32 --ranges --audio piano.wav"))
@_MODEL
@click.option("--ranges", is_flag=True, help="Run a Core ML model: the range of every op, and if float16 can hold it.")
@click.option(
    "--against", metavar="FILE", help="Run two Core ML models: where FILE's values and those of the other part."
)
@click.option("--audio", type=click.Path(path_type=Path), metavar="FILE", help="What to run on; else random values.")
@click.option("--recipe", type=click.Path(path_type=Path, dir_okay=False), help="Audio contract of a bare model file.")
@click.option("--sample-rate", type=click.IntRange(1), metavar="HZ", help="Rate a bare model file hears at.")
@click.option("--all", "show_all", is_flag=True, help="List every op that ran, not only the twenty that matter most.")
@JSON
@QUIET
@limited
def inspect(
    file: str, ranges: bool, show_all: bool, as_json: bool, quiet: bool, limits: LimitsSpec, **options: Any
) -> None:
    """Show what is in a .tflite, .mlpackage, .mlmodel or bundle: inputs, outputs, ops, precision, floor.

    With --ranges or --against, show what its ops do at work instead. Exit 1 when a file of a bundle is not what its
    manifest says.
    """
    if _watches(ranges, show_all, **options):
        _watch(file, show_all, as_json, quiet, limits, **options)
        return
    from testpress import sandbox

    _present(sandbox.inspect_file(file, limits), as_json)


@cli.command(
    epilog=example("testpress latency testpress-out/bundles/tflite-float32 --device pixel-8 --device galaxy-a14")
)
@_MODEL
@click.option("--device", "devices", multiple=True, required=True, metavar="ID", help="A phone; may be given again.")
@click.option("--all", "show_all", is_flag=True, help="List every op, not only the ten dearest.")
@JSON
@limited
def latency(file: str, devices: tuple[str, ...], show_all: bool, as_json: bool, limits: LimitsSpec) -> None:
    """Predict latency and memory of a model on phones, with intervals, and which ops cost most. Nothing is run."""
    from testpress import sandbox

    options = {"devices": devices, "show_all": show_all}
    _present(sandbox.predict_file(file, options, limits), as_json)


@cli.command(
    epilog=example("testpress play testpress-out/bundles/coreml-float16 --audio piano.wav --notes -o outputs.npz")
)
@_MODEL
@click.option("--audio", required=True, type=click.Path(path_type=Path), metavar="FILE", help="WAV, FLAC, OGG or MP3.")
@click.option("--recipe", type=click.Path(path_type=Path, dir_okay=False), help="Audio contract of a bare model file.")
@click.option("--sample-rate", type=click.IntRange(1), metavar="HZ", help="Rate a bare model file hears at.")
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


for _command in (init, diff, verify):
    cli.add_command(_command)
