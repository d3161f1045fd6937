from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from device_profiles.record import parse_record
from packager.errors import PackagingError
from packager.model import InputSpec, ModelSource, find_source, resolve_path
from packager.storage import digest_tree
from tests.specimens import gain_spec


def _find(source: str, base: Path, **changes: Any) -> ModelSource:
    return find_source(gain_spec(source, **changes), base)


def test_a_saved_model_is_found_beside_the_recipe(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "saved_model.pb").write_bytes(b"graph")
    found = _find("model", tmp_path)
    assert (found.path, found.framework) == ((tmp_path / "model").resolve(), "tensorflow")
    assert found.sha256 == digest_tree(tmp_path / "model")


@pytest.mark.parametrize(
    ("name", "framework"), [("m.keras", "tensorflow"), ("m.h5", "tensorflow"), ("m.pt", "torch"), ("m.pt2", "torch")]
)
def test_the_framework_is_told_from_the_file(name: str, framework: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"x")
    assert _find(name, tmp_path).framework == framework


def test_the_recipes_word_on_the_framework_counts(tmp_path: Path) -> None:
    (tmp_path / "m.bin").write_bytes(b"x")
    assert _find("m.bin", tmp_path, framework="torch").framework == "torch"


def test_a_package_is_found_without_being_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "wheelish" / "models").mkdir(parents=True)
    (tmp_path / "wheelish" / "__init__.py").write_text("raise RuntimeError('imported')\n")
    (tmp_path / "wheelish" / "models" / "m.pt").write_bytes(b"x")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert _find("pkg://wheelish/models/m.pt", Path("/nowhere")).path == tmp_path / "wheelish" / "models" / "m.pt"
    with pytest.raises(PackagingError, match=r"'pkg://wheelish/\.\./x': leads outside the package 'wheelish'"):
        resolve_path("pkg://wheelish/../x", tmp_path)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("nothing", "model.source: 'nothing': no such file or folder ({base}/nothing)"),
        (
            "folder",
            (
                "model.source: {base}/folder: not a SavedModel folder (no saved_model.pb), .keras, .h5, .pt or .pt2 "
                'file, so its framework cannot be told; say framework = "torch" or "tensorflow"'
            ),
        ),
        (
            "pkg://no_such_package/x",
            (
                "'pkg://no_such_package/x': the package 'no_such_package' is not installed in this environment; "
                "install it with pip first"
            ),
        ),
        ("pkg://", "'pkg://': '' is not a package name; write pkg://installed_package/path"),
        ("pkg://a-b/x", "'pkg://a-b/x': 'a-b' is not a package name; write pkg://installed_package/path"),
        (
            "pkg://json/tool.py.nothing",
            "model.source: 'pkg://json/tool.py.nothing': no such file or folder ({json}/tool.py.nothing)",
        ),
    ],
)
def test_what_is_not_there_says_what_would_be_right(source: str, message: str, tmp_path: Path) -> None:
    import json

    (tmp_path / "folder").mkdir()
    with pytest.raises(PackagingError) as caught:
        _find(source, tmp_path)
    assert str(caught.value) == message.format(base=tmp_path.resolve(), json=Path(json.__file__).parent)


def _make_saved_model(folder: Path) -> Path:
    folder.mkdir()
    (folder / "saved_model.pb").write_bytes(b"graph")
    return folder


def _loop(path: Path) -> None:
    path.symlink_to(path.name)


@pytest.mark.parametrize("framework", [None, "tensorflow", "torch"])
@pytest.mark.parametrize(
    ("make", "source"),
    [
        (lambda _: None, "/"),
        (lambda _: None, "/proc"),
        (lambda _: None, "/proc/self/mem"),
        (lambda _: None, "/dev/zero"),
        (lambda base: (base / "empty").mkdir(), "empty"),
        (lambda base: os.mkfifo(base / "m.pt"), "m.pt"),
        (lambda base: os.mkfifo(_make_saved_model(base / "m") / "pipe"), "m"),
        (lambda base: (_make_saved_model(base / "m") / "link").symlink_to("/"), "m"),
        (lambda base: _loop(base / "loop"), "loop"),
        (lambda base: _loop(_make_saved_model(base / "m") / "loop"), "m"),
        (lambda _: None, "x" * 190 + "/" + "y" * 300),
        (lambda _: None, "a\x00b"),
    ],
)
def test_what_is_no_model_is_one_message_at_once(
    make: Callable[[Path], object], source: str, framework: Any, tmp_path: Path
) -> None:
    make(tmp_path)
    spec = gain_spec("m.pt", framework=framework).model_copy(update={"source": source})
    began = time.process_time()
    with pytest.raises(PackagingError) as caught:
        find_source(spec, tmp_path)
    assert time.process_time() - began < 2
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("shape", [[1] * 33, [2**31], [0], [2**20, 2**21]])
def test_a_shape_that_nothing_holds_is_refused(shape: list[int]) -> None:
    with pytest.raises(PackagingError, match=r"^m: shape"):
        parse_record({"shape": shape}, InputSpec, where="m", error=PackagingError)
