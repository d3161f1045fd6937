from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import evaluators
from device_profiles.plugins import PluginError, list_plugins

ROOM = Path(evaluators.__path__[0]) / "tasks"


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    """No list of plug-ins of an earlier test is found here, and none of these is left to a later one."""
    list_plugins.cache_clear()
    yield
    list_plugins.cache_clear()


def _install(folder: Path, entry: str, code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package as pip would lay it: its code, and beside it what it offers."""
    facts = folder / "their_audio-1.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: their-audio\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text(f"[testpress.tasks]\n{entry}\n")
    (folder / "their_audio.py").write_text(code)
    monkeypatch.delitem(sys.modules, "their_audio", raising=False)
    monkeypatch.syspath_prepend(str(folder))


def test_built_in_ones_are_the_rooms_files() -> None:
    found = list_plugins("tasks", ROOM, "TASK")
    assert {"note_transcription", "parity"} <= found.keys()
    assert found["parity"].load().__module__ == "evaluators.tasks.parity"


def test_a_package_of_somebody_else_adds_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _install(tmp_path, "theirs = their_audio:THING", "THING = 42", monkeypatch)
    found = list_plugins("tasks", ROOM, "TASK")
    assert "their_audio" not in sys.modules
    assert (found["theirs"].load(), found["theirs"].distribution) == (42, "their-audio")


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("parity = their_audio:THING", "which testpress itself has already"),
        ("Bad Name = their_audio:THING", "should read name = module:attribute"),
        ("theirs = their_audio", "should read name = module:attribute"),
    ],
)
def test_what_cannot_be_offered_is_refused(
    entry: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _install(tmp_path, entry, "THING = 42", monkeypatch)
    with pytest.raises(PluginError, match=words):
        list_plugins("tasks", ROOM, "TASK")


def test_what_cannot_be_loaded_names_who_offers_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _install(tmp_path, "theirs = their_audio:THING", "raise ValueError('broken')", monkeypatch)
    with pytest.raises(PluginError, match=r"their-audio offers 'theirs = .*cannot be loaded: broken"):
        list_plugins("tasks", ROOM, "TASK")["theirs"].load()
