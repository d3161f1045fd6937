"""LiteRT on this machine's CPU, with the kernels an app ships (XNNPACK)."""

from __future__ import annotations

from pathlib import Path

from evaluators.emulators import Emulator
from evaluators.formats.tflite.interpreter import LITERT, TFLiteEmulator
from evaluators.formats.tflite.refusals import explain
from evaluators.target_records import Target
from evaluators.targets.target import Player


def _find() -> Target:
    return Target(name="litert", runtime="LiteRT", version=LITERT.describe())


def _open(path: Path, threads: int, signature: str | None) -> Emulator:
    return TFLiteEmulator(path, threads=threads, signature=signature, library=LITERT)


def _open_plain(path: Path) -> Emulator:
    return TFLiteEmulator(path, threads=1, library=LITERT, delegated=False)


PLAYER = Player(
    runtime="LiteRT",
    format="tflite",
    rank=0,
    find=_find,
    open=_open,
    explain=explain,
    kernels={"without XNNPACK": _open_plain},
)
