"""The machine that evaluates, as the evaluation records it."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from device_profiles.record import Record
from evaluators.errors import EvaluationError
from packager.bounds import Count

_PACKAGES = (
    "ai-edge-litert",
    "tflite-runtime",
    "coremltools",
    "numpy",
    "scipy",
    "soundfile",
    "soxr",
    "torch",
)


class Environment(Record):
    """The machine that evaluated."""

    platform: str
    processor: str
    cores: Count
    python: str
    packages: dict[str, str]


def describe_environment(more: Mapping[str, str] = MappingProxyType({})) -> Environment:
    """Platform, processor, cores and the versions of the packages that numbers depend on; nothing is imported.

    Args:
        more: Versions of further packages, such as a task's libraries.
    """
    packages = dict(more)
    for package in _PACKAGES:
        try:
            packages[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return Environment(
        platform=f"{platform.system()} {platform.release()} {platform.machine()}",
        processor=_processor(),
        cores=os.cpu_count() or 1,
        python=platform.python_version(),
        packages=dict(sorted(packages.items())),
    )


def find_version(package: str, user: str, extra: str | None = None) -> str:
    """The version of a package without which something cannot be done.

    Args:
        package: As pip names it.
        user: What needs it, as messages name it.
        extra: testpress's extra that brings it; None where it is installed by its own name.

    Raises:
        EvaluationError: It is not installed, and what installs it.
    """
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        wanted = package if extra is None else f"'testpress[{extra}]'"
        raise EvaluationError(
            f"{user} needs the package {package}, which is not installed; install it: pip install {wanted}"
        ) from None


def describe_machine() -> str:
    """This machine in a few words: what a number that was measured here says of its origin."""
    return f"{_processor()}, {os.cpu_count() or 1} cores, {platform.system()} {platform.machine()}"


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown"
