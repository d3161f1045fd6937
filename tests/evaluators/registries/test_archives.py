from __future__ import annotations

from pathlib import Path

import pytest

from evaluators.errors import EvaluationError
from evaluators.registries import archives
from evaluators.registries.archives import read_members, unpack
from tests.evaluators.datasets.builtin.fake_archives import ar, write_deb, write_wheel

FILES = {"./usr/share/a.wav": b"first", "./usr/share/deep/b.wav": b"", "./usr/doc": b"third"}


def _is_wav(name: str) -> bool:
    return name.endswith(".wav")


@pytest.mark.parametrize("write", [write_deb, write_wheel])
def test_what_is_wanted_is_read_and_nothing_is_written(write: object, tmp_path: Path) -> None:
    suffix = ".deb" if write is write_deb else ".whl"
    path = write(tmp_path / f"x{suffix}", FILES)  # type: ignore[operator]
    assert read_members(path, _is_wav) == {"usr/share/a.wav": b"first", "usr/share/deep/b.wav": b""}
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["../a.wav", "usr/../../a.wav", "/etc/a.wav", "usr\\a.wav"])
@pytest.mark.parametrize("write", [write_deb, write_wheel])
def test_a_member_whose_path_leads_outside_ends_the_reading(write: object, name: str, tmp_path: Path) -> None:
    """Also where nobody wants it: who packs such a thing is not trusted with the rest."""
    suffix = ".deb" if write is write_deb else ".whl"
    path = write(tmp_path / f"x{suffix}", {"a.txt": b"", name: b"data"})  # type: ignore[operator]
    with pytest.raises(EvaluationError, match="leads outside of it; nothing of it is used"):
        read_members(path, lambda name: name.endswith(".txt"))


def test_a_link_is_no_file(tmp_path: Path) -> None:
    path = write_deb(tmp_path / "x.deb", FILES, links={"usr/link.wav": "/etc/passwd", "usr/other": "/etc/passwd"})
    with pytest.raises(EvaluationError, match=r"holds 'usr/link\.wav' as a link; right is a file"):
        read_members(path, _is_wav)
    assert read_members(path, lambda name: name == "usr/doc") == {"usr/doc": b"third"}


@pytest.mark.parametrize("share", [0.1, 0.3, 0.6, 0.9, 0.99])
@pytest.mark.parametrize("write", [write_deb, write_wheel])
def test_an_archive_that_is_cut_off_is_one_message(write: object, share: float, tmp_path: Path) -> None:
    suffix = ".deb" if write is write_deb else ".whl"
    path = write(tmp_path / f"x{suffix}", {f"{i}.wav": bytes(range(256)) * 9 for i in range(9)})  # type: ignore[operator]
    whole = path.read_bytes()
    path.write_bytes(whole[: round(share * len(whole))])
    with pytest.raises(EvaluationError, match="remove it and run again"):
        read_members(path, _is_wav)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is no Debian package"),
        (b"!<arch>\n", "it has no data"),
        (b"!<arch>\n" + b"x" * 60, "is damaged"),
        (ar({"debian-binary": b"2.0\n"}), "it has no data"),
        (ar({"data.tar.zst": b"x"}), "is packed with Zstandard, which is not read"),
        (ar({"data.tar.xz": b"no such thing"}), "is damaged"),
    ],
)
def test_what_is_no_package_is_one_message(data: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "x.deb"
    path.write_bytes(data)
    with pytest.raises(EvaluationError, match=message):
        read_members(path, _is_wav)


@pytest.mark.parametrize("limit", ["MOST_FILE_BYTES", "MOST_BYTES"])
@pytest.mark.parametrize("write", [write_deb, write_wheel])
def test_more_than_is_read_of_one_package_is_refused(
    write: object, limit: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    suffix = ".deb" if write is write_deb else ".whl"
    path = write(tmp_path / f"x{suffix}", {"big.wav": bytes(5000)})  # type: ignore[operator]
    monkeypatch.setattr(archives, limit, 4999)
    with pytest.raises(EvaluationError, match=r"more than is read of one package; 'big\.wav' is over"):
        read_members(path, _is_wav)


def test_too_many_members_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MOST_MEMBERS", 2)
    with pytest.raises(EvaluationError, match="holds more than 2 files"):
        read_members(write_deb(tmp_path / "x.deb", FILES), _is_wav)


def test_files_and_the_links_among_them_are_unpacked(tmp_path: Path) -> None:
    links = {"./usr/lib/libx.so": "libx.so.1", "./lib64/ld.so": "/lib/ld.so"}
    files = {"./usr/lib/libx.so.1": b"code", "./usr/share/doc/x": b"words"}
    deb = write_deb(tmp_path / "x.deb", files, links=links)
    unpack(deb, tmp_path / "root", lambda name: not name.startswith("usr/share/doc/"))
    unpack(
        write_wheel(tmp_path / "y.whl", {"y/z.py": b"1", "y/doc": b""}), tmp_path / "root", lambda name: name != "y/doc"
    )
    found = {
        path.relative_to(tmp_path / "root").as_posix() for path in (tmp_path / "root").rglob("*") if path.is_file()
    }
    assert found == {"usr/lib/libx.so.1", "usr/lib/libx.so", "y/z.py"}
    assert (tmp_path / "root/usr/lib/libx.so").read_bytes() == b"code"


@pytest.mark.parametrize(
    ("files", "links"),
    [
        ({"../out": b"x"}, {}),
        ({"/etc/out": b"x"}, {}),
        ({}, {"usr/up": "../../../out"}),
        ({"usr/up/out": b"x"}, {"usr/up": "../.."}),
    ],
)
def test_nothing_is_unpacked_outside(files: dict[str, bytes], links: dict[str, str], tmp_path: Path) -> None:
    deb = write_deb(tmp_path / "x.deb", files, links=links)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(EvaluationError, match=r"x\.deb: (holds|is damaged)"):
        unpack(deb, tmp_path / "root" / "inner", lambda _: True)
    outside = [path for path in sorted(tmp_path.rglob("*")) if not path.is_relative_to(tmp_path / "root" / "inner")]
    assert [path for path in outside if path not in before and path != tmp_path / "root"] == []


def test_a_damaged_package_is_not_unpacked(tmp_path: Path) -> None:
    deb = write_deb(tmp_path / "x.deb", FILES)
    data = bytearray(deb.read_bytes())
    data[len(data) // 2] ^= 0xFF
    deb.write_bytes(data)
    with pytest.raises(EvaluationError, match="is damaged"):
        unpack(deb, tmp_path / "root", lambda _: True)
