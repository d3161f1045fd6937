"""Packages of registries as files: which one is meant, and what lies in it, read without unpacking it to the disk.

A `.deb` is an `ar` archive with a tar archive inside (Source: deb(5)), a wheel is a zip archive (Source: PEP 427). Of
either only regular files are read, into memory, up to a limit; a member whose path leads outside ends the reading.
"""

from __future__ import annotations

import functools
import io
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import IO

from device_profiles.files import open_file
from device_profiles.record import Record
from device_profiles.text import shorten
from evaluators.errors import EvaluationError

MOST_FILE_BYTES = 256 * 2**20
MOST_BYTES = 2**30
MOST_MEMBERS = 100_000

_AR_MAGIC = b"!<arch>\n"
_AR_HEADER_BYTES = 60
_DAMAGE = (
    tarfile.TarError,
    lzma.LZMAError,
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    OSError,
    ValueError,
    RuntimeError,
)
"""what Python's readers raise at an archive that is cut off or altered"""


class Archive(Record):
    """One file of a registry: the only one of its name that is used is the one with this digest."""

    registry: str
    """whose it is, a name in `registries.REGISTRIES`"""
    package: str
    version: str
    file: str
    """the name that the registry's own tool gives the file"""
    sha256: str
    size_bytes: int

    @property
    def title(self) -> str:
        """Its package and version, as messages name it."""
        return f"{self.package} {self.version}"


def read_members(path: Path, is_wanted: Callable[[str], bool]) -> dict[str, bytes]:
    """The files of a `.deb` or a wheel that are wanted, by their paths in it, without a leading `./` or `/`.

    Args:
        path: The archive.
        is_wanted: Asked of each member's path.

    Raises:
        EvaluationError: It is damaged, of a kind that is not read, holds a member whose path leads outside, a wanted
            member that is a link, or more than the limits allow.
    """
    found: dict[str, bytes] = {}
    total = 0
    try:
        with open_file(path, error=EvaluationError) as file:
            members = _zip_members(file) if path.suffix == ".whl" else _deb_members(file, path)
            for number, (name, size, read) in enumerate(members):
                inner = _check_path(name, path)
                if number >= MOST_MEMBERS:
                    raise EvaluationError(f"{path}: holds more than {MOST_MEMBERS:,} files")
                if not is_wanted(inner):
                    continue
                if read is None:
                    raise EvaluationError(f"{path}: holds {shorten(inner)!r} as a link; right is a file")
                total += size
                if size > MOST_FILE_BYTES or total > MOST_BYTES:
                    raise EvaluationError(f"{path}: holds more than is read of one package; {shorten(inner)!r} is over")
                found[inner] = read()
    except EvaluationError:
        raise
    except _DAMAGE as fault:
        raise EvaluationError(f"{path}: is damaged: {fault or type(fault).__name__}; remove it and run again") from None
    return found


def unpack(path: Path, folder: Path, is_wanted: Callable[[str], bool]) -> None:
    """Write the files of a `.deb` or a wheel into a folder, and the links among them that stay inside of it.

    Args:
        path: The archive.
        folder: Where to; what is there stays, and is written over.
        is_wanted: Asked of each member's path.

    Raises:
        EvaluationError: As `read_members`'s.
        OSError: The folder cannot be written.
    """
    if path.suffix == ".whl":
        for name, data in read_members(path, is_wanted).items():
            place = folder / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(data)
        return

    def choose(member: tarfile.TarInfo, place: str) -> tarfile.TarInfo | None:
        inner = _check_path(member.name, path)
        is_absolute_link = member.issym() and member.linkname.startswith("/")
        return None if is_absolute_link or not is_wanted(inner) else tarfile.data_filter(member, place)

    try:
        with open_file(path, error=EvaluationError) as file, tarfile.open(fileobj=_open_data(file, path)) as archive:
            if sum(member.size for member in archive) > MOST_BYTES:
                raise EvaluationError(f"{path}: holds more than is read of one package")
            archive.extractall(folder, filter=choose)  # noqa: S202  (`choose` does what is asked for)
    except (tarfile.TarError, lzma.LZMAError, zlib.error, EOFError, ValueError) as fault:
        raise EvaluationError(f"{path}: is damaged: {fault or type(fault).__name__}; remove it and run again") from None


_Member = tuple[str, int, Callable[[], bytes] | None]
"""path, size, and what reads it; None of a link"""


def _check_path(name: str, path: Path) -> str:
    inner = PurePosixPath(name)
    if inner.is_absolute() or ".." in inner.parts or "\\" in name or "\0" in name:
        raise EvaluationError(f"{path}: holds {shorten(name)!r}, which leads outside of it; nothing of it is used")
    return inner.as_posix()


def _zip_members(file: IO[bytes]) -> Iterator[_Member]:
    with zipfile.ZipFile(file) as archive:
        for info in archive.infolist():
            if not info.is_dir():
                yield info.filename, info.file_size, functools.partial(_read_zipped, archive, info)


def _read_zipped(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    with archive.open(info) as member:
        return member.read(info.file_size)


def _deb_members(file: IO[bytes], path: Path) -> Iterator[_Member]:
    with tarfile.open(fileobj=_open_data(file, path), mode="r|*") as archive:
        for info in archive:
            if info.isfile():
                yield info.name, info.size, functools.partial(_read_tarred, archive, info)
            elif not info.isdir():
                yield info.name, 0, None


def _read_tarred(archive: tarfile.TarFile, info: tarfile.TarInfo) -> bytes:
    member = archive.extractfile(info)
    assert member is not None  # it is a regular file
    data = member.read()
    if len(data) != info.size:
        raise EOFError(f"{shorten(info.name)} ends early")
    return data


def _open_data(file: IO[bytes], path: Path) -> io.BytesIO:
    """The member `data.tar.*` of a `.deb`."""
    if file.read(len(_AR_MAGIC)) != _AR_MAGIC:
        raise EvaluationError(f"{path}: is no Debian package; remove it and run again")
    while len(header := file.read(_AR_HEADER_BYTES)) == _AR_HEADER_BYTES:
        name, size = header[:16].decode("latin-1").strip().rstrip("/"), int(header[48:58])
        if size < 0 or header[58:] != b"`\n":
            break
        if name.startswith("data.tar"):
            if name.endswith(".zst"):
                raise EvaluationError(f"{path}: is packed with Zstandard, which is not read; Debian's own is with xz")
            data = file.read(size)
            if len(data) != size:
                raise EOFError("it ends early")
            return io.BytesIO(data)
        file.seek(size + size % 2, io.SEEK_CUR)
    raise EvaluationError(f"{path}: is damaged: it has no data; remove it and run again")
