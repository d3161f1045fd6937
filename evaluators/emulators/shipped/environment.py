"""The packages of a runtime, as they lie in the user's cache: made once by the user's own pip, and used by all recipes.

Nothing is installed beside testpress, and no code of a package runs while it is made: pip is asked for wheels alone.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

from device_profiles.record import Record
from device_profiles.text import clean_text, shorten
from evaluators.emulators.shipped.versions import ShippedRuntime
from evaluators.errors import EvaluationError
from evaluators.registries.cache import find_cache, hold_lock
from packager.seals import read_sealed_record, write_sealed_record
from packager.storage import stage_folder

SITE = "site"
_RECORD = "environment.json"
_MOST_SECONDS = 900
_PATIENCE_S = 30
_SHOWN = 300


class Installed(Record):
    """What was put there."""

    packages: tuple[str, ...]
    """names and versions, sorted"""


def find_folder(runtime: ShippedRuntime) -> Path:
    """Where it belongs, whether or not it is there: another place for another Python."""
    python = f"{sys.implementation.name}{sys.version_info.major}{sys.version_info.minor}"
    return find_cache() / "runtimes" / f"{runtime.library.package}-{runtime.version}-{python}"


def is_there(runtime: ShippedRuntime) -> bool:
    """Whether it was made."""
    return read_sealed_record(find_folder(runtime) / _RECORD, Installed) is not None


def make_environment(runtime: ShippedRuntime) -> None:
    """Put the runtime there, unless it is.

    Raises:
        EvaluationError: pip is not there, reaches no registry, or finds no such version for this Python.
        PackagingError: The cache cannot be written.
    """
    folder = find_folder(runtime)
    with hold_lock(folder.with_name(f".{folder.name}.lock")):
        if is_there(runtime):
            return
        if importlib.util.find_spec("pip") is None:
            raise EvaluationError(f"{runtime.title} cannot be fetched: pip is not installed for {sys.executable}")
        with stage_folder(folder) as stage:
            _install(runtime, stage / SITE)
            write_sealed_record(stage / _RECORD, Installed(packages=_list_packages(stage / SITE)))


def _install(runtime: ShippedRuntime, site: Path) -> None:
    quiet = ["--quiet", "--no-input", "--disable-pip-version-check", "--progress-bar", "off"]
    patience = ["--timeout", str(_PATIENCE_S), "--retries", "1"]
    wheels = ["--only-binary", ":all:", "--target", str(site), *runtime.requirements]
    try:
        ended = subprocess.run(
            [sys.executable, "-m", "pip", "install", *quiet, *patience, *wheels],
            env={**os.environ, "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_MOST_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise EvaluationError(f"{runtime.title} cannot be fetched: pip was not done after {_MOST_SECONDS} s") from None
    if ended.returncode:
        raise EvaluationError(_explain(runtime, ended.stderr, ended.returncode))


def _explain(runtime: ShippedRuntime, said: str, code: int) -> str:
    faults = [line for line in said.splitlines() if line.startswith("ERROR:")] or [f"exit code {code}"]
    reason = shorten(clean_text(faults[-1].removeprefix("ERROR:").strip()), _SHOWN)
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    if "from versions: none" in said:
        reason = f"pip finds no version of it for Python {version}, or reaches no registry ({reason})"
    elif "No matching distribution" in said:
        reason = f"there is no such version for Python {version} and this machine ({reason})"
    command = " ".join(repr(one) if "<" in one else one for one in runtime.requirements)
    return f"{runtime.title} cannot be fetched: {reason}; try: pip download --only-binary :all: {command}"


def _list_packages(site: Path) -> tuple[str, ...]:
    return tuple(sorted(path.name.removesuffix(".dist-info") for path in site.glob("*.dist-info")))
