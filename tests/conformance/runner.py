"""Starts coremltools' tests in a process of their own and reads what became of them."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import os
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
GAPS = ROOT / "tests" / "integration" / "coreml_known_gaps.toml"

SUITES = {
    "ops": "converters/mil/mil/ops/tests",
    "torch": "converters/mil/frontend/torch/test/test_torch_ops.py",
    "passes": "converters/mil/mil/passes/tests",
    "tools": "test/ml_program",
    "optimize": "test/optimize",
    "pipeline": "test/pipeline",
}
"""name → tests inside coremltools: of each op, of PyTorch models converted whole, of what it does to programs"""


@dataclass(frozen=True)
class Selection:
    """Which cases to run, and how."""

    suite: str = "ops"
    sample: int = 0
    """how many cases, spread over the test functions; 0 for all. Some of them use no runtime and do not count."""
    seed: int = 0
    keywords: str = ""
    """as pytest's -k"""
    float32: bool = False
    """also with float32 programs, which coremltools compares a thousand times more closely"""
    processes: int = 2


@dataclass(frozen=True)
class Case:
    """One case that used the runtime."""

    case: str
    outcome: str
    why: str


@dataclass(frozen=True)
class Conformance:
    """What became of a selection."""

    selection: Selection
    coremltools: str
    cases: tuple[Case, ...]
    uncounted: dict[str, int]
    """cases that used no runtime, or models of another format"""
    uncollected: tuple[str, ...]
    """files that could not be read"""

    @property
    def failed(self) -> tuple[Case, ...]:
        return tuple(case for case in self.cases if case.outcome != "passed")

    @property
    def share(self) -> float:
        """Of the cases that used the runtime, those that passed."""
        return 1 - len(self.failed) / len(self.cases) if self.cases else 0.0

    def to_json(self) -> str:
        numbers = {"passed": len(self.cases) - len(self.failed), "failed": len(self.failed), "share": self.share}
        return json.dumps({**numbers, **asdict(self)}, indent=1)


@dataclass(frozen=True)
class Gap:
    """A case, or several, known to fail."""

    suite: str
    case: str
    """its name; `*` stands for anything"""
    reason: str

    def covers(self, case: str) -> bool:
        return re.fullmatch(".*".join(map(re.escape, self.case.split("*"))), case) is not None


def read_gaps(path: Path = GAPS) -> tuple[Gap, ...]:
    """The cases known to fail, each with its reason."""
    return tuple(Gap(**entry) for entry in tomllib.loads(path.read_text(encoding="utf-8")).get("gaps", []))


def run(selection: Selection, *, timeout_s: float | None = None) -> Conformance:
    """Run coremltools' tests; their progress goes to standard error.

    Raises:
        RuntimeError: They did not run at all.
        subprocess.TimeoutExpired: They took longer than `timeout_s`.
    """
    spec = importlib.util.find_spec("coremltools")
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError("coremltools is not installed")
    package = Path(spec.submodule_search_locations[0])
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        command = _command(selection, package, report)
        ended = subprocess.run(
            command, cwd=folder, env=_environment(selection, folder), stdout=sys.stderr, timeout=timeout_s
        )
        if not report.is_file():
            raise RuntimeError(f"coremltools' tests did not run: pytest ended with exit code {ended.returncode}")
        found = json.loads(report.read_text(encoding="utf-8"))
    return Conformance(
        selection=selection,
        coremltools=importlib.metadata.version("coremltools"),
        cases=tuple(Case(**row) for row in found["cases"]),
        uncounted=found["uncounted"],
        uncollected=tuple(found["uncollected"]),
    )


def _command(selection: Selection, package: Path, report: Path) -> Sequence[str]:
    # Nothing of this project's own settings: its filterwarnings=error is not what coremltools is written for.
    settings = ["-c", os.devnull, "--rootdir", str(package), "-p", "no:cacheprovider", "-p", "no:anyio", "-W", "ignore"]
    output = ["-q", "--tb=line", "--show-capture=no", "--no-header", "-r", "N"]
    choice = ["-k", selection.keywords] if selection.keywords else []
    return [
        *(sys.executable, "-m", "pytest", "-p", "tests.conformance.plugin"),
        *settings,
        *output,
        *choice,
        *("-n", str(selection.processes)),
        *("--conformance-sample", str(selection.sample), "--conformance-seed", str(selection.seed)),
        *("--conformance-report", str(report)),
        str(package / SUITES[selection.suite]),
    ]


def _environment(selection: Selection, folder: str) -> dict[str, str]:
    threads = max(1, (os.cpu_count() or 1) // max(1, selection.processes))
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")])),
        "TMPDIR": folder,  # coremltools leaves files behind
        "OMP_NUM_THREADS": str(threads),
        "PYTHONHASHSEED": "0",  # every process must collect the same cases
        "PYMIL_TEST_TARGETS": "mlprogram",
        "INCLUDE_MIL_FP32_UNIT_TESTS": "1" if selection.float32 else "0",
    }
