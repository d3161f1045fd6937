"""TFLite as it was before it became LiteRT: tflite-runtime on this machine's CPU."""

from __future__ import annotations

from pathlib import Path

from evaluators.emulators import Emulator
from evaluators.formats.tflite.interpreter import TFLITE_RUNTIME, TFLiteEmulator
from evaluators.formats.tflite.refusals import explain
from evaluators.target_records import Target
from evaluators.targets.target import Player


def _find() -> Target:
    return Target(name="tflite_runtime", runtime="TFLite", version=TFLITE_RUNTIME.describe())


def _open(path: Path, threads: int, signature: str | None) -> Emulator:
    return TFLiteEmulator(path, threads=threads, signature=signature, library=TFLITE_RUNTIME)


PLAYER = Player(runtime="TFLite", format="tflite", rank=1, find=_find, open=_open, explain=explain)
