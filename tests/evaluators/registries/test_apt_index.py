"""Debian's list for other kinds of processor: asked for as the user's own apt-get does, into the user's cache."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from evaluators.errors import EvaluationError
from evaluators.registries import apt_index
from evaluators.registries.cache import CACHE_VARIABLE

SHOWN = """Package: libc6
Architecture: arm64
Version: 1:2.36-9+deb12u99
Filename: pool/main/g/glibc/libc6_2.36-9+deb12u99_arm64.deb
Size: 2324660
SHA256: {digest}
Description: GNU C Library
 two lines
"""


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    return tmp_path


def _tool(folder: Path, name: str, code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tool of this name on the path, in place of the system's."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{code}\n")
    (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


def test_a_package_is_what_the_list_says_now(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _tool(tmp_path / "bin", "apt-cache", f"cat <<'E'\n{SHOWN.format(digest='a' * 64)}E", monkeypatch)
    found = apt_index.find_in_index("libc6:arm64")
    assert (found.package, found.version) == ("libc6:arm64", "1:2.36-9+deb12u99")
    assert found.file == "libc6_1%3a2.36-9+deb12u99_arm64.deb"
    assert (found.sha256, found.size_bytes, found.registry) == ("a" * 64, 2324660, "debian-12")


@pytest.mark.parametrize("code", ["echo 'E: No packages found' >&2; exit 100", "echo Package: x", ""])
def test_what_is_not_listed_is_one_message(code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _tool(tmp_path / "bin", "apt-cache", code, monkeypatch)
    with pytest.raises(EvaluationError, match="apt-get's sources have no package qemu-user:amd64: "):
        apt_index.find_in_index("qemu-user:amd64")


def test_the_list_is_fetched_once_and_lies_in_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = f'echo "$@" >> {tmp_path}/asked; mkdir -p {tmp_path}/apt/lists; touch {tmp_path}/apt/lists/x_Packages.lz4'
    _tool(tmp_path / "bin", "apt-get", code, monkeypatch)
    apt_index.fetch_index()
    apt_index.fetch_index()
    asked = (tmp_path / "asked").read_text().splitlines()
    assert asked == [f"-c {tmp_path}/apt/apt.conf -qq update"]
    written = (tmp_path / "apt" / "apt.conf").read_text()
    assert f'Dir::State "{tmp_path}/apt/";' in written and '"amd64"; "arm64";' in written


def test_a_list_that_does_not_come_is_one_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _tool(tmp_path / "bin", "apt-get", "echo 'E: could not resolve' >&2; exit 100", monkeypatch)
    with pytest.raises(EvaluationError, match=r"list of Debian's packages cannot be fetched: E: could not resolve"):
        apt_index.fetch_index()
    assert not (tmp_path / "apt" / "fetched").exists()


def test_without_apt_there_is_one_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EvaluationError, match="apt-get is not there, which only Debian and its relatives have"):
        apt_index.fetch_index()


def test_apt_reads_the_settings(tmp_path: Path) -> None:
    """The real one, of whatever system this is."""
    config = tmp_path / "apt" / "apt.conf"
    config.parent.mkdir()
    config.write_text(apt_index._configure(config.parent))
    try:
        run = subprocess.run(["apt-config", "-c", str(config), "dump"], capture_output=True, text=True, check=True)
    except FileNotFoundError:
        pytest.skip("there is no apt here")
    assert f'Dir::State "{config.parent}/";' in run.stdout
    assert [line for line in run.stdout.splitlines() if line.startswith("APT::Architectures::")] == [
        'APT::Architectures:: "amd64";',
        'APT::Architectures:: "arm64";',
    ]
