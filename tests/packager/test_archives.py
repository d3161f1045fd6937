"""ZIP archives: what all readers read alike passes, and nothing else."""

from __future__ import annotations

import io
import stat
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from packager.errors import PackagingError
from packager.sources.archives import check_zip, parse_json


def _archive(add: Callable[[zipfile.ZipFile], None] = lambda archive: None) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a", b"a" * 100)
        archive.writestr("folder/b", b"b")
        add(archive)
    return file.getvalue()


def _check(data: bytes, folder: Path) -> list[str]:
    (folder / "m.zip").write_bytes(data)
    return [member.filename for member in check_zip(folder / "m.zip")]


def test_a_plain_archive_passes(tmp_path: Path) -> None:
    assert _check(_archive(), tmp_path) == ["a", "folder/b"]
    assert _check(_archive(lambda archive: archive.writestr("long", bytes(2**20))), tmp_path)[-1] == "long"


@pytest.mark.slow
def test_an_archive_of_more_than_65535_members_is_read_by_its_longer_directory(tmp_path: Path) -> None:
    names = _check(_archive(lambda archive: [archive.writestr(f"x{n}", b"") for n in range(65_600)] and None), tmp_path)
    assert len(names) == 65_602


def _link(archive: zipfile.ZipFile) -> None:
    member = zipfile.ZipInfo("link")
    member.create_system, member.external_attr = 3, stat.S_IFLNK << 16
    archive.writestr(member, "a")


def _comment(archive: zipfile.ZipFile) -> None:
    archive.comment = b"x"


GOOD = _archive()
WRONG: dict[str, tuple[bytes, str]] = {
    "bytes before": (b"x" + GOOD, "beside its members"),
    "bytes after": (GOOD + b"x", "after its end"),
    "an archive before": (GOOD + GOOD, "beside its members"),
    "a comment": (_archive(_comment), "after its end"),
    "above": (_archive(lambda archive: archive.writestr("../x", b"")), "outside its folder"),
    "whole path": (_archive(lambda archive: archive.writestr("/x", b"")), "outside its folder"),
    "drive": (_archive(lambda archive: archive.writestr("c:x", b"")), "outside its folder"),
    "backslash": (GOOD.replace(b"folder/b", b"folder\\b"), "outside its folder"),
    "NUL": (GOOD.replace(b"folder/b", b"folder\0b"), "outside its folder"),
    "link": (_archive(_link), "a link to another file"),
    "twice": (GOOD.replace(b"folder/b", b"Folder/b") and _archive(lambda archive: archive.writestr("A", b"")), "twice"),
    "bomb": (_archive(lambda archive: archive.writestr("zeros", bytes(2**28))), "unpack to"),
    "said to be long": (
        GOOD[: GOOD.rfind(b"PK\1\2") + 24] + struct.pack("<L", 2**32 - 2) + GOOD[GOOD.rfind(b"PK\1\2") + 28 :],
        "unpack to",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_can_be_read_in_two_ways_or_is_a_bomb_is_refused(name: str, tmp_path: Path) -> None:
    data, words = WRONG[name]
    with pytest.raises(PackagingError, match=words) as caught:
        _check(data, tmp_path)
    assert str(caught.value).startswith(f"{tmp_path / 'm.zip'}: this ZIP archive ")


@pytest.mark.parametrize("data", [b"", b"PK", b"PK\5\6" + bytes(17), b"x" * 100, GOOD[:-1]])
def test_what_is_no_archive_is_told_apart(data: bytes, tmp_path: Path) -> None:
    with pytest.raises(zipfile.BadZipFile):
        _check(data, tmp_path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[" * 100_000, "nested too deep"),
        ("1" * 5_000, "cannot be read as JSON: ValueError"),
        ("{", "cannot be read as JSON: JSONDecodeError"),
        (b"\xff\xff", "cannot be read as JSON: UnicodeDecodeError"),
    ],
)
def test_json_that_python_cannot_hold_is_one_error(text: str | bytes, words: str) -> None:
    with pytest.raises(PackagingError, match=words):
        parse_json(text, "m: config.json")
