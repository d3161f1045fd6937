"""The machine that evaluates, as the evaluation records it."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from pathlib import Path

from evaluators.evaluation import Environment

_PACKAGES = (
    "ai-edge-litert",
    "tflite-runtime",
    "coremltools",
    "mir_eval",
    "numpy",
    "scipy",
    "soundfile",
    "soxr",
    "torch",
)


def describe_environment() -> Environment:
    """Platform, processor, cores and the versions of the packages that numbers depend on; nothing is imported."""
    packages = {}
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
        packages=packages,
    )


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown"
