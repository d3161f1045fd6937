from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from evaluators.emulators.coreml.package import open_package
from evaluators.errors import EvaluationError

from .programs import gain, write_package


def test_the_root_model_is_found(tmp_path: Path) -> None:
    package = open_package(write_package(tmp_path, gain()))
    assert package.specification.name == "model.mlmodel"
    assert package.specification.is_relative_to(package.root)


def test_a_file_is_its_own_specification(tmp_path: Path) -> None:
    path = tmp_path / "x.mlmodel"
    path.write_bytes(b"")
    assert open_package(path).specification == path


@pytest.mark.parametrize(
    ("manifest", "message"),
    [
        (None, r"has no Manifest\.json, so it is not an \.mlpackage folder"),
        ("{", r"Manifest\.json: malformed: Expecting"),
        ([], "holds a list, expected an object"),
        ({}, "needs rootModelIdentifier"),
        ({"rootModelIdentifier": "A", "itemInfoEntries": {}}, "no entry with a path for the root 'A'"),
        ({"rootModelIdentifier": "A", "itemInfoEntries": {"A": {"path": "none"}}}, "names none, which is not in"),
        ({"rootModelIdentifier": "A", "itemInfoEntries": {"A": {"path": "../../x"}}}, "outside the package"),
        ({"rootModelIdentifier": "A", "itemInfoEntries": {"A": {"path": "/etc/hostname"}}}, "outside the package"),
    ],
)
def test_a_bad_manifest_is_named(tmp_path: Path, manifest: Any, message: str) -> None:
    path = write_package(tmp_path, gain())
    file = path / "Manifest.json"
    if manifest is None:
        file.unlink()
    else:
        file.write_text(manifest if isinstance(manifest, str) else json.dumps(manifest))
    with pytest.raises(EvaluationError, match=message):
        open_package(path)


def test_a_missing_path_is_named(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match=r"none\.mlpackage: no such file or folder; expected an \.mlpackage"):
        open_package(tmp_path / "none.mlpackage")


def test_a_compiled_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.mlmodelc").mkdir()
    with pytest.raises(EvaluationError, match="a compiled model"):
        open_package(tmp_path / "x.mlmodelc")
