from __future__ import annotations

import dataclasses
import importlib.metadata
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from testpress.diagnosis import REQUIREMENTS, WAYS, Diagnosis, Requirement, as_text, diagnose

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = {name: lines for name, lines in PROJECT["optional-dependencies"].items() if name not in ("all", "dev")}
CLICK = importlib.metadata.version("click")


EXAMPLE = (ROOT / "examples" / "basic_pitch" / "requirements.txt").read_text().splitlines()


def bounds(line: str) -> dict[str, str]:
    return dict(re.findall(r"(==|>=|<)([\d.]+)", line))


def name_of(line: str) -> str:
    match = re.match(r"[\w.-]+", line)
    assert match
    return match.group()


def by_name(name: str) -> Requirement:
    return next(requirement for requirement in REQUIREMENTS if requirement.package == name)


@pytest.mark.parametrize("line", PROJECT["dependencies"], ids=name_of)
def test_what_the_package_depends_on_is_looked_for_in_the_same_versions(line: str) -> None:
    requirement = by_name(name_of(line))
    # below 3 or not at all: pydantic's next major is refused by pip and here
    assert {">=": requirement.oldest, "<": requirement.below} == {">=": None, "<": None, **bounds(line)}
    assert requirement.extra is None
    assert requirement.need == "recipes"


@pytest.mark.parametrize(("extra", "line"), [(extra, line) for extra, lines in EXTRAS.items() for line in lines])
def test_what_an_extra_brings_is_looked_for_in_the_same_versions(extra: str, line: str) -> None:
    requirement = by_name(name_of(line))
    assert requirement.extra in EXTRAS
    assert any(name_of(other) == requirement.package for other in EXTRAS[requirement.extra])
    found = bounds(line)
    assert (requirement.tried, requirement.oldest, requirement.below) == (
        found.get("=="), found.get(">="), found.get("<"),
    )  # fmt: skip


@pytest.mark.parametrize("line", [line for line in EXAMPLE if line and not line.startswith("#")])
def test_the_examples_own_wheels_are_looked_for_in_the_same_versions(line: str) -> None:
    requirement = by_name(name_of(line))
    assert requirement.tried == bounds(line)["=="]
    assert requirement.command == f"pip install --no-deps {line}"
    assert requirement.need == "demo"


def look(**changes: object) -> tuple[str, str]:
    """State and note of click, which is surely installed, under changed demands."""
    part = diagnose([dataclasses.replace(Requirement("click", "click", "the command"), **changes)]).parts[0]
    return part.state, part.note


@pytest.mark.parametrize(
    ("changes", "state", "note"),
    [
        ({}, "ok", ""),
        ({"tried": CLICK}, "ok", ""),
        ({"tried": "0.0.1"}, "untried", "may do; tried was 0.0.1"),
        ({"oldest": "999"}, "unfit", "too old; right is 999 or later"),
        ({"below": "1"}, "unfit", "too new; right is below 1"),
        ({"below": "1", "why_below": "it fails"}, "unfit", "it fails"),
        ({"package": "no-such-package", "module": "no_such_module"}, "missing", ""),
        (
            {"module": "no_such_module"},
            "missing",
            f"pip lists {CLICK}, but there is no module no_such_module: install it again",
        ),
        ({"package": "no-such-package"}, "untried", "can be imported, but pip knows no version of it"),
    ],
)
def test_states(changes: dict[str, object], state: str, note: str) -> None:
    assert look(**changes) == (state, note)


def test_a_local_build_is_the_version_it_is_built_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.metadata, "version", lambda _: "2.13.0+cu126")
    assert look(tried="2.13.0")[0] == "ok"


