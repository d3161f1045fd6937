from __future__ import annotations

from pathlib import Path

import pytest
from tiny_tflite import write_bundle, write_gain

from evaluators.errors import EvaluationError
from evaluators.evaluation import Failure
from evaluators.subjects import Subject, from_bundle, from_packaged, from_path
from packager.bundle import read_bundle
from packager.errors import PackagingError
from packager.package import Packaged, Variant
from packager.storage import digest_tree

VARIANT = Variant("coreml", "float16")


def test_a_finished_bundle(tmp_path: Path) -> None:
    bundle = read_bundle(write_bundle(tmp_path / "b"))
    model = tmp_path / "b" / "model.tflite"
    expected = Subject("tflite-float32", "bundle", model, "tflite", "float32", digest_tree(model))
    assert from_bundle(bundle) == expected
    assert from_path(tmp_path / "b") == expected
    assert from_packaged(Packaged(Variant("tflite", "float32"), bundle, reused=True), tmp_path) == expected


@pytest.mark.parametrize(
    ("log", "reason", "expected"),
    [
        ("logs/x.log", "no such op", Failure(stage="package", reason="no such op", log="logs/x.log")),
        (None, None, Failure(stage="package", reason="no reason was given", log=None)),
    ],
)
def test_a_variant_that_failed(log: str | None, reason: str | None, expected: Failure, tmp_path: Path) -> None:
    packaged = Packaged(VARIANT, None, reason=reason, log=tmp_path / log if log else None)
    subject = from_packaged(packaged, tmp_path)
    assert subject == Subject("coreml-float16", "bundle", None, "coreml", "float16", "", expected)


def test_a_ready_made_file(tmp_path: Path) -> None:
    path = write_gain(tmp_path / "nmp.tflite")
    assert from_path(path) == Subject("nmp.tflite", "file", path, "tflite", None, digest_tree(path))


def test_a_ready_made_folder(tmp_path: Path) -> None:
    path = tmp_path / "nmp.mlpackage"
    path.mkdir()
    (path / "Manifest.json").write_text("{}")
    assert from_path(path) == Subject("nmp.mlpackage", "file", path, "coreml", None, digest_tree(path))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nothing", "{path}: no such file or folder; name a bundle, a .tflite or an .mlpackage"),
        ("folder", "{path}: not a model that can be played; known: .tflite, .mlpackage, .mlmodel"),
        ("file.onnx", "{path}: not a model that can be played; known: .tflite, .mlpackage, .mlmodel"),
    ],
)
def test_what_is_neither(name: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file.onnx").touch()
    with pytest.raises(EvaluationError) as caught:
        from_path(tmp_path / name)
    assert str(caught.value) == message.format(path=tmp_path / name)


def test_a_broken_manifest_is_no_ready_made_file(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text("{")
    with pytest.raises(PackagingError, match=r"manifest\.json: not valid JSON: line 1"):
        from_path(tmp_path)
