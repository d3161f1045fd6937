from __future__ import annotations

import importlib.util
import re
import shutil
from pathlib import Path

import pytest

import evaluators.datasets.builtin
import evaluators.emulators.arm
import evaluators.registries
from evaluators.registries.tools import REGISTRIES
from tests.evaluators.registries.test_downloads import ARCHIVE


def test_pip_is_asked_for_wheels_alone_since_others_run_code() -> None:
    command = REGISTRIES["pypi"].command(ARCHIVE, Path("folder"))
    assert command[command.index("--only-binary") + 1] == ":all:"
    assert "--no-deps" in command
    assert command[command.index("--dest") + 1] == "folder"
    assert command[-1] == "p==1"


def test_apt_downloads_and_installs_nothing() -> None:
    command = REGISTRIES["debian"].command(ARCHIVE, Path("folder"))
    assert command[-2:] == ["download", "p=1"]


def test_what_is_not_there_is_an_obstacle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    assert "apt-get is not there" in (REGISTRIES["debian"].find_obstacle() or "")
    assert "pip is not installed" in (REGISTRIES["pypi"].find_obstacle() or "")


def test_no_address_stands_in_the_code() -> None:
    rooms = (evaluators.datasets.builtin, evaluators.registries, evaluators.emulators.arm)
    for path in (path for room in rooms for path in Path(room.__path__[0]).rglob("*.py")):
        assert not re.search(r"https?://|\.(?:org|com|net)\b", path.read_text(encoding="utf-8")), path
