"""Files that are whole or absent: atomic writes, staged folders, digests and the lock on an output folder.

Whatever is written under its final name is complete: it is built under a hidden name beside it and renamed. A killed
run leaves at most hidden leftovers (`.<name>.<random>.partial`), which the next run sweeps away under the lock.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import glob
import hashlib
import itertools
import json
import os
import re
import secrets
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator, Mapping
from io import BufferedReader
from pathlib import Path
from typing import Any

from packager.bundle import FileDigest
from packager.disk import explain_no_space, refuse_write
from packager.errors import DiskError, PackagingError

PARTIAL = ".partial"
"""how the name of what is not finished ends"""
MAX_ENTRIES = 10_000
"""files and folders that a source or bundle may hold: a SavedModel with its shards has some dozens"""
MAX_BYTES = 64 * 2**30
_KINDS = {stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device"}
_LEFTOVER = re.compile(rf"\..+\.[a-z0-9_]{{8}}{re.escape(PARTIAL)}", re.DOTALL)
"""as `tempfile` names what this module stages"""


def write_bytes_atomically(path: Path, data: bytes) -> None:
    """Write `data` under a hidden name beside `path`, then rename it into place; it is on the disk before it is there.

    Raises:
        PackagingError: The folder cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(path)
        handle, partial = _open_partial(path)
        with os.fdopen(handle, "wb") as file:
            try:
                file.write(data)
                file.flush()
                os.fsync(handle)
                partial.chmod(0o644)
                partial.replace(path)
            except BaseException:
                partial.unlink(missing_ok=True)
                raise
        _sync(path.parent)
    except OSError as fault:
        raise refuse_write(path, fault) from None


def _open_partial(path: Path) -> tuple[int, Path]:
    """A hidden file beside `path`, locked for as long as it is open, so that nobody takes it for abandoned."""
    while True:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=PARTIAL, dir=path.parent)
        with contextlib.suppress(OSError):  # some file systems have no locks
            fcntl.flock(handle, fcntl.LOCK_EX)
        if os.fstat(handle).st_nlink:
            return handle, Path(name)
        os.close(handle)  # it was taken for abandoned before it was locked


def _remove_abandoned(path: Path) -> None:
    """Remove what a killed writer of `path` left beside it, wherever that is: not every folder is held by a run."""
    for leftover in path.parent.glob(f".{glob.escape(path.name)}.????????{PARTIAL}"):
        with contextlib.suppress(OSError), leftover.open("rb") as file:  # locked, gone, or no file
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            leftover.unlink()


def write_text_atomically(path: Path, text: str) -> None:
    """As `write_bytes_atomically`, UTF-8."""
    write_bytes_atomically(path, text.encode("utf-8"))


@contextlib.contextmanager
def stage_folder(final: Path) -> Iterator[Path]:
    """A hidden folder that becomes `final` when the block ends well, and vanishes when it does not.

    An older folder of that name is removed first: whoever stages anew has decided that it is stale.

    Raises:
        PackagingError: The folder cannot be made or put into place, or the disk takes no more of what the block writes.
    """
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        remove_folder(final)
        stage = Path(tempfile.mkdtemp(prefix=f".{final.name}.", suffix=PARTIAL, dir=final.parent))
    except OSError as fault:
        raise refuse_write(final, fault) from None
    try:
        with name_full_disk(final):
            yield stage
        put_into_place(stage, final)
    except BaseException:
        shutil.rmtree(stage, ignore_errors=True)
        raise


def put_into_place(made: Path, final: Path) -> None:
    """Give a finished file or folder its final name, once all of it is on the disk; what had that name goes.

    Raises:
        PackagingError: It cannot be put there.
    """
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        made.chmod(0o755 if made.is_dir() else 0o644)
        _sync_tree(made)
        remove_folder(final)
        made.rename(final)
        _sync(final.parent)
    except OSError as fault:
        raise refuse_write(final, fault) from None


@contextlib.contextmanager
def name_full_disk(path: Path) -> Iterator[None]:
    """Turn a fault of the block that comes of a full or broken disk into one that says so.

    Args:
        path: What is being made: on its file system and that of the temporary folder the block may write.

    Raises:
        DiskError: Instead of what the block raised, which is its cause. What has another reason goes on as it is.
    """
    try:
        yield
    except DiskError:
        raise
    except Exception as fault:
        reason = explain_no_space([path.parent], fault)
        if reason is not None:
            raise DiskError(reason) from fault
        raise


@contextlib.contextmanager
def temporary_folder() -> Iterator[Path]:
    """A folder for as long as the block runs, in which frameworks may write; a full disk there is told by its name.

    Raises:
        PackagingError: It cannot be made, or the disk takes no more of what the block writes.
    """
    try:
        folder = tempfile.TemporaryDirectory(prefix="testpress-")
    except OSError as fault:
        raise DiskError(explain_no_space([], fault) or str(fault)) from None
    with folder as name, name_full_disk(Path(name)):
        yield Path(name)


def remove_folder(folder: Path) -> None:
    """Remove a folder, where there is one, at a stroke: half of one is never seen under its name.

    Raises:
        OSError: It cannot be moved away.
    """
    if folder.is_dir() and not folder.is_symlink():
        away = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}{PARTIAL}")
        folder.rename(away)  # takes no space of a full disk
        shutil.rmtree(away, ignore_errors=True)


