"""One job on a node of a cluster: its inputs are brought there by content, and its results go back as bytes."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import os
import platform
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from packager.errors import PackagingError
from packager.jobs.code import digest_job_code
from packager.jobs.inputs import relocate
from packager.jobs.worker_process import POOLS, Ended, Job, Limits
from packager.jobs.workers import run_jobs
from packager.storage import list_files, write_bytes_atomically

COMPUTING = (*POOLS, "CUDA_VISIBLE_DEVICES")
"""what changes the order in which sums are added: as on the machine that asks, since a cluster may set its own"""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class Sent:
    """A job as it travels.

    Attributes:
        target: See `Job`.
        request: See `Job`; paths are those of the machine that asks.
        limits: See `Job`.
        code: See `Job`.
        code_sha256: What `digest_job_code` says of it where it was asked.
        versions: Of the libraries, there.
        environment: `COMPUTING`, there.
        inputs: Path in the request → the files below it, by name, with their SHA-256; of a file itself, without a name.
        results: The names of what it makes.
        threads: See `Job`.
    """

    target: str
    request: dict[str, Any]
    limits: Limits
    code: tuple[str, ...]
    code_sha256: str
    versions: Mapping[str, str]
    environment: Mapping[str, str]
    inputs: Mapping[str, Mapping[str, str]]
    results: tuple[str, ...]
    threads: int | None


@dataclass(frozen=True)
class Returned:
    """What came of it.

    Attributes:
        events: What the worker said; results are whole before they are spoken of.
        ended: How it ended.
        files: Name of what it made → its files by their names below it, with their contents; a file has none.
        log: What it printed.
        machine: The node's name.
    """

    events: list[dict[str, Any]]
    ended: Ended
    files: dict[str, dict[str, bytes]] = field(default_factory=dict)
    log: bytes = b""
    machine: str = ""


def library_versions() -> dict[str, str]:
    """The versions of all libraries that testpress names, as far as they are installed."""
    found = {}
    for requirement in importlib.metadata.requires("testpress") or ():
        match = _NAME.match(requirement)
        assert match is not None
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[match[0]] = importlib.metadata.version(match[0])
    return found


def run_on_node(sent: Sent, fetch: Callable[[str], bytes]) -> Returned:
    """Run a job here, in a worker process with its limits.

    Args:
        sent: The job.
        fetch: The contents with a SHA-256, from wherever they are.
    """
    fault = _find_difference(sent)
    if fault is not None:
        return Returned([], Ended(fault, is_refusal=True), machine=platform.node())
    with tempfile.TemporaryDirectory(prefix="testpress-node-") as name, _set_environment(sent.environment):
        folder = Path(name).resolve()
        places = _bring_inputs(sent, folder / "inputs", fetch)
        made, log = folder / "made", folder / "log.txt"
        job = Job(
            sent.target,
            relocate(sent.request, places),
            log,
            sent.limits,
            results={each: made / each.rstrip("/") for each in sent.results},
            code=sent.code,
            threads=sent.threads,
        )
        events: list[dict[str, Any]] = []
        (ended,) = run_jobs([job], lambda _, event: events.append(event))
        reason = None if ended.reason is None else _name_as_asked(ended.reason, places)
        files = {path.name: _read_files(path) for path in (sorted(made.iterdir()) if made.is_dir() else ())}
        return Returned(events, Ended(reason, ended.is_refusal), files, log.read_bytes(), platform.node())


def _find_difference(sent: Sent) -> str | None:
    """Why what is installed here would not make what is asked for; None where it would."""
    here = library_versions()
    others = [
        f"{name} {here.get(name, 'not installed')} instead of {version}"
        for name, version in sent.versions.items()
        if here.get(name) != version
    ]
    where = f"the node {platform.node()}"
    if others:
        return f"{where} has {', '.join(others)}; install there what is installed here"
    if digest_job_code(*sent.code) != sent.code_sha256:
        return f"{where} has another testpress than this machine; install the same there"
    return None


@contextlib.contextmanager
def _set_environment(wanted: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in COMPUTING}
    _update_environment({name: wanted.get(name) for name in COMPUTING})
    try:
        yield
    finally:
        _update_environment(before)


def _update_environment(values: Mapping[str, str | None]) -> None:
    for name, value in values.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def _bring_inputs(sent: Sent, folder: Path, fetch: Callable[[str], bytes]) -> dict[str, str]:
    """Lay each input out below a folder; path in the request → where it is now."""
    places = {}
    for number, (path, files) in enumerate(sent.inputs.items()):
        root = folder / str(number)
        place = root / Path(path).name
        for name, sha256 in files.items():
            file = place / name if name else place
            if not file.resolve().is_relative_to(root):
                raise PackagingError(f"{name!r} lies outside of what it is said to be in")
            file.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(_keep(sha256, fetch), file)
        places[path] = str(place)
    return places


def _keep(sha256: str, fetch: Callable[[str], bytes]) -> Path:
    """The file of this node's cache that holds what has a SHA-256, fetched where it is not there."""
    cache = Path(tempfile.gettempdir()) / f"testpress_inputs_{os.getuid()}"
    cache.mkdir(mode=0o700, exist_ok=True)
    if cache.is_symlink() or cache.stat().st_uid != os.getuid():
        raise PackagingError(f"{cache}: belongs to somebody else; remove it, or set TMPDIR to another folder")
    path = cache / sha256
    if not path.is_file():
        data = fetch(sha256)
        if hashlib.sha256(data).hexdigest() != sha256:
            raise PackagingError(f"what was sent as {sha256[:12]}… is something else; run again")
        write_bytes_atomically(path, data)
    return path


def _read_files(root: Path) -> dict[str, bytes]:
    return {
        "" if path == root else path.relative_to(root).as_posix(): path.read_bytes()
        for path in list_files(root, bounded=False)
    }


def _name_as_asked(reason: str, places: Mapping[str, str]) -> str:
    for old, new in places.items():
        reason = reason.replace(new, old)
    return reason
