"""Put the emulation of Arm cores into the user's cache: packages fetched, unpacked side by side, tried once.

Nobody has to be root and nothing is installed into the system: Debian's archives and wheels are unpacked in a folder.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

from device_profiles.text import clean_text, shorten
from evaluators.emulators.arm.core_types import CoreType, read_core_types
from evaluators.emulators.arm.counts import compile_plugin
from evaluators.emulators.arm.installation import (
    GUEST,
    RECORD,
    Installation,
    Installed,
    find_folder,
    find_installation,
    find_obstacle,
    read_packages,
)
from evaluators.emulators.guest.process import ENVIRONMENT, PROGRAM
from evaluators.errors import EvaluationError
from evaluators.registries.apt_index import fetch_index, find_in_index
from evaluators.registries.archives import Archive, unpack
from evaluators.registries.cache import find_cache, hold_lock
from evaluators.registries.downloads import fetch_archive, is_fetched
from packager.seals import write_sealed_record
from packager.storage import stage_folder

_CORES = 4
"""that the emulated phone has; the runtime asks, and its kernels are chosen by the first"""
_CLOCK_KHZ = 2_000_000
_TRIAL_S = 300
_LEFT_OUT = ("usr/share/doc/", "usr/share/man/", "usr/share/locale/", "usr/share/lintian/", "usr/lib/gcc/")
_STAGES = {"fetch": "fetch packages", "unpack": "unpack", "try": "try the cores"}

OnStage = Callable[[str, int, int], None]
"""told of a stage's name, how much of it is done, and of how much"""


def set_up(on_stage: OnStage = lambda *_: None) -> Installation:
    """Put everything there, unless it is.

    Args:
        on_stage: Told how far the work is.

    Raises:
        EvaluationError: This machine cannot run it, a package cannot be fetched, or the emulation does not start.
        PackagingError: The cache cannot be written.
    """
    obstacle = find_obstacle()
    if obstacle is not None:
        raise EvaluationError(obstacle)
    folder = find_folder()
    with hold_lock(folder.with_name(f".{folder.name}.lock")):
        try:
            return find_installation()
        except EvaluationError:
            return _make(folder, on_stage)


def _make(folder: Path, on_stage: OnStage) -> Installation:
    packages = read_packages()
    groups: dict[Literal["host", "guest", "site"], Sequence[Archive]] = {
        "host": packages.host,
        "guest": packages.guest,
        "site": packages.site,
    }
    fetched = _fetch_all([one for group in groups.values() for one in group], on_stage)
    with stage_folder(folder) as stage:
        done, total = 0, len(fetched)
        for name, group in groups.items():
            (stage / name).mkdir()
            for archive in group:
                on_stage(_STAGES["unpack"], done, total)
                unpack(fetched[archive.package][1], stage / name, lambda inner: not inner.startswith(_LEFT_OUT))
                done += 1
        on_stage(_STAGES["unpack"], total, total)
        shutil.copyfile(PROGRAM, stage / GUEST)
        for core, kind in read_core_types().types.items():
            _make_root(stage, core, kind)
        installed = _describe(fetched, _compile(stage))
        _try(Installation(stage, installed), on_stage)
        write_sealed_record(stage / RECORD, installed)
    return find_installation()


def _fetch_all(archives: Sequence[Archive], on_stage: OnStage) -> dict[str, tuple[Archive, Path]]:
    """Each package and its file; of Debian's, the one that the index has now where the one named is no longer there."""
    cache, total, done = find_cache(), sum(one.size_bytes for one in archives), 0
    found: dict[str, tuple[Archive, Path]] = {}
    if any(one.registry == "debian-12" and not is_fetched(one, cache) for one in archives):
        on_stage("fetch the list of packages", 0, 1)
        fetch_index()
        on_stage("fetch the list of packages", 1, 1)
    for archive in archives:

        def on_bytes(arrived: int, before: int = done) -> None:
            on_stage(_STAGES["fetch"], min(before + arrived, total), total)

        on_bytes(0)
        chosen = archive
        try:
            path = fetch_archive(archive, cache, on_bytes)
        except EvaluationError:
            if archive.registry != "debian-12" or (now := find_in_index(archive.package)).version == archive.version:
                raise
            chosen, path = now, fetch_archive(now, cache, on_bytes)
        found[archive.package] = chosen, path
        done += archive.size_bytes
    on_stage(_STAGES["fetch"], total, total)
    return found


