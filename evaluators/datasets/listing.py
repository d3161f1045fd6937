"""The forms that a dataset comes in: a manifest of JSON lines, a table, a folder of audio. All become lines of clips.

What lists the clips is read here, in the main process too, for the dataset's address; the audio is opened by workers
alone, see `reading.py`.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from device_profiles.files import find_kind, read_bytes
from device_profiles.record import parse_json, suggest
from evaluators.datasets.folders import list_audio
from evaluators.datasets.paths import find_root
from evaluators.datasets.recordings import SUFFIXES as AUDIO_SUFFIXES
from evaluators.datasets.tables import SUFFIXES as TABLE_SUFFIXES
from evaluators.datasets.tables import Table, read_table
from evaluators.errors import EvaluationError
from evaluators.label_columns import default_columns, find_columns, read_label
from evaluators.task import ClipContext, Task

MOST_MANIFEST_BYTES = 256 * 2**20
"""of a manifest: the labels of a thousand hours"""
_OTHER_ENCODINGS = {
    codecs.BOM_UTF8: "UTF-8",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}
_MOST_NAMED = 8


@dataclass(frozen=True)
class Entry:
    """What is said of one clip.

    Attributes:
        where: How messages name it.
        line: As a manifest has it; of a table its first row, of a folder the file alone. Not checked.
        faults: Why there is no line.
        folder: The name of the folder that the clip lies in, where its folders are classes.
    """

    where: str
    line: Mapping[str, Any]
    faults: tuple[str, ...] = ()
    folder: str | None = None


@dataclass(frozen=True)
class Listing:
    """A dataset before its audio is opened.

    Attributes:
        path: The manifest, the table or the folder.
        root: The folder that its files lie in, see `find_root`.
        text: What its digest begins with: the manifest's bytes, or the names of a folder's files.
        entries: One a clip; of a manifest they are read anew each time, since labels may fill the memory.
        table: Where it is one.
        notices: What a reader should know of it.
    """

    path: Path
    root: Path
    text: bytes
    entries: Iterable[Entry]
    table: Table | None = None
    notices: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Of the dataset: the manifest's without its suffix, or the folder's."""
        return self.path.absolute().name if self.is_folder else self.path.stem

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder of audio."""
        return find_kind(self.path) == "folder"

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of a folder's folders, sorted."""
        return tuple(sorted({entry.folder for entry in self.entries if entry.folder is not None}))


def list_clips(path: Path, audio_root: Path | None = None) -> Listing:
    """Read what names a dataset's clips.

    Args:
        path: A `.csv` or `.tsv` table, a folder, or else a manifest of JSON lines.
        audio_root: The folder that its paths start from and its files lie in; None: the manifest's own.

    Raises:
        EvaluationError: It is missing or cannot be read as what it is; one line a fault.
    """
    kind = find_kind(path)
    if kind == "missing":
        raise EvaluationError(
            f"{path}: no such file; the recipe's dataset must be a JSONL manifest, a CSV or TSV table, or a "
            "folder of audio"
        )
    if audio_root is not None and find_kind(audio_root) != "folder":
        raise EvaluationError(f"{audio_root}: no such folder; task.audio_root must be one")
    root = find_root(path, audio_root)
    if kind == "folder":
        return _list_folder(path, root)
    text = _read_manifest(path)
    if path.suffix.lower() in TABLE_SUFFIXES:
        table = read_table(path, text)
        entries = (Entry(rows[0][0], {**rows[0][1], "audio": name}) for name, rows in table.rows.items())
        return Listing(path, root, text, tuple(entries), table)
    return Listing(path, root, text, _Lines(path, text))


def check_listing(listing: Listing, task: Task) -> tuple[str, ...]:
    """See that a dataset says what a task's labels are, before any audio is opened.

    Returns:
        What a reader should know: what it holds that is not read.

    Raises:
        EvaluationError: A table lacks columns, or a folder says no such labels; one line a fault.
    """
    if listing.table is not None:
        return _check_table(listing.path, listing.table, task)
    if listing.is_folder:
        _check_folder(listing, task)
        return ()
    return _find_unread(listing, task)


def complete_line(entry: Entry, listing: Listing, task: Task, clip: ClipContext) -> dict[str, Any]:
    """The line of a manifest that says what an entry says.

    Args:
        entry: One of the listing's.
        listing: The dataset.
        task: Whose labels it holds.
        clip: The clip's length and name.

    Raises:
        EvaluationError: A cell or a folder's name is no label; one line a fault.
    """
    if listing.table is not None:
        return _line_of_table(entry, listing.table, task)
    if listing.is_folder and entry.folder is not None and task.label_keys:
        return {"audio": entry.line["audio"], **(task.label_folder(entry.folder, clip) or {})}
    known = ("audio", "tags", *task.label_keys, *task.unread_keys)
    return {key: value for key, value in entry.line.items() if key in known}


def _read_manifest(manifest: Path) -> bytes:
    text = read_bytes(manifest, error=EvaluationError, most=MOST_MANIFEST_BYTES)
    for mark, name in _OTHER_ENCODINGS.items():
        if text.startswith(mark) and not (name == "UTF-8" and manifest.suffix.lower() in TABLE_SUFFIXES):
            raise EvaluationError(f"{manifest}: begins with a byte order mark, of {name}; save it as UTF-8 without one")
    if b"\0" in text:
        raise EvaluationError(f"{manifest}: holds bytes of 0, so that it is no text in UTF-8; save it as UTF-8")
    return text


