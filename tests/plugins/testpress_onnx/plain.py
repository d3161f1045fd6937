"""TFLite files on LiteRT's plain kernels, without XNNPACK: one more target for a format that is built in."""

from __future__ import annotations

from pathlib import Path

from evaluators.emulators import Emulator
from evaluators.formats.tflite.interpreter import LITERT, TFLiteEmulator
from evaluators.target_records import Target
from evaluators.targets.target import Player


def find() -> Target:
    """It comes with LiteRT."""
    return Target(name="litert_plain", runtime="TFLite", version=f"{LITERT.describe()}, plain kernels")


def open_file(path: Path, threads: int, signature: str | None) -> Emulator:
    """Open a file."""
    emulator = TFLiteEmulator(path, threads=threads, signature=signature, library=LITERT, delegated=False)
    emulator.runtime = f"{emulator.runtime}, plain kernels"
    return emulator


PLAYER = Player(runtime="TFLite", format="tflite", rank=5, find=find, open=open_file)
