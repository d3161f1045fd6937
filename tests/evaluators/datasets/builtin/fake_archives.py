"""Small packages that tests write, as registries have them, and a registry that copies one from a folder."""

from __future__ import annotations

import gzip
import io
import sys
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import soundfile

from evaluators.registries import downloads
from evaluators.registries.archives import Archive
from evaluators.registries.tools import Registry
from packager.storage import digest_bytes


def wav(seconds: float = 0.2, *, rate_hz: int = 8000, channels: int = 1, format_: str = "WAV") -> bytes:
    """A tone with silence around it."""
    samples = 0.5 * np.sin(2 * np.pi * 440 * np.arange(round(seconds * rate_hz)) / rate_hz)
    quiet = np.zeros(round(0.1 * rate_hz))
    sound = np.concatenate([quiet, samples, quiet])
    stream = io.BytesIO()
    soundfile.write(stream, np.repeat(sound[:, None], channels, axis=1), rate_hz, format=format_)
    return stream.getvalue()


def write_deb(path: Path, files: Mapping[str, bytes], *, links: Mapping[str, str] | None = None) -> Path:
    """A Debian package with some files, names as they are given, and symbolic links."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:xz") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        for name, target in (links or {}).items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, target
            archive.addfile(info)
    path.write_bytes(
        ar({"debian-binary": b"2.0\n", "control.tar.gz": gzip.compress(b""), "data.tar.xz": stream.getvalue()})
    )
    return path


def ar(members: Mapping[str, bytes]) -> bytes:
    """An `ar` archive."""
    parts = [b"!<arch>\n"]
    for name, data in members.items():
        parts.append(f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(data):<10}`\n".encode())
        parts.append(data + b"\n" * (len(data) % 2))
    return b"".join(parts)


def write_wheel(path: Path, files: Mapping[str, bytes]) -> Path:
    """A wheel with some files."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def describe(path: Path, package: str, *, registry: str = "debian") -> Archive:
    """An archive as the catalogue would name it."""
    data = path.read_bytes()
    return Archive(
        registry=registry,
        package=package,
        version="1",
        file=path.name,
        sha256=digest_bytes(data),
        size_bytes=len(data),
    )


def registry_that_runs(code: str, obstacle: str | None = None) -> Registry:
    """A registry whose tool is a line of Python that runs in the folder where the file is to be."""
    return Registry(
        "test package", lambda: obstacle, lambda archive, _: [sys.executable, "-c", code], lambda _: "get it"
    )


def use_registry(monkeypatch: object, registry: Registry) -> None:
    """Put a registry in the place of all others."""
    monkeypatch.setattr(downloads, "REGISTRIES", {"debian": registry, "pypi": registry})  # type: ignore[attr-defined]
