"""Calls every op the emulator knows with odd shapes, values and types, in processes of their own.

python -m tests.evaluators.emulators.coreml.op_attack COUNT [--seed N] [--only NAME]: COUNT cases, spread over the calls
of `op_calls`; a line of JSON for each case that ended its process, raised anything but the emulator's error, or took
too long or too much memory, and a last one with how many ran and how many were refused. Exit code 1 if there was such a
case. test_odd_calls.py runs some.

What a case changes follows from the seed, the call's name and a number, so each can be run again alone.
"""

from __future__ import annotations

import argparse
import collections
import json
import math
import mmap
import os
import random
import signal
import struct
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import torch

MOST_S = 10.0
MOST_BYTES = 2 << 30
MOST_WATCHED = 1 << 20
"""elements of an output, beyond which it is run but not watched: statistics of larger ones take seconds"""
MOST_ROUNDS = 10_000
"""of loops, so that those without end are taken for endless within the time of a case"""
BATCH = 100
"""cases a process runs; where one ends it, the others follow in a new one"""
POLL_S = 0.01

Case = tuple[int, str, int]
"""seed, name of the call, number"""
_BEAT = struct.Struct("=d")
"""how much of the processor's time was used when a case began; what else the machine does counts for nothing"""


def run_case(case: Case) -> str:
    """`ran`, `refused: …`, `escaped: …` for another exception than the emulator's, `memory: …` beyond the limit."""
    from .op_changes import changed

    seed, name, number = case
    changing = changed(name, random.Random(f"{seed} {name} {number}"))
    Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
    try:
        outcome = _outcome(changing.message, changing.given)
    except Exception as fault:  # noqa: BLE001  what is looked for
        outcome = "escaped: " + "".join(traceback.format_exception(fault))[-900:]
    return outcome if outcome.startswith(("ran", "refused")) else f"{outcome} {changing.notes}"


def _notes(case: Case) -> list[str]:
    from .op_changes import changed

    seed, name, number = case
    return changed(name, random.Random(f"{seed} {name} {number}")).notes


def _outcome(message: object, given: dict[str, object]) -> str:
    import numpy as np

    from evaluators.emulators.coreml import CoreMLModel, compare, observe_ranges
    from evaluators.errors import EvaluationError

    from .programs import write_package

    with tempfile.TemporaryDirectory() as folder:
        path = write_package(Path(folder), message)
        try:
            model = CoreMLModel(path, threads=1)
            state = model.make_state() if model.states else None
            inputs = {}
            for name, feature in model.inputs.items():
                if math.prod(feature.shape) > MOST_BYTES:
                    return f"escaped: loads with an input of shape {feature.shape}"
                inputs[name] = given[name] if name in given else np.zeros(feature.shape, feature.dtype.stored)
            outputs = model.predict(inputs, state)
            if peak_bytes() > MOST_BYTES:
                return f"memory: {peak_bytes() >> 20} MiB"
            if max(map(np.size, outputs.values()), default=0) <= MOST_WATCHED:
                observe_ranges(model, [inputs])
                compare(model, model, [inputs])
        except EvaluationError as fault:
            return f"refused: {fault}" if peak_bytes() < MOST_BYTES else f"memory: {peak_bytes() >> 20} MiB: {fault}"
    return "ran"


