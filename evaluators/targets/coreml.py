"""Core ML's ML Programs, executed by our own emulator on this machine's CPU."""

from __future__ import annotations

import importlib.metadata
import re
from pathlib import Path

from evaluators.emulators import Emulator
from evaluators.errors import EvaluationError
from evaluators.target_records import Refusal, Target
from evaluators.targets.target import Player

_MESSAGES = (
    re.compile(r"(?P<reason>the emulator does not know op '(?P<op>\w+)'.*)", re.DOTALL),
    re.compile(r"op (?P<op>[a-z]\w*) \([^()]*\)(?: failed)?: (?P<reason>.*)", re.DOTALL),
)


def _find() -> Target:
    try:
        torch = importlib.metadata.version("torch")
    except importlib.metadata.PackageNotFoundError:
        raise EvaluationError('playing Core ML models needs torch; install "testpress[coreml]"') from None
    version = f"testpress ML Program emulator on torch {torch}"
    return Target(name="coreml", runtime="Core ML", version=version)


def _open(path: Path, threads: int, signature: str | None) -> Emulator:
    from evaluators.emulators.coreml.emulator import CoreMLEmulator

    return CoreMLEmulator(path, threads=threads, function_name=signature or "main")


def _explain(message: str) -> Refusal | None:
    found = next((match for pattern in _MESSAGES if (match := pattern.search(message))), None)
    return None if found is None else Refusal(op=found["op"], reason=found["reason"].strip())


PLAYER = Player(runtime="Core ML", format="coreml", rank=0, find=_find, open=_open, explain=_explain)
