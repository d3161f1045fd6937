"""Debian's list of packages for several kinds of processor, as the user's apt-get fetches it, kept in the user's cache.

apt-get checks the list's signature with the keys that the user's system trusts, and that list gives each package's
digest. The system's own list, which holds its own kind of processor alone, is not touched, and nobody has to be root.
"""

from __future__ import annotations

import os
import subprocess
import time
from email.parser import HeaderParser
from pathlib import Path

from device_profiles.text import clean_text, shorten
from evaluators.errors import EvaluationError
from evaluators.registries.archives import Archive
from evaluators.registries.cache import find_cache, hold_lock

ARCHITECTURES = ("amd64", "arm64")
_MOST_AGE_S = 12 * 3600
_MOST_SECONDS = 600
_PATIENCE_S = 30


def find_configuration() -> Path:
    """The file that apt-get is given, whether or not it is there; the list lies beside it."""
    return find_cache() / "apt" / "apt.conf"


def fetch_index() -> None:
    """Fetch the list, unless it was a few hours ago.

    Raises:
        EvaluationError: apt-get cannot be run, or fetches nothing.
        PackagingError: The cache cannot be written.
    """
    file = find_configuration()
    stamp = file.with_name("fetched")
    with hold_lock(file.with_name(".lock")):
        if stamp.is_file() and time.time() - stamp.stat().st_mtime < _MOST_AGE_S:
            return
        for folder in ("lists/partial", "archives/partial"):
            (file.parent / folder).mkdir(parents=True, exist_ok=True)
        (file.parent / "status").touch()
        file.write_text(_configure(file.parent), "utf-8")
        ended = _run("apt-get", "-qq", "update")
        # One source of many may fail, for example a third party's that has no packages of the other kind.
        if not any((file.parent / "lists").glob("*Packages*")):
            raise EvaluationError(f"the list of Debian's packages cannot be fetched: {_last_line(ended)}")
        stamp.touch()


def find_in_index(package: str) -> Archive:
    """A package as the list has it now.

    Args:
        package: Its name and kind of processor, for example `libc6:arm64`.

    Raises:
        EvaluationError: It is not there.
    """
    ended = _run("apt-cache", "show", "--no-all-versions", package)
    fields = HeaderParser().parsestr(ended.stdout)
    try:
        name, kind, version = fields["Package"], fields["Architecture"], fields["Version"]
        file = f"{name}_{version.replace(':', '%3a')}_{kind}.deb"
        size = int(fields["Size"])
    except (AttributeError, TypeError, ValueError):
        raise EvaluationError(f"apt-get's sources have no package {package}: {_last_line(ended)}") from None
    found = Archive(
        registry="debian-12", package=package, version=version, file=file, sha256=fields["SHA256"], size_bytes=size
    )
    if "/" in found.file:
        raise EvaluationError(f"apt-get's sources name {package} {shorten(version)!r}, which is no version")
    return found


def _configure(folder: Path) -> str:
    kinds = " ".join(f'"{kind}";' for kind in ARCHITECTURES)
    return "\n".join(
        [
            f'Dir::State "{folder}/";',
            f'Dir::State::status "{folder}/status";',
            f'Dir::Cache "{folder}/";',
            # Containers' own settings switch this off, and the whole list is read at each call then.
            'Dir::Cache::pkgcache "pkgcache.bin";',
            'Dir::Cache::srcpkgcache "srcpkgcache.bin";',
            f'APT::Architecture "{ARCHITECTURES[0]}";',
            "#clear APT::Architectures;",
            f"APT::Architectures {{ {kinds} }};",
            'Acquire::Languages "none";',
            'Acquire::Retries "1";',
            f'Acquire::http::Timeout "{_PATIENCE_S}";',
            f'Acquire::https::Timeout "{_PATIENCE_S}";',
            'APT::Sandbox::User "root";',
            "",
        ]
    )


def _run(tool: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            [tool, "-c", str(find_configuration()), *arguments],
            env={**os.environ, "LC_ALL": "C"},
            capture_output=True,
            text=True,
            errors="replace",
            stdin=subprocess.DEVNULL,
            timeout=_MOST_SECONDS,
            check=False,
        )
    except FileNotFoundError:
        raise EvaluationError(f"{tool} is not there, which only Debian and its relatives have") from None
    except subprocess.TimeoutExpired:
        raise EvaluationError(f"{tool} took more than {_MOST_SECONDS} s and was broken off") from None


def _last_line(ended: subprocess.CompletedProcess[str]) -> str:
    lines = [line for line in ended.stderr.splitlines() if line.strip()]
    return shorten(clean_text(lines[-1].strip()), 300) if lines else f"exit code {ended.returncode}"
