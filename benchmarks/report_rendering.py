"""Prints how long report.html takes to be made, how much memory that needs and how large it is, at its largest.

Run from the repository's root: python -m benchmarks.report_rendering

50 bundles on 24 phones each, heard on 200 clips, all made up from the tests' example, with pictures but without sound,
which has a limit of its own. A process of its own reads evaluation.json, judges it and renders it. Seconds and memory
are of judging and rendering; what reading needs, and Python itself, is printed beside. Exit code 1 when a limit is
passed.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MOST_SECONDS, MOST_MEMORY_BYTES, MOST_PAGE_BYTES = 2.0, 300e6, 1.5e6
BUNDLES, PHONES, CLIPS = 50, 24, 200


def make_large(folder: Path, bundles: int, phones: int, clips: int) -> Path:
    """An evaluation of that many, from the tests' example; returns its evaluation.json."""
    from device_profiles.record import dump_json
    from tests.reports.example_evaluation import make_evaluation
    from tests.reports.large_evaluation import enlarge

    path = folder / "evaluation.json"
    path.write_text(dump_json(enlarge(make_evaluation(), folder, (bundles, phones, clips))), encoding="utf-8")
    return path


def render_once(evaluation: Path, page: Path) -> None:
    """In the process that is measured: read, judge, render, and say what it took."""
    from reports.judging.comparison import compare, load_evaluation
    from reports.page.html import render

    read = load_evaluation(evaluation)
    before = _peak_bytes()
    start = time.perf_counter()
    text = render(compare(read))
    seconds = time.perf_counter() - start
    page.write_text(text, encoding="utf-8")
    print(seconds, before, _peak_bytes())


def _peak_bytes() -> int:
    if sys.platform == "linux":  # where getrusage counts what the parent held before this process began
        (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:")]
        return int(line.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--render", nargs=2, type=Path, help=argparse.SUPPRESS)
    parser.add_argument("-o", "--out", type=Path, help="keep evaluation.json and report.html in this folder")
    arguments = parser.parse_args()
    if arguments.render:
        render_once(*arguments.render)
        return 0
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.out or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        evaluation, page = make_large(folder, BUNDLES, PHONES, CLIPS), folder / "report.html"
        command = [sys.executable, "-m", "benchmarks.report_rendering", "--render", str(evaluation), str(page)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        seconds, before, peak = map(float, done.stdout.split())
        size = page.stat().st_size
        read = evaluation.stat().st_size
    print(f"{BUNDLES} bundles x {PHONES} phones x {CLIPS} clips, evaluation.json {read / 1e6:.1f} MB")
    print(f"seconds      {seconds:.2f} (at most {MOST_SECONDS})")
    print(
        f"peak memory  {peak / 1e6:.0f} MB (at most {MOST_MEMORY_BYTES / 1e6:.0f} MB), {before / 1e6:.0f} MB once read"
    )
    print(f"page         {size / 1e6:.3f} MB (at most {MOST_PAGE_BYTES / 1e6:.1f} MB)")
    return int(seconds > MOST_SECONDS or peak > MOST_MEMORY_BYTES or size > MOST_PAGE_BYTES)


if __name__ == "__main__":
    sys.exit(main())
