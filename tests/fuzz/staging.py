"""What several kinds put into a case's folder, and the words with which commands are asked for."""

from __future__ import annotations

import functools
import json
import os
import random
import shutil
from pathlib import Path
from typing import Any

from tests.fuzz.cases import Place

SPECIAL = ("fifo", "loop", "folder", "link-out")
BRIEF = ("--limit-time", "30")
"""for commands that run a model on a recording, which may take an hour by default"""


@functools.cache
def files_of(corpus: Path, kind: str) -> tuple[Path, ...]:
    return tuple(sorted((corpus / kind).iterdir()))


@functools.cache
def read(path: Path) -> bytes:
    return path.read_bytes()


@functools.cache
def _read_json(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def read_tree(path: Path) -> Any:
    """A JSON file's content, a new copy each time."""
    return json.loads(_read_json(path))


def pick(chance: random.Random, place: Place, kind: str) -> Path:
    return chance.choice(files_of(place.corpus, kind))


def place_specials(folder: Path) -> None:
    """A pipe that nobody writes to, a link to itself, a folder, and a link to the canary."""
    os.mkfifo(folder / "fifo")
    (folder / "loop").symlink_to("loop")
    (folder / "folder").mkdir()
    (folder / "link-out").symlink_to("../../../../../victim.txt")


def place_job(place: Place, recipe: Any = None) -> None:
    """The notes job: recipe, clips, audio and a source that fails late, all good."""
    from tests.fuzz.tree_damage import write_toml

    tree = read_tree(place.corpus / "recipes" / "notes.json") if recipe is None else recipe
    (place.folder / "testpress.toml").write_bytes(write_toml(tree, place))
    (place.folder / "clips.jsonl").write_bytes(b"".join(json.dumps(line).encode() + b"\n" for line in CLIPS))
    for name in ("a.wav", "b.wav"):
        shutil.copyfile(place.corpus / "audio" / "pcm16.wav", place.folder / name)
    (place.folder / "notes.bin").write_bytes(b"no model")


CLIPS = (
    {"audio": "a.wav", "notes": [[0.1, 0.4, 69]], "tags": ["quiet"]},
    {"audio": "b.wav", "notes": [[0.0, 0.3, 57], [0.2, 0.5, 60]]},
)


def maybe(chance: random.Random, share: float, *words: str) -> list[str]:
    return list(words) if chance.random() < share else []
