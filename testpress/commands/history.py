"""`testpress history`: runs over time, one line each, and where their numbers step."""

from __future__ import annotations

from pathlib import Path

import click

from testpress.options import JSON, example, show, tell

_PATH = click.Path(path_type=Path)


@click.group(epilog=example("testpress history report history.jsonl -o history.html"))
def history() -> None:
    """Keep what runs found, one line each, and show every number over time with its steps.

    No server: a history is a file of lines, which git merges, a folder of evaluations, or a file on a branch. Both
    commands have --json.
    """


@history.command(epilog=example("testpress history add testpress-out --to history.jsonl"))
@click.argument("evaluations", nargs=-1, required=True, type=_PATH, metavar="FOLDER|EVALUATION...")
@click.option("--to", type=_PATH, default=Path("history.jsonl"), metavar="FILE", help="Default: history.jsonl, here.")
@JSON
def add(evaluations: tuple[Path, ...], to: Path, as_json: bool) -> None:
    """Add evaluations to a history, a line each. One that is there already is not added again."""
    from reports.history.files import add_runs, read_runs
    from testpress import histories

    found = [read_runs(path) for path in evaluations]
    for reason in (reason for each in found for reason in each.left_out):
        tell(f"testpress: left out: {reason}")
    runs = [run for each in found for run in each.runs]
    added = add_runs(runs, to)
    show(histories.added_data(runs, added, to) if as_json else histories.added_text(runs, added, to), as_json)


@history.command(epilog=example("testpress history report history.jsonl -o history.html"))
@click.argument("path", type=_PATH, required=False, metavar="[HISTORY|FOLDER]")
@click.option("--branch", metavar="BRANCH", help="Read HISTORY as that git branch, tag or commit has it.")
@click.option("-o", "--out", type=_PATH, metavar="FILE", help="The page; default: history.html beside what is read.")
@JSON
def report(path: Path | None, branch: str | None, out: Path | None, as_json: bool) -> None:
    """Write history.html, a trend of every bundle, phone and metric, and list where they step.

    HISTORY is history.jsonl here by default; a FOLDER is searched for histories and evaluations, also below it.
    """
    from packager.storage import write_text_atomically
    from reports.history.files import FILE_NAME, read_branch, read_runs
    from reports.history.trends import find_trends
    from reports.page import history as page
    from testpress import histories

    path = path or Path(FILE_NAME)
    found = read_runs(path) if branch is None else read_branch(branch, path.as_posix(), Path())
    for reason in found.left_out:
        tell(f"testpress: left out: {reason}")
    trends = find_trends(found.runs, found.left_out)
    beside = Path() if branch is not None else path if path.is_dir() else path.parent
    out = out or beside / page.FILE_NAME
    write_text_atomically(out, page.render(trends))
    show(histories.as_data(trends, out) if as_json else histories.as_text(trends, out), as_json)
