"""docs/adding/phone.md, done as it says."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from testpress.cli import cli
from testpress.recipe import read_recipe
from tests.specimens import ROOT, to_toml

PAGE = (ROOT / "docs" / "adding" / "phone.md").read_text(encoding="utf-8")
MOST_LINES = 30


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the page's file stands under the name that the page gives it."""
    (written,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "my-phone.toml").write_text(written, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_page_is_short() -> None:
    assert len(PAGE.splitlines()) <= MOST_LINES


@pytest.mark.slow
@pytest.mark.tflite
def test_its_commands_know_the_phone(folder: Path) -> None:
    pytest.importorskip("ai_edge_litert")
    from tests.testpress.tiny_tflite import write_gain

    write_gain(folder / "model.tflite")
    lines = re.findall(r"^testpress (.*?)(?: +#.*)?$", PAGE, re.MULTILINE)
    assert len(lines) == 2
    shown, predicted = (CliRunner().invoke(cli, [*shlex.split(line), "--json"]) for line in lines)
    assert (shown.exit_code, predicted.exit_code) == (0, 0), (shown.output, predicted.output)
    assert json.loads(shown.stdout)["name"] == "My Phone"
    (phone,) = json.loads(predicted.stdout)["phones"]
    assert phone["scores"]["latency_ms"]["value"] > 0


def test_a_recipe_packages_for_it_what_its_profile_prefers(folder: Path) -> None:
    model = {"name": "m", "version": "1", "license": "MIT", "source": "m.py"}
    (ids,) = re.findall(r'`ids = \["(.*?)"\]`', PAGE)
    (folder / "testpress.toml").write_text(to_toml({"model": model, "devices": {"ids": [ids]}}))
    recipe = read_recipe(folder / "testpress.toml")
    assert [profile.id for profile in recipe.profiles] == ["my-phone"]
    assert [variant.name for variant in recipe.variants] == ["tflite-float32", "tflite-dynamic_wi8_afp32"]


def test_in_the_catalog_it_is_found_by_its_name(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("device_profiles.profile.CATALOG", folder)
    listed = json.loads(CliRunner().invoke(cli, ["devices", "--json"]).stdout)
    assert [phone["id"] for phone in listed] == ["my-phone"]