@dataclass(frozen=True)
class _Lines:
    manifest: Path
    text: bytes

    def __iter__(self) -> Iterator[Entry]:
        return _read_lines(self.manifest, self.text)


def _read_lines(manifest: Path, text: bytes) -> Iterator[Entry]:
    for number, raw in enumerate(text.split(b"\n"), start=1):
        where = f"{manifest}:{number}"
        if not raw.strip():
            continue
        try:
            line = parse_json(raw.decode(), where=where, error=EvaluationError)
        except UnicodeDecodeError as fault:
            byte = f"byte 0x{raw[fault.start]:02x} at column {fault.start + 1}"
            yield Entry(where, {}, (f"{where}: not UTF-8: {byte}; save the manifest as UTF-8",))
        except EvaluationError as fault:
            yield Entry(where, {}, (f"{fault}; right is one JSON object a line",))
        else:
            found = type(line).__name__
            told = f"{where}: must be a JSON object, found {found}; right is one object a line"
            yield Entry(where, line) if isinstance(line, dict) else Entry(where, {}, (told,))


def _find_unread(listing: Listing, task: Task) -> tuple[str, ...]:
    """Keys that no one reads, each told once: of the first line that has it."""
    known = ("audio", *task.label_keys, "tags")
    unread: dict[str, tuple[str, int]] = {}
    for entry in listing.entries:
        for key in entry.line:
            if key not in known and key not in task.unread_keys:
                where, count = unread.get(key, (entry.where, 0))
                unread[key] = where, count + 1
    notices = [
        f"{where}: key {key!r} is not read{suggest(key, known)}" + (f" (in {count} lines)" if count > 1 else "")
        for key, (where, count) in list(unread.items())[:_MOST_NAMED]
    ]
    return (*notices, *([f"and {len(unread) - _MOST_NAMED} more keys"] if len(unread) > _MOST_NAMED else []))


def _list_folder(folder: Path, root: Path) -> Listing:
    found = list_audio(folder)
    if not found.files:
        raise EvaluationError(f"{folder}: holds no audio file; right are {', '.join(AUDIO_SUFFIXES)}")
    entries = []
    for name in found.files:
        path = folder.absolute() / name
        first, inner, _ = name.partition("/")
        entries.append(Entry(str(folder / name), {"audio": str(path)}, folder=first if inner else None))
    notices = [f"{folder}: {found.others} files are no audio by their names and left out"] if found.others else []
    if found.links:
        notices.append(f"{folder}: {found.links} links to other folders are not followed")
    text = "\n".join(found.files).encode("utf-8", "surrogateescape")
    return Listing(folder, root, text, tuple(entries), notices=tuple(notices))


def _check_folder(listing: Listing, task: Task) -> None:
    if not task.label_keys:
        return
    path, keys = listing.path, ", ".join(task.label_keys)
    if type(task).label_folder is Task.label_folder:
        raise EvaluationError(
            f"{path}: is a folder, whose names do not tell {keys} of a clip; name a JSONL manifest or a table that "
            f"does, or say labels = false to hold bundles against the source alone"
        )
    loose = [entry.where for entry in listing.entries if entry.folder is None]
    if loose:
        raise EvaluationError(
            f"{loose[0]}: lies in no folder that names its class; right is {path}/CLASS/clip.wav, or labels = false to "
            "hold bundles against the source alone"
        )
    if hasattr(task.options, "classes") and not task.options.classes and not all(map(str.isdecimal, listing.classes)):
        names = ", ".join(f'"{name}"' for name in listing.classes[:20])
        raise EvaluationError(
            f"{path}: its folders name classes, and the recipe does not say which column of the output each is; say so "
            f"in the columns' order: options = {{ classes = [{names}] }} in [task]"
        )


def _check_table(path: Path, table: Table, task: Task) -> tuple[str, ...]:
    faults, read = [], {table.audio, "tags"}
    for key in task.label_keys:
        found = find_columns(table.header, key, task.label_columns.get(key, default_columns(key)))
        if isinstance(found, str):
            words = found.split(" (")[0].split(", ")
            near = next((hint for word in words if (hint := suggest(word, table.header))), "")
            faults.append(f"{path}: no column for {key}: {found} is missing; it has {', '.join(table.header)}{near}")
        else:
            read |= {name for name in found if name}
    if faults:
        raise EvaluationError("\n".join(faults))
    unread = [name for name in table.header if name and name not in read and name not in task.unread_keys]
    more = f" and {len(unread) - _MOST_NAMED} more" if len(unread) > _MOST_NAMED else ""
    return (f"{path}: columns not read: {', '.join(unread[:_MOST_NAMED])}{more}",) if unread else ()


def _line_of_table(entry: Entry, table: Table, task: Task) -> dict[str, Any]:
    rows = table.rows[entry.line["audio"]]
    line: dict[str, Any] = {"audio": entry.line["audio"]}
    numbered = not getattr(task.options, "classes", ())
    faults: list[str] = []
    for key in task.label_keys:
        said = task.label_columns.get(key, default_columns(key))
        try:
            line[key] = read_label(rows, key, said, numbered=numbered, comma=table.comma)
        except EvaluationError as fault:
            faults += str(fault).split("\n")
    if faults:
        raise EvaluationError("\n".join(faults))
    tags = [tag.strip() for tag in entry.line.get("tags", "").split("|") if tag.strip()]
    return {**line, **({"tags": tags} if tags else {})}
