"""ZIP archives and JSON of strangers, looked at before a framework opens them.

PyTorch, Keras and Python read ZIP files each in its own way. An archive is let through only if it can be read in one
way: it begins with its first member, ends with its directory, and no name in it stands twice.
"""

from __future__ import annotations

import json
import stat
import struct
import zipfile
from pathlib import Path
from typing import Any, BinaryIO

from packager.diagnosis import describe_fault
from packager.errors import PackagingError

_MOST_MEMBERS = 100_000
_MOST_JSON_BYTES = 2**28
_DIRECTORY_BYTES_A_MEMBER = 600
"""more than a member of a model's archive takes in the directory, on average"""

_FLOOR_BYTES = 2**28
_MOST_EXPANSION = 100
"""an archive that unpacks to more than the floor, and to this many times its own size, is made to exhaust memory: what
frameworks write is not compressed at all"""

_END = struct.Struct("<4s4H2LH")
_END64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR64 = struct.Struct("<4sLQL")


def check_zip(path: Path) -> list[zipfile.ZipInfo]:
    """Refuse an archive that can be read in two ways, names files elsewhere, or is made to exhaust memory.

    Returns:
        Its members.

    Raises:
        PackagingError: With what is wrong.
        zipfile.BadZipFile: It is no ZIP archive.
    """
    start = _check_directory(path)
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
    if len(members) > _MOST_MEMBERS:
        raise _unreadable(path, f"has {len(members)} members; a model's archive has at most {_MOST_MEMBERS}")
    names = set[str]()
    for member in members:
        _check_member(path, member)
        if member.filename.lower() in names:
            raise _unreadable(path, f"has the member {member.filename!r} twice, so that it could be read in two ways")
        names.add(member.filename.lower())
    if members and min(member.header_offset for member in members) != 0:
        raise _unreadable(path, "has something before its first member, so that it could be read as another format too")
    unpacked = sum(member.file_size for member in members)
    if unpacked > max(_FLOOR_BYTES, _MOST_EXPANSION * start):
        raise _unreadable(
            path,
            f"says that its {start} bytes unpack to {unpacked}; model archives are stored, and do not grow by more "
            f"than {_MOST_EXPANSION} times",
        )
    return members


def _check_directory(path: Path) -> int:
    """Where the directory of an archive begins.

    Raises:
        PackagingError: The directory is not the end of the file, or too long to be read.
        zipfile.BadZipFile: There is none.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(0, size - _END.size))
        tail = file.read(_END.size)
        if len(tail) < _END.size or tail[:4] != b"PK\5\6":
            if zipfile.is_zipfile(path):
                raise _unreadable(path, "has something after its end, so that it could be read as another format too")
            raise zipfile.BadZipFile("File is not a zip file")
        length, start = _END.unpack(tail)[5:7]
        end = size - _END.size
        length, start, end = _read_zip64(file, end) or (length, start, end)
    if start + length != end:
        raise _unreadable(path, "has something beside its members, so that it could be read as another format too")
    if length > _MOST_MEMBERS * _DIRECTORY_BYTES_A_MEMBER:
        raise _unreadable(path, f"has a directory of {length} bytes, for more members than any model's archive has")
    return int(start)


def _read_zip64(file: BinaryIO, end: int) -> tuple[int, int, int] | None:
    """Length, beginning and end of the directory as the record for long archives has it, where there is one."""
    file.seek(max(0, end - _LOCATOR64.size))
    locator = file.read(_LOCATOR64.size)
    if len(locator) < _LOCATOR64.size or locator[:4] != b"PK\6\7":
        return None
    place = end - _LOCATOR64.size - _END64.size
    file.seek(max(0, place))
    record = file.read(_END64.size)
    if len(record) < _END64.size or record[:4] != b"PK\6\6" or _LOCATOR64.unpack(locator)[2] != place:
        raise zipfile.BadZipFile("its directory is not where it says")
    length, start = _END64.unpack(record)[8:10]
    return length, start, place


def _check_member(path: Path, member: zipfile.ZipInfo) -> None:
    name = member.orig_filename
    if "\0" in name or "\\" in name or name.startswith("/") or ".." in name.split("/") or name[1:2] == ":":
        raise _unreadable(path, f"has the member {name!r}, which would lie outside its folder")
    if stat.S_ISLNK(member.external_attr >> 16):
        raise _unreadable(path, f"has the member {name!r}, which is a link to another file")
    if member.flag_bits & 0x1:
        raise _unreadable(path, f"has the encrypted member {name!r}; models are read without a password")


def _unreadable(path: Path, what: str) -> PackagingError:
    return PackagingError(f"{path}: this ZIP archive {what}; save the model anew with its framework")


def parse_json(text: str | bytes, where: str) -> Any:
    """JSON from a stranger's file.

    Args:
        text: At most 256 MiB.
        where: The file, and what of it, for messages.

    Raises:
        PackagingError: It is not JSON, too long, nested too deep, or has numbers of thousands of digits.
    """
    if len(text) > _MOST_JSON_BYTES:
        raise PackagingError(f"{where}: has {len(text)} bytes of JSON; at most {_MOST_JSON_BYTES} are read")
    try:
        return json.loads(text)
    except RecursionError:
        raise PackagingError(f"{where}: is JSON nested too deep to be a model's description") from None
    except ValueError as fault:  # of UnicodeDecodeError and of numbers too long as well
        raise PackagingError(f"{where}: cannot be read as JSON: {describe_fault(fault)}") from None
