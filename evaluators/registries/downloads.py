"""Archives in the user's cache: fetched once, used only when they are the very files that are meant.

A file under its final name is whole: it is downloaded in a hidden folder beside it, checked, and renamed. What a killed
download left is removed by the next one, which begins anew; a second process waits for the first.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from device_profiles.files import is_file, open_file
from device_profiles.text import clean_text, shorten
from evaluators.errors import EvaluationError
from evaluators.registries.archives import Archive
from evaluators.registries.cache import hold_lock
from evaluators.registries.tools import REGISTRIES, Registry
from packager.disk import refuse_write
from packager.storage import digest_file

MOST_SECONDS = 1800.0
_POLL_S = 0.1
_MOST_EXTRA_BYTES = 64 * 2**20
"""beyond the known size: what tools keep beside the file while they load it"""
_END_S = 5.0


def archive_path(archive: Archive, cache: Path) -> Path:
    """Where an archive belongs in a cache, also when it is put there by hand."""
    return cache / "archives" / archive.file


def is_fetched(archive: Archive, cache: Path) -> bool:
    """Whether an archive is there, and is the one that is meant."""
    path = archive_path(archive, cache)
    return is_file(path) and _digest(path) == archive.sha256


def fetch_archive(archive: Archive, cache: Path, on_bytes: Callable[[int], None]) -> Path:
    """Fetch an archive, unless it is there.

    Args:
        archive: Which.
        cache: See `find_cache`.
        on_bytes: Called with the number of bytes that have arrived.

    Raises:
        EvaluationError: It cannot be fetched, or what comes is another file; the message says how to place it by hand.
        PackagingError: The cache cannot be written.
    """
    path = archive_path(archive, cache)
    if is_fetched(archive, cache):
        return path
    try:
        with hold_lock(path.with_name(f".{path.name}.lock")):
            if not is_fetched(archive, cache):  # another process may have fetched it meanwhile
                _download(archive, path, on_bytes)
    except OSError as fault:
        raise refuse_write(path, fault) from None
    return path


def _download(archive: Archive, path: Path, on_bytes: Callable[[int], None]) -> None:
    registry, stage = REGISTRIES[archive.registry], path.with_name(f".{path.name}.download")
    obstacle = registry.find_obstacle()
    if obstacle is not None:
        raise EvaluationError(_describe_failure(archive, registry, path, obstacle))
    shutil.rmtree(stage, ignore_errors=True)
    try:
        files = stage / "files"
        files.mkdir(parents=True)
        _run(archive, registry, stage, on_bytes)
        arrived = sorted(found for found in files.iterdir() if found.suffix == path.suffix)
        if len(arrived) != 1:
            reason = f"{len(arrived)} files of the kind {path.suffix} arrived"
            raise EvaluationError(_describe_failure(archive, registry, path, reason))
        found, size = _digest(arrived[0]), arrived[0].stat().st_size
        if found != archive.sha256:
            reason = f"what arrived is another file, of {size} bytes with the SHA-256 {found}"
            raise EvaluationError(_describe_failure(archive, registry, path, reason))
        with arrived[0].open("rb") as file:
            os.fsync(file.fileno())
        arrived[0].chmod(0o644)
        arrived[0].replace(path)
    except subprocess.SubprocessError as fault:
        raise EvaluationError(_describe_failure(archive, registry, path, str(fault))) from None
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def _run(archive: Archive, registry: Registry, stage: Path, on_bytes: Callable[[int], None]) -> None:
    """Run the registry's tool; it is ended with all that it started when it takes too long, too much, or an interrupt.

    Raises:
        SubprocessError: It failed; the message is its own last line.
    """
    files, log = stage / "files", stage / "log.txt"
    # pip loads a file to the temporary folder first: there it can be watched, and is removed with the rest.
    environment = {**os.environ, "TMPDIR": str(stage), "LC_ALL": "C"}
    with log.open("wb") as output:
        process = subprocess.Popen(
            registry.command(archive, files),
            cwd=files,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            end_s = time.monotonic() + MOST_SECONDS
            while process.poll() is None:
                time.sleep(_POLL_S)
                size = _measure(stage)
                on_bytes(min(size, archive.size_bytes))
                if size > archive.size_bytes + _MOST_EXTRA_BYTES:
                    raise subprocess.SubprocessError("more arrived than the file has; it was broken off")
                if time.monotonic() > end_s:
                    raise subprocess.SubprocessError(f"it took more than {MOST_SECONDS:.0f} s and was broken off")
        finally:
            _end(process)
    if process.returncode != 0:
        lines = [line for line in log.read_text("utf-8", "replace").splitlines() if line.strip()]
        last = clean_text(lines[-1].strip()) if lines else f"exit code {process.returncode}"
        raise subprocess.SubprocessError(shorten(last, 300))


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(_END_S)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _measure(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):  # gone since it was listed
            total += path.lstat().st_size if path.is_file() else 0
    return total


def _describe_failure(archive: Archive, registry: Registry, path: Path, reason: str) -> str:
    return (
        f"{archive.file} cannot be fetched: {reason}\n"
        f"It is the {registry.title} {archive.title} ({archive.size_bytes / 1e6:.1f} MB, SHA-256 {archive.sha256}). "
        f"Run again when the registry can be reached, or fetch it elsewhere (`{registry.hint(archive)}`) and put it at "
        f"{path}"
    )


def _digest(path: Path) -> str:
    with open_file(path, error=EvaluationError) as file:
        return digest_file(file).sha256
