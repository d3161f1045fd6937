"""A worker's events, damaged, and workers that end in odd ways: `packager.jobs` must tell each as one reason."""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path
from typing import Any

from tests.fuzz.byte_damage import damage_bytes
from tests.fuzz.cases import Case, Place
from tests.fuzz.hostile_jobs import ENDS
from tests.fuzz.oddities import odd_value
from tests.fuzz.tree_damage import damage_tree, write_json

SHARE = 22
SECONDS = 0.2
MOST_LOG_BYTES = 100 << 20
_EVENTS = (
    {"variant": "tflite-float32", "reason": None, "seconds": 1.5},
    {"done": 3, "total": 7},
    {"path": "a/b", "scores": {"x": [1.0, 2.0]}},
)
_LINES = (
    *(b"\n", b"\xff\xfe\n", b"x" * 30_000_000 + b"\n", b"[" * 100_000 + b"\n", b'{"a": 1, "a": 2}\n'),
    b"done\n" * 1000,
)


def make_case(chance: random.Random, place: Place) -> Case:
    events, end, folder = _events(chance, place), chance.choice((*["whole"] * 4, *ENDS)), place.folder

    def call() -> int:
        return run_hostile(events, end, folder)

    return Case(("worker", end, events.hex()[:40]), call=call)


def run_hostile(events: bytes, end: str, folder: Path) -> int:
    """Run one hostile job as a stage does, and say how it ended as the command would."""
    from packager.errors import PackagingError
    from packager.jobs.workers import Job, Limits, run_jobs

    job = Job(
        target="tests.fuzz.hostile_jobs:run",
        request={"events": events.hex(), "end": end},
        log=folder / "out" / "worker.log",
        limits=Limits(time_s=6.0, memory_bytes=600 << 20),
    )
    seen: list[dict[str, Any]] = []
    try:
        (ended,) = run_jobs([job], lambda _, event: seen.append(event))
        reason = ended.reason
    except PackagingError as fault:
        reason = str(fault)
    assert all(isinstance(event, dict) for event in seen), "an event that is no dictionary was handed on"
    assert job.log.stat().st_size < MOST_LOG_BYTES, "the log grew without end"
    if reason is None:
        return 0
    sys.stderr.write(f"testpress: {reason!a}\n")  # cleaning it is the command's work
    return 1


def _events(chance: random.Random, place: Place) -> bytes:
    way, event = chance.randrange(6), dict(chance.choice(_EVENTS))
    word = chance.choice((b"event ", b"event ", b"event ", b"fault ", b"fault", b"done ", b"", b"\xff "))
    if way == 0:
        return b""
    if way == 1:
        return damage_bytes(chance, word + json.dumps(event).encode() + b"\n")
    if way == 2:
        return word + write_json(odd_value(chance, ("9" * 5000, "1e400", "NaN", "1")), place) + b"\n"
    if way == 3:
        return word + chance.choice(_LINES)
    return word + write_json(damage_tree(chance, event), place) + chance.choice((b"\n", b"\n", b""))
