"""Files of strangers: whatever stands at a path, it is read or one message says why not, at once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from device_profiles.errors import ProfileError
from device_profiles.files import find_kind, is_file, is_folder, open_file, read_bytes, read_text


def _make(place: str, folder: Path) -> Path:
    path = folder / "there"
    match place:
        case "a pipe":
            os.mkfifo(path)
        case "a folder":
            path.mkdir()
        case "a loop of links":
            path.symlink_to(path)
        case "a link to nothing":
            path.symlink_to(folder / "nothing")
        case "a long name":
            return folder / ("n" * 300)
        case "a zero byte":
            return folder / "a\0b"
        case "below a file":
            path.write_text("x")
            return path / "below"
        case "surrogates":
            return folder / "\udcff"
        case _:
            return Path(place)
    return path


@pytest.mark.parametrize(
    ("place", "kind", "message"),
    [
        ("a pipe", "other", "is a pipe; right is a file"),
        ("a folder", "folder", "is a folder; right is a file"),
        ("a loop of links", "missing", "Too many levels of symbolic links"),
        ("a link to nothing", "missing", "no such file"),
        ("a long name", "missing", "File name too long"),
        ("a zero byte", "missing", "embedded null byte"),
        ("below a file", "missing", "Not a directory"),
        ("surrogates", "missing", "no such file"),
        ("/dev/zero", "other", "is no regular file; right is a file"),
        ("/proc/self/mem", "file", "Input/output error"),
    ],
)
def test_what_is_no_file_is_told(place: str, kind: str, message: str, tmp_path: Path) -> None:
    path = _make(place, tmp_path)
    assert (find_kind(path), is_file(path), is_folder(path)) == (kind, kind == "file", kind == "folder")
    with pytest.raises(ProfileError, match=message):
        read_bytes(path, error=ProfileError)


def test_a_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"\xff12")
    assert read_bytes(path, error=ProfileError, most=3) == b"\xff12"
    with pytest.raises(ProfileError, match="holds more than 2 bytes"):
        read_bytes(path, error=ProfileError, most=2)
    with pytest.raises(ProfileError, match="it should be UTF-8"):
        read_text(path, error=ProfileError)
    (tmp_path / "link").symlink_to(path)
    with open_file(tmp_path / "link", error=ProfileError) as file:
        assert file.read() == b"\xff12"


def test_a_file_that_says_it_is_empty_is_bounded_too() -> None:
    with pytest.raises(ProfileError, match="holds more than 10 bytes"):
        read_bytes(Path("/proc/self/status"), error=ProfileError, most=10)
