"""What is said when a disk does not take what is to be written: by us, or by a framework that hides the reason."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from packager.diagnosis import describe_fault, read_message
from packager.errors import DiskError, PackagingError

_FULL = {errno.ENOSPC: "no space left on the device", errno.EDQUOT: "the disk quota is used up"}
_BROKEN = {
    errno.EFBIG: "a file of that size is not allowed here",
    errno.EROFS: os.strerror(errno.EROFS),
    errno.EIO: "the device fails (input/output error)",
}
_MIN_FREE_BYTES = 1 << 20
"""below it a file system counts as full: what did not fit has often been removed again when one looks"""
_LITTLE_BYTES = 256 << 20
"""what a conversion of a large model may need for a while"""
_ELSEWHERE = "choose another folder with -o"
_OTHER_TMPDIR = "set TMPDIR to another folder"


def refuse_write(path: Path, fault: OSError) -> PackagingError:
    """The error for a file or folder that the operating system refuses to write.

    Args:
        path: What was to be written; a full disk is told of the folder it lies in.
        fault: What the operating system raised.
    """
    if fault.errno in _FULL:
        what = f"{path.name} cannot be written"
        return DiskError(f"{path.parent}: {_FULL[fault.errno]}: {what}; free some or {_ELSEWHERE}")
    reason = _BROKEN.get(fault.errno or 0, fault.strerror)
    message = f"{path}: cannot be written: {reason}; {_ELSEWHERE}"
    return DiskError(message) if fault.errno in _BROKEN else PackagingError(message)


def explain_no_space(folders: Sequence[Path], fault: BaseException | None = None) -> str | None:
    """Whether a fault comes of a disk that is full or broken, as one message; None where nothing speaks for it.

    Frameworks write with their own code and wrap what the operating system said, or say nothing at all: hence the
    look at the file systems, which is best taken before anything is cleaned up.

    Args:
        folders: Where output goes, as -o decides it; the temporary folder is looked at as well.
        fault: What was raised, where it is at hand; what caused it counts too.
    """
    told = next((str(each) for each in _causes(fault) if isinstance(each, DiskError)), None)
    if told is not None:
        return told
    temporary = Path(tempfile.gettempdir())
    number, path = _find_number(fault)
    full = next((folder for folder in (*folders, temporary) if _is_full(folder)), None)
    if number is None and full is None:
        return None
    holding = [folder for folder in (*folders, temporary) if path is not None and path.is_relative_to(folder)]
    where = next(iter(holding), path or full or next(iter(folders), temporary))
    way = _OTHER_TMPDIR if where == temporary else _ELSEWHERE
    if number in _BROKEN:
        return f"{where}: cannot be written: {_BROKEN[number]}; {way}"
    return f"{where}: {_FULL[number or errno.ENOSPC]}: {_name(fault)}; free some or {way}"


def hint_at_space(folders: Sequence[Path]) -> str:
    """What is added to a reason where little space is left: " (only 2.1 MB are free in …)"; else nothing.

    A framework that found no room may swallow the fault, write half of a model and clean up behind itself. What fails
    later has another reason then, and no disk is full any more.
    """
    for folder in (*folders, Path(tempfile.gettempdir())):
        free = _read_free(folder)
        if free is not None and free < _LITTLE_BYTES:
            return f" (only {free / 1e6:.1f} MB are free in {folder}, which may be why)"
    return ""


def tells_of_disk(reason: str) -> bool:
    """Whether a worker's reason is one of this module's: then the disk is at fault, and no model."""
    broken = (f": cannot be written: {words}; " for words in _BROKEN.values())
    return any(sign in reason for sign in (*(f": {words}: " for words in _FULL.values()), *broken))


def refuse_full_disk(reason: str | None, log: Path | None) -> None:
    """End all work where a worker met a full disk: no model is to blame, and the next one would not fit either.

    Raises:
        DiskError: The reason tells of one.
    """
    if reason is not None and tells_of_disk(reason):
        raise DiskError(reason if log is None else f"{reason}\n(log: {log})")


def _find_number(fault: BaseException | None) -> tuple[int | None, Path | None]:
    """The operating system's number in a fault or what caused it, and the file it was about where that is told."""
    for each in _causes(fault):
        if isinstance(each, OSError) and each.errno in {*_FULL, *_BROKEN}:
            name = each.filename
            return each.errno, Path(os.fsdecode(name)) if isinstance(name, str | bytes) else None
    for number in (*_FULL, errno.EFBIG, errno.EROFS):  # what C++ code quotes; its "I/O error" may be anything
        if any(os.strerror(number).lower() in read_message(each).lower() for each in _causes(fault)):
            return number, None
    return None, None


def _causes(fault: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while fault is not None and id(fault) not in seen:
        seen.add(id(fault))
        yield fault
        fault = fault.__cause__ or fault.__context__


def _name(fault: BaseException | None) -> str:
    """The fault that hides it; what the operating system said itself is in the message already."""
    return "nothing more can be written" if fault is None or isinstance(fault, OSError) else describe_fault(fault)


def _is_full(folder: Path) -> bool:
    free = _read_free(folder)
    return free is not None and free < _MIN_FREE_BYTES


def _read_free(folder: Path) -> int | None:
    """Bytes that can be written where a folder is or would be made; 0 also where no file can be made any more."""
    for place in (folder, *folder.absolute().parents):
        try:
            found = os.statvfs(place)
        except OSError:  # not made yet
            continue
        no_files = found.f_files > 0 and found.f_favail == 0  # some file systems count no files
        return 0 if no_files else found.f_bavail * found.f_frsize
    return None
