"""The command: parse, call one function, write, say where. Only the stages that need a framework import it."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import Any

import click

import testpress

BROKEN = 3
"""exit code when a budget or regression limit broke"""

_RECIPE = click.argument("recipe", type=click.Path(path_type=Path, dir_okay=False))
_DEVICE = click.option("--device", "devices", multiple=True, metavar="ID", help="A phone instead of the recipe's.")
_OUT = click.option("-o", "--out", type=click.Path(path_type=Path), metavar="DIR", help="Where output goes.")
_JSON = click.option("--json", "as_json", is_flag=True, help="Write the result as JSON to standard output.")
_QUIET = click.option("-q", "--quiet", is_flag=True, help="No progress.")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(testpress.__version__, prog_name="testpress")
def cli() -> None:
    r"""Package audio models for phones, play them on emulated targets, judge them before release.

    \b
    Example:
      testpress run examples/basic_pitch/testpress.toml

    Exit codes: 0 good, 1 something to mend (the message says what), 2 usage, 3 a budget or regression limit broke.
    """


@cli.command()
@_RECIPE
@_DEVICE
@_OUT
@_JSON
@_QUIET
def run(recipe: Path, devices: tuple[str, ...], out: Path | None, as_json: bool, quiet: bool) -> None:
    r"""Package, evaluate, report and check: the default job.

    What is finished already is not done again, also after a kill.

    \b
    Example:
      testpress run testpress.toml --device pixel-8
    """
    from testpress import pipeline, summary
    from testpress.progress import TerminalProgress
    from testpress.recipe import read_recipe

    read = read_recipe(recipe, devices=devices)
    with TerminalProgress(quiet=quiet) as progress:
        result = pipeline.run(read, out or pipeline.default_out(read), progress, command=_command())
    _print(summary.run_data(result) if as_json else summary.run_text(result), as_json)
    sys.exit(BROKEN if result.comparison.outcome.status == "fail" else 0)


@cli.command()
@_RECIPE
@_DEVICE
@_OUT
@_JSON
@_QUIET
def package(recipe: Path, devices: tuple[str, ...], out: Path | None, as_json: bool, quiet: bool) -> None:
    r"""Make the recipe's bundles. Exit 1 when one could not be made.

    \b
    Example:
      testpress package testpress.toml -o build
    """
    from testpress import pipeline, summary
    from testpress.progress import TerminalProgress
    from testpress.recipe import read_recipe

    read = read_recipe(recipe, devices=devices)
    with TerminalProgress(quiet=quiet) as progress:
        outcomes = pipeline.package_recipe(read, out or pipeline.default_out(read), progress)
    _print(summary.package_data(outcomes) if as_json else summary.package_text(outcomes), as_json)
    sys.exit(0 if all(outcome.bundle for outcome in outcomes) else 1)


@cli.command()
@_RECIPE
@click.argument("files", nargs=-1, metavar="[BUNDLE|FILE]...")
@_DEVICE
@click.option("-o", "--out", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="evaluation.json.")
@_JSON
@_QUIET
def evaluate(
    recipe: Path, files: tuple[str, ...], devices: tuple[str, ...], out: Path | None, as_json: bool, quiet: bool
) -> None:
    r"""Evaluate the packaged bundles, and any bundle, .tflite or .mlpackage named beside them.

    \b
    Example:
      testpress evaluate testpress.toml old/model.tflite pkg://basic_pitch/saved_models/icassp_2022/nmp.mlpackage
    """
    from device_profiles.record import dump_json
    from packager.storage import write_text_atomically
    from testpress import pipeline, summary
    from testpress.progress import TerminalProgress
    from testpress.recipe import read_recipe

    read = read_recipe(recipe, devices=devices)
    folder = pipeline.default_out(read)
    with TerminalProgress(quiet=quiet) as progress:
        evaluation = pipeline.evaluate_recipe(read, folder, files, progress, command=_command())
    path = out or folder / pipeline.EVALUATION_NAME
    write_text_atomically(path, dump_json(evaluation))
    _print(evaluation.model_dump(mode="json") if as_json else summary.evaluation_text(evaluation, path), as_json)


@cli.command()
@click.argument("evaluation", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--baseline", type=click.Path(path_type=Path, dir_okay=False), help="An earlier evaluation.json.")
@_OUT
@_JSON
def report(evaluation: Path, baseline: Path | None, out: Path | None, as_json: bool) -> None:
    r"""Write report.html, report.md and junit.xml of an evaluation.

    \b
    Example:
      testpress report testpress-out/evaluation.json --baseline main/evaluation.json
    """
    from reports.comparison import load_evaluation
    from reports.write import write_report

    old = load_evaluation(baseline) if baseline else None
    paths = write_report(load_evaluation(evaluation), out or evaluation.parent / "report", baseline=old)
    data = {"html": str(paths.html), "markdown": str(paths.markdown), "junit": str(paths.junit)}
    _print(data if as_json else str(paths.html), as_json)


@cli.command()
@click.argument("evaluation", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--baseline", type=click.Path(path_type=Path, dir_okay=False), help="An earlier evaluation.json.")
@click.option("--recipe", type=click.Path(path_type=Path, dir_okay=False), help="Budgets instead of those embedded.")
@_JSON
def check(evaluation: Path, baseline: Path | None, recipe: Path | None, as_json: bool) -> None:
    r"""Hold an evaluation against its budgets; exit 3 when one breaks.

    \b
    Example:
      testpress check testpress-out/evaluation.json --recipe stricter.toml
    """
    from reports.comparison import compare, load_evaluation
    from testpress import summary
    from testpress.recipe import read_recipe

    old = load_evaluation(baseline) if baseline else None
    budgets = read_recipe(recipe).written.budgets if recipe else None
    comparison = compare(load_evaluation(evaluation), old, budgets=budgets)
    _print(summary.check_data(comparison) if as_json else summary.check_text(comparison), as_json)
    sys.exit(BROKEN if comparison.outcome.status == "fail" else 0)


@cli.command()
@click.argument("device", required=False, metavar="[ID]")
@_JSON
def devices(device: str | None, as_json: bool) -> None:
    r"""List the phones there are, or show one with the source of each number.

    \b
    Example:
      testpress devices pixel-8
    """
    from device_profiles.profile import profile_ids, read_profile
    from testpress import summary

    if device is None:
        profiles = [read_profile(identifier) for identifier in profile_ids()]
        _print([p.model_dump(mode="json") for p in profiles] if as_json else summary.devices_text(profiles), as_json)
    else:
        profile = read_profile(device)
        _print(profile.model_dump(mode="json") if as_json else summary.device_text(profile), as_json)


@cli.command()
@click.argument("file", type=click.Path(path_type=Path))
@_JSON
def inspect(file: Path, as_json: bool) -> None:
    r"""Show what is in a .tflite, .mlpackage or bundle: inputs, outputs, ops, precision, floor.

    \b
    Example:
      testpress inspect testpress-out/bundles/tflite-float32
    """
    from testpress import inspection

    found = inspection.inspect(file)
    _print(found if as_json else inspection.as_text(found), as_json)


@cli.command()
@_JSON
def doctor(as_json: bool) -> None:
    r"""Say what is installed, what each missing part costs, and how to get it.

    \b
    Example:
      testpress doctor
    """
    from testpress import diagnosis

    parts = diagnosis.diagnose()
    _print([part.as_data() for part in parts] if as_json else diagnosis.as_text(parts), as_json)


def _command() -> str:
    return shlex.join(["testpress", *sys.argv[1:]])


def _print(result: Any, as_json: bool) -> None:
    click.echo(json.dumps(result, indent=2, sort_keys=True, ensure_ascii=False) if as_json else result)