@contextlib.contextmanager
def lock_folder(folder: Path) -> Iterator[None]:
    """Hold an output folder for this process alone, and sweep away what a run left behind: a killed one, or this one.

    The lock is the operating system's and ends with the process, however it ends.

    Raises:
        PackagingError: The folder cannot be made or written, or another run holds it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / ".lock").open("a")
    except OSError as fault:
        raise refuse_write(folder, fault) from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise PackagingError(f"{folder}: another testpress run is writing here; wait for it or choose -o") from None
        except OSError as fault:  # a network's file system may have no locks
            raise refuse_write(folder / ".lock", fault) from None
        _sweep(folder)
        try:
            yield
        finally:
            _sweep(folder)  # a worker that crashed cannot clean up after itself


def _sweep(folder: Path) -> None:
    for leftover in folder.rglob(f".*{PARTIAL}"):
        if not _LEFTOVER.fullmatch(leftover.name):  # it is somebody else's
            continue
        if leftover.is_dir() and not leftover.is_symlink():
            shutil.rmtree(leftover, ignore_errors=True)
        else:
            leftover.unlink(missing_ok=True)


def _sync_tree(folder: Path) -> None:
    for path in [folder, *folder.rglob("*")]:
        if not path.is_symlink() and (path.is_file() or path.is_dir()):
            _sync(path)


def _sync(path: Path) -> None:
    """Have what is written reach the disk itself: a rename that survives a power cut must not name empty files."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as fault:
        if fault.errno not in {errno.EINVAL, errno.ENOTSUP}:  # some file systems sync no folders
            raise
    finally:
        os.close(handle)


def digest_bytes(data: bytes) -> str:
    """SHA-256 as hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


_Facts = tuple[int, int, int, int, int]
_digests: dict[_Facts, FileDigest] = {}
"""what the operating system says of a file → its digest: a file is read once a process, and when it changes"""
_UNSURE_S = 0.1
"""of a file that was written this shortly ago a later change may leave no trace in its times"""


def digest_file(file: BufferedReader) -> FileDigest:
    """The digest of an open file, from its beginning."""
    facts = _describe(os.fstat(file.fileno()))
    if facts in _digests:
        return _digests[facts]
    sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    digest = FileDigest(sha256=sha256, size_bytes=os.fstat(file.fileno()).st_size)
    if time.time_ns() - max(facts[3:]) > _UNSURE_S * 1e9:
        _digests[facts] = digest
    return digest


def remember_digest(path: Path, digest: FileDigest) -> None:
    """Take a file's digest from who has just written it, so that it need not be read."""
    with contextlib.suppress(OSError):
        _digests[_describe(path.lstat())] = digest


def _describe(status: os.stat_result) -> _Facts:
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def digest_files(root: Path, *, bounded: bool = True) -> dict[str, FileDigest]:
    """Every file below `root` (or `root` itself) by relative POSIX path, sorted.

    Symbolic links are refused: a bundle or a source must not reach outside itself. So is what is no file, which may
    have no end, and what is too large to be a model, before a byte of it is read.

    Args:
        root: A file or folder.
        bounded: Whether more than `MAX_ENTRIES` files and folders, or `MAX_BYTES` bytes, are refused.

    Raises:
        PackagingError: There is nothing, too much, a link, pipe, socket or device, or what cannot be read.
    """
    digests = {}
    for path in list_files(root, bounded=bounded):
        name = path.name if path == root else path.relative_to(root).as_posix()
        try:
            # A pipe put here since would otherwise wait for a writer, and a link lead outside.
            with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
                digests[name] = digest_file(file)
        except OSError as fault:
            raise PackagingError(f"{path}: cannot be read: {fault.strerror}") from None
    return digests


def list_files(root: Path, *, bounded: bool = True) -> list[Path]:
    """Every file below `root` (or `root` itself), none of them opened; arguments and errors as `digest_files`'s."""
    files: list[Path] = []
    waiting, n_entries, size_bytes = [root], 0, 0
    while waiting:
        path = waiting.pop()
        try:
            found = path.lstat() if path != root or path.is_file() else path.stat()  # a folder may be named by a link
            inner = _list_folder(path, bounded) if stat.S_ISDIR(found.st_mode) else None
        except OSError as fault:
            raise PackagingError(f"{path}: cannot be read: {fault.strerror}") from None
        if inner is None:
            _refuse_special(path, found.st_mode)
            files.append(path)
            size_bytes += found.st_size
        waiting += inner or ()
        n_entries += len(inner or ())
        if bounded and n_entries > MAX_ENTRIES:
            raise PackagingError(f"{root}: holds more than {MAX_ENTRIES:,} files; name the model's own folder")
        if bounded and size_bytes > MAX_BYTES:
            raise PackagingError(f"{root}: holds more than {MAX_BYTES >> 30} GiB; name the model's own file or folder")
    return sorted(files)


def _list_folder(path: Path, bounded: bool) -> list[Path]:
    with os.scandir(path) as entries:
        return [path / entry.name for entry in itertools.islice(entries, MAX_ENTRIES + 1 if bounded else None)]


def _refuse_special(path: Path, mode: int) -> None:
    if stat.S_ISLNK(mode):
        raise PackagingError(f"{path}: is a symbolic link; only regular files can be packaged")
    if not stat.S_ISREG(mode):
        raise PackagingError(f"{path}: is {_KINDS.get(stat.S_IFMT(mode), 'no file')}; only regular files are read")


def digest_tree(root: Path) -> str:
    """One SHA-256 over the names and contents of all files below `root`."""
    return digest_listed(digest_files(root))


def digest_listed(files: Mapping[str, FileDigest]) -> str:
    """As `digest_tree`, of files whose digests are known."""
    return digest_bytes("".join(f"{name} {files[name].sha256}\n" for name in files).encode())


def digest_facts(facts: dict[str, Any]) -> str:
    """One SHA-256 over anything that JSON can hold: the content address of what is made of it."""
    return digest_bytes(json.dumps(facts, sort_keys=True).encode())