def _describe(fetched: dict[str, tuple[Archive, Path]], counts: str) -> Installed:
    packages = read_packages()
    named = {one.package: one.version for one in (*packages.host, *packages.guest, *packages.site)}
    versions = {package: one.version for package, (one, _) in fetched.items()}
    return Installed(
        qemu=versions["qemu-user:amd64"].partition(":")[2] or versions["qemu-user:amd64"],
        runtime=versions["ai-edge-litert"],
        superseded=tuple(
            f"{package} {version} in place of {named[package]}"
            for package, version in versions.items()
            if version != named[package]
        ),
        counts=counts,
    )


def _make_root(stage: Path, core: str, kind: CoreType) -> None:
    """A root in which programs find the phone's libraries, and the core's description where Linux has it.

    Without it the runtime reads this machine's, finds no core that it knows, and crashes.
    """
    root = stage / "roots" / core
    (root / "proc").mkdir(parents=True)
    for name in ("lib", "usr", "etc"):
        if (stage / "guest" / name).is_dir():
            (root / name).symlink_to(f"../../guest/{name}")
    (root / "proc/cpuinfo").write_text("".join(_describe_core(number, kind) for number in range(_CORES)))
    cpus = root / "sys/devices/system/cpu"
    every = f"0-{_CORES - 1}\n"
    _write(cpus, {"possible": every, "present": every, "online": every, "kernel_max": f"{_CORES - 1}\n"})
    for number in range(_CORES):
        clock = f"{_CLOCK_KHZ}\n"
        _write(cpus / f"cpu{number}/cpufreq", {"cpuinfo_max_freq": clock, "cpuinfo_min_freq": clock})
        siblings = dict.fromkeys(("core_siblings_list", "package_cpus_list", "cluster_cpus_list"), every)
        own = dict.fromkeys(("core_id", "thread_siblings_list", "core_cpus_list"), f"{number}\n")
        _write(cpus / f"cpu{number}/topology", {**siblings, **own, "physical_package_id": "0\n"})


def _describe_core(number: int, kind: CoreType) -> str:
    lines = {
        "processor\t": number,
        "BogoMIPS\t": "38.40",
        "Features\t": kind.features,
        "CPU implementer\t": "0x41",
        "CPU architecture": 8,
        "CPU variant\t": "0x1",
        "CPU part\t": f"0x{kind.part:03x}",
        "CPU revision\t": 0,
    }
    return "".join(f"{name}: {value}\n" for name, value in lines.items()) + "\n"


def _write(folder: Path, texts: dict[str, str]) -> None:
    folder.mkdir(parents=True)
    for name, text in texts.items():
        (folder / name).write_text(text)


def _compile(stage: Path) -> str:
    """Why instructions cannot be counted; empty where they can."""
    try:
        compile_plugin(None, stage / "count_instructions.so")
    except EvaluationError as fault:
        return str(fault)
    return ""


def _try(made: Installation, on_stage: OnStage) -> None:
    """Load the runtime on every type of core; Python keeps what it compiles for the next times."""
    cores = tuple(read_core_types().types)
    for done, core in enumerate(cores):
        on_stage(_STAGES["try"], done, len(cores))
        program = "import sys; sys.path.insert(0, 'site'); import ai_edge_litert.interpreter"
        ended = subprocess.run(
            made.command(core, ("-c", program)),
            env=ENVIRONMENT,
            cwd=made.folder,
            capture_output=True,
            text=True,
            errors="replace",
            stdin=subprocess.DEVNULL,
            timeout=_TRIAL_S,
            check=False,
        )
        if ended.returncode:
            lines = [line for line in ended.stderr.splitlines() if line.strip()] or [f"exit code {ended.returncode}"]
            raise EvaluationError(f"the emulation does not start as {core}: {shorten(clean_text(lines[-1]), 300)}")
    on_stage(_STAGES["try"], len(cores), len(cores))
