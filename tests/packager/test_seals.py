from __future__ import annotations

import os
import random
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from packager import seals
from packager.bundle import FileDigest
from packager.seals import SEAL_NAME, is_whole, read_sealed_text, seal_folder, write_sealed_text
from packager.storage import digest_files, stage_folder

FILES = {"a.npy": b"\x00" * 5000, "deep/b.json": b"[[0, 1, 2]]", "empty": b""}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with stage_folder(tmp_path / "sealed") as stage:
        for name, data in FILES.items():
            (stage / name).parent.mkdir(exist_ok=True)
            (stage / name).write_bytes(data)
        seal_folder(stage)
    return tmp_path / "sealed"


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    place = random.Random(1123).randrange(len(data))
    data[place] ^= 1
    path.write_bytes(data)


def test_what_was_sealed_is_whole(folder: Path) -> None:
    assert is_whole(folder)
    assert is_whole(folder)


def test_a_seal_is_what_sha256sum_reads(folder: Path) -> None:
    run = subprocess.run(["sha256sum", "--check", "--strict", SEAL_NAME], cwd=folder, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert run.stdout.splitlines() == [f"{name}: OK" for name in FILES]


@pytest.mark.parametrize("known", [False, True], ids=["first look", "found whole before"])
@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: os.truncate(folder / "a.npy", 4999),
        lambda folder: os.truncate(folder / "a.npy", 0),
        lambda folder: (folder / "deep" / "b.json").write_bytes(b"\x00" * 11),
        lambda folder: _flip(folder / "a.npy"),
        lambda folder: (folder / "empty").write_bytes(b"x"),
        lambda folder: (folder / "empty").unlink(),
        lambda folder: (folder / "more").touch(),
        lambda folder: (folder / SEAL_NAME).unlink(),
        lambda folder: os.truncate(folder / SEAL_NAME, 70),
        lambda folder: _flip(folder / SEAL_NAME),
        lambda folder: (folder / SEAL_NAME).write_bytes(b"[" * 200_000),
        lambda folder: ((folder / "empty").unlink(), (folder / "empty").symlink_to("/etc/hostname")),
        lambda folder: os.mkfifo(folder / "pipe"),
    ],
)
def test_any_damage_is_noticed(damage: Callable[[Path], object], known: bool, folder: Path) -> None:
    assert not known or is_whole(folder)
    damage(folder)
    assert not is_whole(folder)


def test_what_is_not_there_or_was_never_sealed_is_not_whole(tmp_path: Path) -> None:
    assert not is_whole(tmp_path / "nothing")
    (tmp_path / "file").touch()
    assert not is_whole(tmp_path / "file")
    (tmp_path / "old").mkdir()
    assert not is_whole(tmp_path / "old")


def test_a_folder_is_read_once_a_process_and_when_it_changes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = []

    def digest(root: Path, **given: bool) -> dict[str, FileDigest]:
        read.append(root)
        return digest_files(root, **given)

    monkeypatch.setattr(seals, "digest_files", digest)
    assert is_whole(folder) and is_whole(folder)
    assert read == [folder]
    (folder / "a.npy").touch()
    assert is_whole(folder) and is_whole(folder)
    assert read == [folder, folder]


TEXT = '{\n  "runtime": "é",\n  "value": 0.5\n}\n'


def test_sealed_text_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "x.json"
    for text in (TEXT, "", "no line's end", "a\r\nb\n"):
        write_sealed_text(path, text)
        assert read_sealed_text(path) == text


def test_not_one_sign_of_sealed_text_may_change(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    write_sealed_text(path, TEXT)
    whole = path.read_bytes()
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        assert read_sealed_text(path) is None
        path.write_bytes(whole[:place])
        assert read_sealed_text(path) is None


def test_what_holds_no_sealed_text_gives_none(tmp_path: Path) -> None:
    assert read_sealed_text(tmp_path / "nothing") is None
    assert read_sealed_text(tmp_path) is None
    os.mkfifo(tmp_path / "pipe")
    assert read_sealed_text(tmp_path / "pipe") is None