@pytest.mark.parametrize(
    ("version", "state"), [("2.3.5", "ok"), ("2.4.0", "unfit"), ("2.10.1", "unfit"), ("1.25", "unfit")]
)
def test_numpy_from_2_4_on_is_warned_about(monkeypatch: pytest.MonkeyPatch, version: str, state: str) -> None:
    monkeypatch.setattr(importlib.metadata, "version", lambda _: version)
    part = diagnose([by_name("numpy")]).parts[0]
    assert part.state == state
    if version.startswith("2.") and state == "unfit":
        assert "coremltools 9.0 fails to convert STFT, EnCodec and WavLM" in part.note
        assert part.command == "pip install 'numpy>=1.26,<2.4'"


def _without(*packages: str) -> Diagnosis:
    """What would be found here with all installed but some packages."""
    found = diagnose()
    parts = tuple(
        part.model_copy(
            update={
                "state": "missing" if part.package in packages else "ok",
                "command": None,
                "note": "",
                "installed": "1",
            }
        )
        for part in found.parts
    )
    return found.model_copy(update={"parts": parts, "notes": ()})


@pytest.mark.parametrize(
    ("missing", "ready", "demo"),
    [
        ((), True, True),
        (("click",), False, False),
        (("basic-pitch",), True, False),
        (("ray", "av", "jiwer"), True, True),
        (("tensorflow",), True, False),
        (("litert-torch", "tensorflow"), True, False),
        (("coremltools", "ai-edge-litert"), False, False),
        (("tensorflow", "torch"), False, False),
    ],
)
def test_recipes_run_where_one_framework_and_format_are_there(
    missing: tuple[str, ...], ready: bool, demo: bool
) -> None:
    found = _without(*missing)
    assert (found.ready, found.has_demo) == (ready, demo)
    assert (found.as_data()["ready"], found.as_data()["demo"]) == (ready, demo)
    text = as_text(found)
    assert ("recipes can run" if ready else "recipes can NOT run") in text
    assert ("the demo (examples/basic_pitch) can run" if demo else "the demo (examples/basic_pitch) cannot") in text


def test_what_the_demo_lacks_is_told_apart_from_what_recipes_lack() -> None:
    lines = as_text(_without("basic-pitch", "litert-torch")).splitlines()
    assert "  PyTorch to TFLite      no: lacks litert-torch" in lines
    assert "  PyTorch to Core ML     yes" in lines
    assert lines[-2] == (
        "the demo (examples/basic_pitch) cannot: lacks basic-pitch, which recipes of yours do not need"
    )


def test_every_way_is_of_packages_that_are_looked_for() -> None:
    known = {requirement.package: requirement.need for requirement in REQUIREMENTS}
    assert {known[package] for packages in WAYS.values() for package in packages} == {"models"}


def test_the_text_names_what_is_lost_and_one_command_for_all_that_an_extra_brings() -> None:
    lost = [
        Requirement("no-such-a", "no_such_a", "playing .abc", "coreml"),
        Requirement("no-such-b", "no_such_b", "making .abc", "coreml"),
    ]
    text = as_text(diagnose(lost))
    assert re.search(r"^no-such-a +– +any +missing +playing \.abc$", text, re.MULTILINE)
    assert re.search(r"^no-such-a, no-such-b +pip install 'testpress\[coreml\]'$", text, re.MULTILINE)


def test_an_old_python_and_a_system_without_locks_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("testpress.diagnosis.OLDEST_PYTHON", (99, 1))
    found = diagnose([])
    assert not found.ready
    assert "is too old; right is 99.1 or later" in as_text(found)


def test_nothing_heavy_is_imported_to_find_out() -> None:
    heavy = [requirement.module for requirement in REQUIREMENTS if requirement.extra]
    code = "import sys; from testpress.diagnosis import diagnose; diagnose(); "
    code += f"print([m for m in {heavy} if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert (run.stdout.strip(), run.returncode) == ("[]", 0), run.stderr


def test_whether_arm_cores_are_emulated_is_told() -> None:
    found = diagnose()
    assert not found.arm.is_there, "tests have a cache of their own"
    assert as_text(found).splitlines()[-1].startswith("Arm cores are not emulated (optional): ")
    assert found.as_data()["arm"]["is_there"] is False
