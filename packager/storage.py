"""Files that are whole or absent: atomic writes, staged folders, digests and the lock on an output folder.

Whatever is written under its final name is complete: it is built under a hidden name beside it and renamed. A killed
run leaves at most hidden leftovers (`.<name>.<random>.partial`), which the next run sweeps away under the lock.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from packager.bundle import FileDigest
from packager.errors import PackagingError

_PARTIAL = ".partial"


def write_bytes_atomically(path: Path, data: bytes) -> None:
    """Write `data` under a hidden name beside `path`, then rename it into place.

    Raises:
        PackagingError: The folder cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=_PARTIAL, dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            Path(name).chmod(0o644)
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as fault:
        raise _refusal(path, fault) from None


def write_text_atomically(path: Path, text: str) -> None:
    """As `write_bytes_atomically`, UTF-8."""
    write_bytes_atomically(path, text.encode("utf-8"))


@contextlib.contextmanager
def stage_folder(final: Path) -> Iterator[Path]:
    """A hidden folder that becomes `final` when the block ends well, and vanishes when it does not.

    An older folder of that name is removed first: whoever stages anew has decided that it is stale.

    Raises:
        PackagingError: The folder cannot be made or put into place.
    """
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(final, ignore_errors=True)
        stage = Path(tempfile.mkdtemp(prefix=f".{final.name}.", suffix=_PARTIAL, dir=final.parent))
    except OSError as fault:
        raise _refusal(final, fault) from None
    try:
        yield stage
        try:
            stage.chmod(0o755)
            stage.rename(final)
        except OSError as fault:
            raise _refusal(final, fault) from None
    except BaseException:
        shutil.rmtree(stage, ignore_errors=True)
        raise


@contextlib.contextmanager
def lock_folder(folder: Path) -> Iterator[None]:
    """Hold an output folder for this process alone, and sweep away what a killed run left behind.

    The lock is the operating system's and ends with the process, however it ends.

    Raises:
        PackagingError: The folder cannot be made or written, or another run holds it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / ".lock").open("a")
    except OSError as fault:
        raise _refusal(folder, fault) from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise PackagingError(f"{folder}: another testpress run is writing here; wait for it or choose -o") from None
        for leftover in folder.rglob(f".*{_PARTIAL}"):
            shutil.rmtree(leftover, ignore_errors=True) if leftover.is_dir() else leftover.unlink(missing_ok=True)
        yield


def create_array(path: Path, shape: tuple[int, ...]) -> npt.NDArray[np.float32]:
    """A new `.npy` file of float32 zeros, memory-mapped, so that it may be larger than memory."""
    mapped: npt.NDArray[np.float32] = np.lib.format.open_memmap(  # type: ignore[no-untyped-call]
        path, mode="w+", dtype=np.float32, shape=shape
    )
    return mapped


def _refusal(path: Path, fault: OSError) -> PackagingError:
    return PackagingError(f"{path}: cannot be written: {fault.strerror}; choose another folder with -o")


def digest_bytes(data: bytes) -> str:
    """SHA-256 as hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def digest_files(root: Path) -> dict[str, FileDigest]:
    """Every regular file below `root` (or `root` itself) by relative POSIX path, sorted.

    Symbolic links are refused: a bundle or a source must not reach outside itself.
    """
    paths = [root] if root.is_file() else sorted(root.rglob("*"))
    digests = {}
    for path in paths:
        if path.is_symlink():
            raise PackagingError(f"{path}: is a symbolic link; only regular files can be packaged")
        if path.is_file():
            name = path.name if path == root else path.relative_to(root).as_posix()
            with path.open("rb") as file:
                digests[name] = FileDigest(
                    sha256=hashlib.file_digest(file, "sha256").hexdigest(), size_bytes=path.stat().st_size
                )
    return digests


def digest_tree(root: Path) -> str:
    """One SHA-256 over the names and contents of all files below `root`."""
    lines = [f"{name} {digest.sha256}\n" for name, digest in digest_files(root).items()]
    return digest_bytes("".join(lines).encode())


@functools.cache
def digest_code(folder: Path) -> str:
    """One SHA-256 over the Python files below a package's folder: results made by other code are made again."""
    lines = [f"{path.relative_to(folder)} {digest_bytes(path.read_bytes())}\n" for path in sorted(folder.rglob("*.py"))]
    return digest_bytes("".join(lines).encode())


def digest_facts(facts: dict[str, Any]) -> str:
    """One SHA-256 over anything that JSON can hold: the content address of what is made of it."""
    return digest_bytes(json.dumps(facts, sort_keys=True).encode())
