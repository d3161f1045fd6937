"""Where histories lie: a file of one line a run, a folder of evaluations, a branch of a git repository.

No server is needed. The order of lines says nothing, and a run that is there twice is one: two files are merged by
taking the lines of both.
"""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from device_profiles.files import find_kind, read_text
from device_profiles.record import parse_json, validate_json
from device_profiles.text import shorten
from evaluators.git import run_git
from packager.disk import refuse_write
from reports.errors import ReportError
from reports.history.runs import SCHEMA_VERSION, Run, summarize_run, write_line
from reports.judging.comparison import load_evaluation

FILE_NAME = "history.jsonl"
_EVALUATION = "evaluation.json"
MOST_BYTES = 256 * 2**20
"""of a history: ten thousand runs of 20 kB"""
_MOST_FILES = 20_000
"""in a folder are looked at"""
_SIGNS = ("schema_version", "testpress_version", "variants")
"""by which an evaluation of another name is known"""


@dataclass(frozen=True)
class Found:
    """Runs, and what could not be read.

    Attributes:
        runs: Each once, in no order.
        left_out: Files, and why.
    """

    runs: tuple[Run, ...]
    left_out: tuple[str, ...] = ()


def add_runs(runs: Iterable[Run], path: Path) -> list[Run]:
    """Write runs to a history, each once; what is there stays as it is. Two at a time wait for each other.

    Returns:
        Those that were not there.

    Raises:
        ReportError: The history is none, or cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if find_kind(path) not in ("file", "missing"):
            raise ReportError(f"{path}: cannot be written: is no regular file; right is a file such as {FILE_NAME}")
        with path.open("ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            text = read_text(path, error=ReportError, most=MOST_BYTES)
            known = {run.run for run in parse_runs(text, where=str(path))}
            new = list({run.run: run for run in runs if run.run not in known}.values())
            begin = "" if text.endswith("\n") or not text else "\n"
            _append(file.fileno(), (begin + "".join(write_line(run) for run in new)).encode() if new else b"")
    except OSError as fault:
        raise ReportError(str(refuse_write(path, fault))) from None
    return new


def _append(handle: int, data: bytes) -> None:
    """All of it or nothing: what a full disk took of a line is taken back."""
    size = os.fstat(handle).st_size
    try:
        while data:
            data = data[os.write(handle, data) :]
        os.fsync(handle)
    except OSError:
        os.ftruncate(handle, size)
        raise


def read_runs(path: Path) -> Found:
    """The runs of a history, of an evaluation, or of all of both in a folder and those below it.

    Raises:
        ReportError: There is none, or the one file that is named cannot be read.
    """
    if find_kind(path) == "folder":
        return _read_folder(path)
    if path.suffix == ".json":
        return Found((summarize_run(load_evaluation(path)),))
    return Found(tuple(parse_runs(read_text(path, error=ReportError, most=MOST_BYTES), where=str(path))))


def read_branch(branch: str, path: str, folder: Path) -> Found:
    """The runs of a history as a branch, tag or commit holds it; nothing is checked out.

    Args:
        branch: As git names it, for example `origin/testpress-history`.
        path: In the repository, from its root.
        folder: Any in the repository.

    Raises:
        ReportError: git does not have it, or it is no history.
    """
    where = f"{branch}:{path}"
    if not branch or branch.startswith("-") or ":" in branch:
        raise ReportError(f"--branch: {shorten(branch)!r} is no branch's name; right is one such as origin/main")
    size = _ask_git(["cat-file", "-s", where], folder, where)
    if not size.strip().isdigit() or int(size) > MOST_BYTES:
        raise ReportError(f"{where}: holds more than {MOST_BYTES} bytes, which is no history; right is a smaller one")
    return Found(tuple(parse_runs(_ask_git(["cat-file", "blob", where], folder, where), where=where)))


def _ask_git(arguments: list[str], folder: Path, where: str) -> str:
    try:
        ran = run_git(folder, *arguments)
    except (OSError, ValueError, subprocess.TimeoutExpired) as fault:
        raise ReportError(f"{where}: git cannot be asked: {fault}") from None
    if ran.returncode:
        said = shorten(ran.stderr.decode("utf-8", "replace"), 300)
        raise ReportError(
            f"{where}: git does not have it: {said}; fetch the branch, and name the file from the repository's root"
        )
    try:
        return ran.stdout.decode("utf-8")
    except UnicodeDecodeError as fault:
        raise ReportError(f"{where}: cannot be read: {fault}; it should be UTF-8") from None


def parse_runs(text: str, *, where: str) -> list[Run]:
    """The runs of a history's text, each once.

    Of two lines of one run, as two versions of testpress may write, the same counts in whatever order they stand.

    Raises:
        ReportError: A line is no run, with its number.
    """
    found: dict[str, Run] = {}
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            run = _parse_line(line, f"{where}: line {number}")
            known = found.get(run.run)
            found[run.run] = run if known is None else max(known, run, key=write_line)
    return list(found.values())


def _parse_line(line: str, where: str) -> Run:
    if line.startswith(("<<<<<<<", "=======", ">>>>>>>")):
        raise ReportError(
            f"{where}: is a mark of a merge's conflict; keep all runs and drop the marks "
            f"(for next time, .gitattributes: {FILE_NAME} merge=union)"
        )
    data = parse_json(line, where=where, error=ReportError)
    version = data.get("schema_version") if isinstance(data, dict) else None
    if not isinstance(version, int) or isinstance(version, bool):
        raise ReportError(f"{where}: is no run: there is no whole number under schema_version")
    if version > SCHEMA_VERSION:
        raise ReportError(f"{where}: schema_version {version} is newer than this testpress reads ({SCHEMA_VERSION})")
    return validate_json(json.dumps(data), Run, where=where, error=ReportError)


def _read_folder(folder: Path) -> Found:
    runs: dict[str, Run] = {}
    left_out: list[str] = []
    for path in _list_candidates(folder):
        try:
            if path.name != FILE_NAME and path.name != _EVALUATION and not _is_evaluation(path):
                continue
            for run in read_runs(path).runs:
                known = runs.get(run.run)
                runs[run.run] = run if known is None else max(known, run, key=write_line)
        except ReportError as fault:
            left_out.append(str(fault).partition("\n")[0])
    if not runs:
        reasons = "".join(f"\n{reason}" for reason in left_out[:10])
        raise ReportError(
            f"{folder}: there is no run in it: right are {FILE_NAME} and evaluations (*.json), also in folders below"
            + reasons
        )
    return Found(tuple(runs.values()), tuple(left_out))


def _list_candidates(folder: Path) -> Iterator[Path]:
    """Histories and what may be evaluations, sorted; links to folders are not followed."""
    seen = 0
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            seen += 1
            if seen > _MOST_FILES:
                raise ReportError(f"{folder}: holds more than {_MOST_FILES} files; name a folder with the runs alone")
            path = Path(place, name)
            if (name == FILE_NAME or name.endswith(".json")) and find_kind(path) == "file":
                yield path


def _is_evaluation(path: Path) -> bool:
    """Whether a file of another name looks like one: other JSON may lie beside evaluations."""
    try:
        text = read_text(path, error=ReportError, most=MOST_BYTES)
    except ReportError:
        return False
    return all(f'"{sign}"' in text for sign in _SIGNS)
