"""The emulation of Arm cores as the command shows it: put into place, and whether it is there."""

from __future__ import annotations

from collections.abc import Callable

from device_profiles.record import Record
from evaluators.emulators.arm.core_types import read_core_types
from evaluators.emulators.arm.installation import find_installation
from evaluators.emulators.arm.setting_up import set_up
from evaluators.errors import EvaluationError
from testpress.table import align


class ArmState(Record):
    """Whether Arm cores can be emulated here."""

    is_there: bool
    reason: str = ""
    """why not, and what would bring it; empty where it is there"""
    folder: str | None = None
    qemu: str | None = None
    litert: str | None = None
    cores: tuple[str, ...] = ()
    """types of core, as Arm writes them"""
    superseded: tuple[str, ...] = ()
    """packages that are there in a later version than the one that testpress names"""
    counts: str = ""
    """why instructions are not counted; empty where they are"""


def set_up_arm(on_stage: Callable[[str, int, int], None]) -> ArmState:
    """Put the emulation into place, unless it is there.

    Args:
        on_stage: Told how far the work is.

    Raises:
        EvaluationError: This machine cannot run it, or a package cannot be fetched.
    """
    set_up(on_stage)
    return find_state()


def find_state() -> ArmState:
    """Whether the emulation is there; nothing is started."""
    try:
        found = find_installation()
    except EvaluationError as fault:
        return ArmState(is_there=False, reason=str(fault))
    installed = found.installed
    return ArmState(
        is_there=True,
        folder=str(found.folder),
        qemu=installed.qemu,
        litert=installed.runtime,
        cores=tuple(kind.title for kind in read_core_types().types.values()),
        superseded=installed.superseded,
        counts=installed.counts,
    )


def as_text(state: ArmState) -> str:
    """What is there, for people."""
    if not state.is_there:
        return f"Arm cores: not there: {state.reason}"
    facts = [
        ("Arm cores", ", ".join(state.cores)),
        ("executed by", f"QEMU {state.qemu}"),
        ("runtime", f"LiteRT {state.litert}"),
        ("instructions", f"not counted: {state.counts}" if state.counts else "counted"),
        ("folder", state.folder or ""),
    ]
    later = [f"later than the version that testpress names: {one}" for one in state.superseded]
    return "\n".join([align(facts), *later])
