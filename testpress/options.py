"""What all commands share: options, help's example, and how results, verdicts and annotations leave the process."""

from __future__ import annotations

import functools
import os
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TextIO

import click

from device_profiles.text import defuse, to_json

if TYPE_CHECKING:
    from reports.judging.comparison import Comparison
    from testpress.baselines import Baseline
    from testpress.limits import LimitsSpec
    from testpress.sandbox import Found

BROKEN = 3
"""exit code when a budget, a promise or a regression limit broke"""

RECIPE = click.argument("recipe", type=click.Path(path_type=Path, dir_okay=False))
RECIPES = click.argument(
    "recipes", nargs=-1, required=True, type=click.Path(path_type=Path, dir_okay=False), metavar="RECIPE..."
)
DEVICE = click.option("--device", "devices", multiple=True, metavar="ID", help="A phone instead of the recipe's.")
OUT = click.option("-o", "--out", type=click.Path(path_type=Path), metavar="DIR", help="Where output goes.")


def _find_evaluation(_context: click.Context, _option: click.Parameter, path: Path | None) -> Path | None:
    """An evaluation.json, or the one of the output folder that is named."""
    return path / "evaluation.json" if path is not None and path.is_dir() else path


_PATH = click.Path(path_type=Path)
EVALUATION = click.argument("evaluation", type=_PATH, callback=_find_evaluation)
_BASELINE_HELP = "An earlier evaluation.json, its folder, or a folder of COMMIT/evaluation.json."
_BASELINE = click.option("--baseline", type=_PATH, metavar="OLD", help=_BASELINE_HELP)
_BRANCH = click.option(
    "--baseline-branch", metavar="NAME", help="Whose merge base with HEAD a folder is asked for; default: the remote's."
)
_ACCEPT = click.option(
    "--accept",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Accepted changes; default: the file beside the recipe.",
)


@dataclass(frozen=True)
class Against:
    """What a command is to compare with.

    Attributes:
        path: The baseline.
        branch: Whose merge base with HEAD is asked for.
        accept: The file of accepted changes.
    """

    path: Path | None = None
    branch: str | None = None
    accept: Path | None = None

    def open(self) -> Baseline | None:
        """The baseline, and a line on standard error where a folder of several has chosen one, or has none."""
        from testpress.baselines import open_baseline

        if self.path is None:
            return None
        found = open_baseline(self.path, branch=self.branch)
        if found.is_chosen or found.evaluation is None:
            tell(f"baseline: {found.words}" if found.evaluation is not None else f"no baseline: {found.words}")
        return found


def compared(command: Any) -> Any:
    """The options --baseline, --baseline-branch and --accept, handed to a command as one `against`."""

    @functools.wraps(command)
    def wrapped(
        *args: Any, baseline: Path | None, baseline_branch: str | None, accept: Path | None, **options: Any
    ) -> Any:
        return command(*args, against=Against(baseline, baseline_branch, accept), **options)

    return _BASELINE(_BRANCH(_ACCEPT(wrapped)))


def baseline_needed(command: Any) -> Any:
    """As `compared`, where there must be a baseline, without --accept."""

    @functools.wraps(command)
    def wrapped(*args: Any, baseline: Path, baseline_branch: str | None, **options: Any) -> Any:
        return command(*args, against=Against(baseline, baseline_branch), **options)

    needed = click.option("--baseline", type=_PATH, metavar="OLD", required=True, help=_BASELINE_HELP)
    return needed(_BRANCH(wrapped))


SIGN = click.option(
    "--sign", type=click.Path(path_type=Path), metavar="KEY", help="Sign bundles with an elliptic-curve private key."
)
JSON = click.option("--json", "as_json", is_flag=True, help="Write the result as JSON to standard output.")
_LIMIT_TIME = click.option(
    "--limit-time", type=click.FloatRange(0.1, 30 * 86400), metavar="SECONDS", help="What one worker may take."
)
_LIMIT_MEMORY = click.option(
    "--limit-memory", metavar="SIZE", help="What one worker may use, its children included, for example 8GiB."
)
MODEL = click.argument("file", metavar="FILE")
CONTRACT = click.option(
    "--recipe", type=click.Path(path_type=Path, dir_okay=False), help="Audio contract of a bare model file."
)
SIGNATURE = click.option(
    "--signature", metavar="NAME", help="Which signature (TFLite) or function (Core ML) of a file with several."
)
SAMPLE_RATE = click.option(
    "--sample-rate", type=click.IntRange(1), metavar="HZ", help="Rate a bare model file hears at."
)
QUIET = click.option("-q", "--quiet", is_flag=True, help="No progress.")
_VERBOSE = click.option(
    "-v", "--verbose", is_flag=True, help="Also tell what is done, how long it takes and where the logs are."
)
VARIANT = click.option(
    "--variant", "only", multiple=True, metavar="NAME", help="This bundle of the recipe alone; may be said repeatedly."
)


