"""Whether Arm cores can be emulated, as commands tell it, where they cannot."""

from __future__ import annotations

import json
import platform
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from evaluators.emulators.arm import setting_up
from evaluators.emulators.arm.installation import find_folder, find_installation, read_packages
from evaluators.errors import EvaluationError
from evaluators.registries.cache import CACHE_VARIABLE
from evaluators.targets import get_player
from testpress.cli import cli


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    return tmp_path


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["setup", *arguments])


def test_what_is_not_there_says_how_to_get_it() -> None:
    assert "run `testpress setup arm`" in invoke().stdout
    found = json.loads(invoke("--json").stdout)
    assert found["arm"]["is_there"] is False
    assert "testpress setup arm" in found["arm"]["reason"]
    with pytest.raises(EvaluationError, match="not set up; run `testpress setup arm`"):
        get_player("arm_cortex_a76").find()


@pytest.mark.parametrize(("system", "machine"), [("darwin", "arm64"), ("linux", "aarch64"), ("win32", "AMD64")])
def test_elsewhere_one_message_says_where_it_runs(
    system: str, machine: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr(platform, "machine", lambda: machine)
    with pytest.raises(EvaluationError, match=f"emulated on Linux with an x86-64 processor, and this is {system}"):
        setting_up.set_up()
    with pytest.raises(EvaluationError, match=f"{system} on {machine}"):
        find_installation()
    assert list(tmp_path.iterdir()) == []


def test_every_package_has_its_digest_and_belongs_to_one_folder() -> None:
    packages = read_packages()
    every = (*packages.host, *packages.guest, *packages.site)
    assert len({one.file for one in every}) == len(every)
    assert {one.registry for one in packages.site} == {"pypi-aarch64"}
    assert {one.package.partition(":")[2] for one in packages.host} == {"amd64"}
    assert {one.package.partition(":")[2] for one in packages.guest} == {"arm64"}
    assert all(len(one.sha256) == 64 for one in every)
    assert sum(one.size_bytes for one in every) < 70e6
    assert find_folder() == find_folder()


def test_a_package_that_cannot_be_had_is_one_message(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    result = invoke("arm", "-q")
    assert result.exit_code == 1 or isinstance(result.exception, EvaluationError)
    assert "apt-get is not there" in str(result.exception)
    assert not find_folder().exists()
