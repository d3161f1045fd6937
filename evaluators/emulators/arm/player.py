"""A type of core as a target: what each `evaluators/targets/arm_NAME.py` holds."""

from __future__ import annotations

from pathlib import Path

from evaluators.emulators import Emulator
from evaluators.emulators.arm.core_types import get_core_type
from evaluators.emulators.arm.installation import find_installation
from evaluators.formats.tflite.refusals import explain
from evaluators.target_records import Target
from evaluators.targets.target import Player

PREFIX = "arm_"
_RANK = 100
"""behind all that is fast"""


def make_player(core: str) -> Player:
    """The player of a type of core.

    Args:
        core: Its name, such as `cortex_a76`.
    """

    def find() -> Target:
        version = find_installation().version
        return Target(name=PREFIX + core, runtime="LiteRT", version=version, core=get_core_type(core).title)

    def open_file(path: Path, threads: int, signature: str | None) -> Emulator:
        from evaluators.emulators.arm.emulator import ArmEmulator

        return ArmEmulator(path, core, threads=threads, signature=signature)

    return Player(
        runtime="LiteRT", format="tflite", rank=_RANK, find=find, open=open_file, explain=explain, samples=True
    )


def find_core(target: Target) -> str:
    """The type of core that a target of `make_player` is of."""
    return target.name.removeprefix(PREFIX)