_JOBS = click.option(
    "--jobs", type=click.IntRange(1, 1024), metavar="N", help="How many workers at once; as many as cores by default."
)
_EXECUTOR = click.option(
    "--executor",
    default="local",
    metavar="ADDRESS",
    help="Who runs the workers: local, ray (a cluster started here), or ray://HOST:PORT.",
)


def distributed(command: Any) -> Any:
    """The options of `limited` and --jobs, handed to a command as one `limits`, and --executor."""

    @functools.wraps(command)
    def wrapped(*args: Any, jobs: int | None, limits: LimitsSpec, **options: Any) -> Any:
        return command(*args, limits=limits.model_copy(update={"jobs": jobs}), **options)

    return _JOBS(_EXECUTOR(limited(wrapped)))


def narrated(command: Any) -> Any:
    """The options --quiet and --verbose, of which one may be given, as `quiet` and `verbose`."""

    @functools.wraps(command)
    def wrapped(*args: Any, quiet: bool, verbose: bool, **options: Any) -> Any:
        if quiet and verbose:
            raise click.UsageError("--quiet and --verbose contradict each other; leave one out")
        return command(*args, quiet=quiet, verbose=verbose, **options)

    return QUIET(_VERBOSE(wrapped))


def limited(command: Any) -> Any:
    """The options --limit-time and --limit-memory, handed to a command as one `limits`."""

    @functools.wraps(command)
    def wrapped(*args: Any, limit_time: float | None, limit_memory: str | None, **options: Any) -> Any:
        from device_profiles.record import parse_record
        from testpress.errors import RecipeError
        from testpress.limits import LimitsSpec

        said = {"time_s": limit_time, "memory": limit_memory}
        limits = parse_record(said, LimitsSpec, where="--limit-time, --limit-memory", error=RecipeError)
        return command(*args, limits=limits, **options)

    return _LIMIT_TIME(_LIMIT_MEMORY(wrapped))


def example(command: str) -> str:
    """What help ends with; the sign keeps click from filling the lines."""
    return f"\b\nExample:\n  {command}"


def command_line() -> str:
    """What the user typed."""
    return shlex.join(["testpress", *sys.argv[1:]])


@dataclass
class Output:
    """What a command has written to standard output, as far as its end must know: Click's object of a run."""

    has_result: bool = False


def show(result: Any, as_json: bool) -> None:
    """Write a result to standard output; nothing in it acts on a terminal or a CI runner."""
    context = click.get_current_context(silent=True)
    if context is not None and isinstance(context.obj, Output):
        context.obj.has_result = True  # also where a full disk takes only part of it
    _write(to_json(result) if as_json else defuse(result), sys.stdout)


def show_error(message: str, code: int) -> None:
    """Write what went wrong to standard output, as `--json` promises it."""
    _write(to_json({"error": {"message": message, "exit": code}}), sys.stdout)


def tell(text: str) -> None:
    """Write a message to standard error; nothing in it acts on a terminal or a CI runner."""
    _write(defuse(text), sys.stderr)


def _write(text: str, stream: TextIO | None) -> None:
    """Write a line; signs that the stream's encoding lacks become escapes (click would write UTF-8 to ASCII ones)."""
    if stream is None:  # it was closed before we began
        return
    encoding = stream.encoding or "utf-8"
    stream.write(text.encode(encoding, "backslashreplace").decode(encoding) + "\n")
    stream.flush()


def present(found: Found, as_json: bool) -> None:
    """Show what a worker found in a model file; exit 1 when something is wrong with the file."""
    show(found.data if as_json else found.text, as_json)
    if found.fault is not None:
        tell(f"testpress: {found.fault}")
        sys.exit(1)


def conclude_all(ended: Sequence[tuple[Comparison | None, Path]]) -> NoReturn:
    """End by the worst of several verdicts; a recipe without one could not be run. Annotations as in `conclude`."""
    from testpress.github import annotation_lines

    codes = []
    for comparison, recipe in ended:
        if comparison is None:
            codes.append(1)
            continue
        for line in annotation_lines(comparison, recipe, os.environ):
            _write(line, sys.stderr)
        codes.append(BROKEN if comparison.outcome.status == "fail" else 0)
    sys.exit(max(codes))


def conclude(comparison: Comparison, recipe: Path | None) -> NoReturn:
    """End by the verdict. On GitHub its annotations go to standard error, which the runner reads as well."""
    from testpress.github import annotation_lines

    for line in annotation_lines(comparison, recipe, os.environ):
        _write(line, sys.stderr)
    sys.exit(BROKEN if comparison.outcome.status == "fail" else 0)
