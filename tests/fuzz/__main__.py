"""python -m tests.fuzz: odd and damaged input against the real command."""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict
from pathlib import Path

from tests.fuzz.campaign import Result, Selection, plan, run
from tests.fuzz.corpus import ROOT
from tests.fuzz.kinds import kind_names
from tests.fuzz.tally import list_faults, make_table
from tests.fuzz.watching import HANG_S

_KEEP = ROOT / ".cache" / "fuzz"


def main() -> int:
    """Exit code 1 when any input breaks a promise."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--inputs", type=int, default=1000, help="how many, over the kinds (default 1000)")
    parser.add_argument("--seed", type=int, default=1, help="which (default 1)")
    parser.add_argument("--kind", action="append", choices=kind_names(), default=[], help="default: all")
    parser.add_argument("--quick", action="store_true", help="a sixth of what takes long: a thousand within 3 minutes")
    parser.add_argument("--index", type=int, help="one input of each kind, to run it again")
    parser.add_argument("-n", dest="processes", type=int, default=2, help="processes (default 2)")
    parser.add_argument("--hang", type=float, default=HANG_S, metavar="S", help=f"what is a hang (default {HANG_S:g})")
    parser.add_argument("--keep", type=Path, default=_KEEP, help="where failing inputs are kept (default .cache/fuzz)")
    parser.add_argument("--report", type=Path, help="write every result as JSON")
    given = parser.parse_args()
    selection = Selection(
        counts=plan(given.inputs, given.kind, quick=given.quick),
        seed=given.seed,
        only=given.index,
        processes=given.processes,
        hang_s=given.hang,
        keep=given.keep,
        keep_all=given.index is not None,
    )
    begun_s = time.monotonic()
    results = run(selection, _Progress(sum(selection.counts.values())))
    if given.report:
        given.report.write_text(json.dumps([asdict(result) for result in results], indent=1), encoding="utf-8")
    faults = list_faults(results, given.seed)
    head = f"{len(results)} inputs, seed {given.seed}, {time.monotonic() - begun_s:.0f} s"
    sys.stdout.write(
        "\n".join([*faults, make_table(results), f"{head}; failing inputs are kept in {given.keep}"]) + "\n"
    )
    return 1 if faults else 0


class _Progress:
    """A line a tenth, to standard error."""

    def __init__(self, total: int) -> None:
        self._total, self._done, self._faulty = total, 0, 0

    def __call__(self, result: Result) -> None:
        self._done += 1
        self._faulty += bool(result.faults)
        if self._done * 10 // self._total > (self._done - 1) * 10 // self._total:
            sys.stderr.write(f"{self._done} of {self._total} inputs, {self._faulty} break a promise\n")


if __name__ == "__main__":
    sys.exit(main())