def peak_bytes() -> int:
    """The most memory this process has held since it began, or since the peak was reset."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) << 10


def run_batch(cases: Sequence[Case]) -> Iterator[tuple[Case, str]]:
    """The outcomes of cases, each in a process that ran those before it; of one that ends it, how it did."""
    begin = 0
    while begin < len(cases):
        outcomes, ended = _run_in_fork(cases[begin:])
        yield from zip(cases[begin:], outcomes, strict=False)
        begin += len(outcomes)
        if ended:
            earlier = _first_guilty(cases[:begin], cases[begin]) if ended.startswith("signal") else ""
            yield cases[begin], f"{ended}{earlier} {_notes(cases[begin])}"
            begin += 1


def _first_guilty(before: Sequence[Case], last: Case) -> str:
    """Which earlier cases a case needs to end its process; memory that one spoils may end it later."""
    length = 0
    while True:
        some = [*before[len(before) - length :], last]
        if _run_in_fork(some)[1]:
            return "" if length == 0 else f", after {some[0]}"
        if length == len(before):
            return ", not again"
        length = min(len(before), max(1, 2 * length))


def _run_in_fork(cases: Sequence[Case]) -> tuple[list[str], str]:
    """The outcomes up to the case that ended the process, and how it did; an empty text if none did."""
    beat = mmap.mmap(-1, _BEAT.size)
    with tempfile.TemporaryFile() as answers:

        def run_all() -> None:
            for case in cases:
                beat[:] = _BEAT.pack(time.process_time())
                os.write(answers.fileno(), (json.dumps(run_case(case)) + "\n").encode())

        ended = ended_by(run_all, beat)
        answers.seek(0)
        return [json.loads(line) for line in answers.read().splitlines()], ended


def ended_by(function: Callable[[], None], beat: mmap.mmap | None = None) -> str:
    """What ended a process that runs a function: a signal, an exception or the time; an empty text if nothing did.

    Args:
        function: Run in a fork of this process.
        beat: Where the function writes the time it has used when it begins something new; it counts from there.
    """
    beat = beat or mmap.mmap(-1, _BEAT.size)
    beat[:] = _BEAT.pack(0.0)
    sys.stdout.flush()
    with tempfile.TemporaryFile() as complaint:
        child = os.fork()
        if child == 0:
            _run_and_leave(function, complaint.fileno())
        ended = _watch(child, beat)
        complaint.seek(0)
        return ended and f"{ended} {complaint.read().decode(errors='replace')[-2000:]}".rstrip()


def _run_and_leave(function: Callable[[], None], complaint: int) -> None:
    """In the fork: never returns."""
    os.dup2(complaint, 2)  # what the allocator says before it ends the process
    try:
        torch.set_num_threads(1)  # the threads of the parent are not here
        function()
    except BaseException:  # noqa: BLE001  told to the parent
        os.write(2, traceback.format_exc().encode())
        os._exit(1)
    os._exit(0)


def _watch(child: int, beat: mmap.mmap) -> str:
    """Wait for a fork; one whose case takes too long is ended."""
    while True:
        found, status = os.waitpid(child, os.WNOHANG)
        if found:
            code = os.waitstatus_to_exitcode(status)
            return "" if code == 0 else f"signal: {signal.Signals(-code).name}" if code < 0 else f"exit: {code}"
        if _used_s(child) - _BEAT.unpack(beat[:])[0] > MOST_S:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return f"time: more than {MOST_S:g} s"
        time.sleep(POLL_S)


def _used_s(process: int) -> float:
    """The processor's time a process has used."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def cases_of(names: Sequence[str], count: int, seed: int) -> list[Case]:
    """`count` cases, as many of each call as of any other, in an order that mixes them."""
    cases = [(seed, names[i % len(names)], i // len(names)) for i in range(count)]
    random.Random(seed).shuffle(cases)
    return cases


def main() -> int:
    """Exit code 1 when a case went wrong."""
    from evaluators.emulators.coreml.ops import control_flow, known_ops

    from .op_calls import CALLS

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("count", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="calls whose name begins so")
    given = parser.parse_args()
    torch.set_num_threads(1)  # threads do not outlive a fork
    known_ops()
    control_flow.MAX_ITERATIONS = MOST_ROUNDS
    names = [name for name in CALLS if name.startswith(given.only)]
    cases = cases_of(names, given.count, given.seed)
    counts: collections.Counter[str] = collections.Counter()
    for begin in range(0, len(cases), BATCH):
        for case, outcome in run_batch(cases[begin : begin + BATCH]):
            kind = outcome.partition(":")[0]
            counts[kind] += 1
            if kind not in ("ran", "refused"):
                sys.stdout.write(json.dumps({"case": case, "outcome": outcome}) + "\n")
    sys.stdout.write(json.dumps(counts) + "\n")
    return 0 if set(counts) <= {"ran", "refused"} else 1


if __name__ == "__main__":
    sys.exit(main())
