"""coremltools' own op tests on the emulator, a sample of them; see `tests/conformance`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conformance.runner import SUITES, Case, Gap, Selection, read_gaps, run

pytestmark = [pytest.mark.slow, pytest.mark.coreml]

SAMPLE = Selection(suite="ops", sample=150, seed=1)
"""about half of them use the runtime, the others test coremltools' builder"""

FEWEST_CASES = 60
LEAST_SHARE = 0.995

BROKEN = """
import dataclasses

from evaluators.emulators.coreml.ops import registry

registry.known_ops()
entries = registry._DEFINITIONS["relu"]
entries[:] = [dataclasses.replace(entry, function=lambda x: x) for entry in entries]
"""
"""a pytest plugin under which relu does nothing"""


def test_a_sample_passes_but_for_the_known_gaps() -> None:
    found = run(SAMPLE, timeout_s=1500)
    gaps = [gap for gap in read_gaps() if gap.suite == SAMPLE.suite]
    assert not found.uncollected
    assert len(found.cases) >= FEWEST_CASES
    unknown = [case for case in found.failed if not any(gap.covers(case.case) for gap in gaps)]
    assert not unknown, "\n".join(f"{case.case}: {case.why}" for case in unknown)
    assert not _mended(found.cases, gaps)
    assert found.share >= LEAST_SHARE


def _mended(cases: tuple[Case, ...], gaps: list[Gap]) -> list[str]:
    """Cases that pass although they are listed as gaps."""
    return [case.case for case in cases if case.outcome == "passed" and any(gap.covers(case.case) for gap in gaps)]


def test_a_wrong_op_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken_relu.py").write_text(BROKEN)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("PYTEST_ADDOPTS", "-p broken_relu")
    found = run(Selection(keywords="TestReLU and smoke and not TestReLU6", processes=1), timeout_s=500)
    assert found.cases
    assert found.failed == found.cases
    assert all("TestReLU" in case.case for case in found.cases)
    assert found.share == 0


def test_gaps_have_reasons_and_name_cases() -> None:
    for gap in read_gaps():
        assert gap.suite in SUITES
        assert "::" in gap.case
        assert len(gap.reason) > 20


@pytest.mark.parametrize(
    ("pattern", "covered"),
    [
        ("a.py::T::t[*]", True),
        ("a.py::T::t[x=1-(2, 3)]", True),
        ("a.py::T::*", True),
        ("a.py::T::t", False),
        ("*]", True),
    ],
)
def test_a_gap_covers_by_name_and_star(pattern: str, covered: bool) -> None:
    assert Gap("ops", pattern, "").covers("a.py::T::t[x=1-(2, 3)]") == covered
