"""python -m tests.conformance: run coremltools' own tests on the emulator."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tests.conformance.runner import SUITES, Conformance, Selection, read_gaps, run


def main() -> int:
    """Exit code 1 when a case fails that is not known to."""
    parser = argparse.ArgumentParser(prog="python -m tests.conformance", description=__doc__)
    parser.add_argument("--suite", choices=sorted(SUITES), default="ops")
    parser.add_argument("--sample", type=int, default=600, help="cases, spread over the tests (default 600)")
    parser.add_argument("--all", action="store_true", help="every case: an hour and more")
    parser.add_argument("--seed", type=int, default=1, help="which sample (default 1)")
    parser.add_argument("-k", dest="keywords", default="", help="as pytest's")
    parser.add_argument("--float32", action="store_true", help="also float32 programs, compared more closely")
    parser.add_argument("-n", dest="processes", type=int, default=2, help="processes (default 2)")
    parser.add_argument("--report", type=Path, help="write every case as JSON")
    given = parser.parse_args()
    found = run(
        Selection(
            suite=given.suite,
            sample=0 if given.all else given.sample,
            seed=given.seed,
            keywords=given.keywords,
            float32=given.float32,
            processes=given.processes,
        )
    )
    if given.report:
        given.report.write_text(found.to_json(), encoding="utf-8")
    return _say(found)


def _say(found: Conformance) -> int:
    gaps = [gap for gap in read_gaps() if gap.suite == found.selection.suite]
    unknown = [case for case in found.failed if not any(gap.covers(case.case) for gap in gaps)]
    lines = [f"failed: {case.case}: {case.why}" for case in unknown]
    lines += [f"failed, known: {case.case}" for case in found.failed if case not in unknown]
    lines += [f"not collected: {text}" for text in found.uncollected]
    lines += [f"not counted: {number} ({why})" for why, number in sorted(found.uncounted.items())]
    lines.append(
        f"coremltools {found.coremltools}, {found.selection.suite}: runtime used in {len(found.cases)} cases: "
        f"{len(found.cases) - len(found.failed)} passed, {len(found.failed)} failed ({found.share:.2%} passed)"
    )
    sys.stdout.write("\n".join(lines) + "\n")
    return 1 if unknown or not found.cases else 0


if __name__ == "__main__":
    sys.exit(main())
