"""What the emulation needs, as it lies in the user's cache: which packages, where, and whether they are there.

`setting_up.py` puts it there.
"""

from __future__ import annotations

import functools
import platform
import sys
from dataclasses import dataclass
from pathlib import Path

from device_profiles.record import Record, read_toml
from evaluators.emulators.arm.core_types import get_core_type
from evaluators.emulators.guest.process import PROGRAM
from evaluators.errors import EvaluationError
from evaluators.registries.archives import Archive
from evaluators.registries.cache import find_cache
from packager.seals import read_sealed_record
from packager.storage import digest_bytes, digest_facts

HOW = "run `testpress setup arm`"
_ROOM = Path(__file__).parent
_PACKAGES = _ROOM / "packages.toml"
_MADE_OF = (
    "core_types.toml",
    "setting_up.py",
    "count_instructions.c",
    "cache_model.h",
    "instruction_classes.h",
)
"""files of this room that decide what is made of the packages"""
_LOADER = "lib/x86_64-linux-gnu/ld-linux-x86-64.so.2"
_LIBRARIES = ("lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu")
RECORD = "installation.json"
GUEST = PROGRAM.name
"""the program that plays a model in there; it lies in the installation's folder too"""


class Packages(Record):
    """The file `packages.toml`."""

    host: tuple[Archive, ...]
    """QEMU and the libraries it needs, for this machine"""
    guest: tuple[Archive, ...]
    """what a program of the phone's processor finds in its root"""
    site: tuple[Archive, ...]
    """the runtime, and what it needs of Python's packages"""


class Installed(Record):
    """What was put there, and what was not."""

    qemu: str
    """its version"""
    runtime: str
    """the version of ai-edge-litert"""
    superseded: tuple[str, ...] = ()
    """packages that are there in a later version than the one that is named, as their index has it now"""
    counts: str = ""
    """why instructions cannot be counted; empty where they can"""


@dataclass(frozen=True)
class Installation:
    """Where everything lies.

    Attributes:
        folder: That holds all.
        installed: What is in it.
    """

    folder: Path
    installed: Installed

    @property
    def plugin(self) -> Path:
        """What counts instructions."""
        return self.folder / "count_instructions.so"

    @property
    def version(self) -> str:
        """As a target's: the runtime, and on what."""
        return f"LiteRT {self.installed.runtime} on QEMU {self.installed.qemu}"

    def command(self, core: str, arguments: tuple[str, ...], *, options: tuple[str, ...] = ()) -> list[str]:
        """What runs the phone's Python on a type of core, in `folder`.

        What the guest sees of it, its stack with the arguments, is the same in every folder: so are its cache misses.

        Args:
            core: Its name.
            arguments: Of Python.
            options: More of QEMU's.
        """
        return [*self._qemu(core), *options, "guest/usr/bin/python3.11", "-sS", *arguments]

    def _qemu(self, core: str) -> list[str]:
        host = self.folder / "host"
        libraries = ":".join(str(host / each) for each in _LIBRARIES)
        # With its own C library beside it, QEMU runs on any Linux.
        loaded = [str(host / _LOADER), "--library-path", libraries, str(host / "usr/bin/qemu-aarch64")]
        return [*loaded, "-L", str(self.folder / "roots" / core), "-cpu", get_core_type(core).qemu]


@functools.cache
def read_packages() -> Packages:
    """What the emulation is made of."""
    return read_toml(_PACKAGES, Packages, error=EvaluationError)


def find_folder() -> Path:
    """Where it belongs, whether or not it is there; another one for other packages."""
    packages = read_packages()
    digests = [archive.sha256 for group in (packages.host, packages.guest, packages.site) for archive in group]
    files = {path.name: digest_bytes(path.read_bytes()) for path in (PROGRAM, *(_ROOM / name for name in _MADE_OF))}
    return find_cache() / "arm" / digest_facts({"archives": digests, "files": files})[:16]


def find_obstacle() -> str | None:
    """Why this machine cannot run it; None where it can."""
    machine = platform.machine()
    if sys.platform != "linux" or machine not in ("x86_64", "AMD64"):
        return f"Arm cores are emulated on Linux with an x86-64 processor, and this is {sys.platform} on {machine}"
    return None


def find_installation() -> Installation:
    """What is there.

    Raises:
        EvaluationError: This machine cannot run it, or it is not set up.
    """
    obstacle = find_obstacle()
    if obstacle is not None:
        raise EvaluationError(obstacle)
    folder = find_folder()
    installed = read_sealed_record(folder / RECORD, Installed)
    if installed is None:
        raise EvaluationError(f"the emulation of Arm cores is not set up; {HOW}")
    return Installation(folder, installed)
