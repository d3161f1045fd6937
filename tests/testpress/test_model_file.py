from __future__ import annotations

import json
import re
import zipfile
from pathlib import Path

import pytest

pytest.importorskip("ai_edge_litert")
from device_profiles.errors import TestpressError
from testpress.inspection.reading import inspect_model
from testpress.model_file import locate_model
from tests.testpress.tiny_tflite import write_bundle, write_gain

pytestmark = pytest.mark.tflite


def test_a_bare_file_has_no_bundle(tmp_path: Path) -> None:
    path = write_gain(tmp_path / "x.tflite")
    found = locate_model(str(path))
    assert (found.path, found.format, found.bundle) == (path, "tflite", None)


@pytest.mark.parametrize("inner", ["", "manifest.json"])
def test_a_bundle_is_found_by_its_folder_or_manifest(tmp_path: Path, inner: str) -> None:
    folder = write_bundle(tmp_path / "b")
    found = locate_model(str(folder / inner))
    assert found.path == folder / "model.tflite"
    assert found.bundle is not None and found.bundle.manifest.model.name == "gain"


def test_an_mlpackage_is_a_folder(tmp_path: Path) -> None:
    (tmp_path / "x.mlpackage").mkdir()
    assert locate_model(str(tmp_path / "x.mlpackage")).format == "coreml"


def test_a_file_inside_an_installed_package_is_found_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "some_models").mkdir()
    (tmp_path / "some_models" / "__init__.py").touch()
    write_gain(tmp_path / "some_models" / "x.tflite")
    monkeypatch.syspath_prepend(tmp_path)
    assert locate_model("pkg://some_models/x.tflite").path.samefile(tmp_path / "some_models" / "x.tflite")


def make_bundles(folder: Path) -> None:
    write_bundle(folder / "bundles" / "one")
    write_bundle(folder / "bundles" / "two")


def make_saved_model(folder: Path) -> None:
    folder.mkdir()
    (folder / "saved_model.pb").touch()


def make_bundle_without_model(folder: Path) -> None:
    write_bundle(folder)
    (folder / "model.tflite").unlink()


def make_bundle_without_json(folder: Path) -> None:
    write_bundle(folder)
    (folder / "manifest.json").write_text("{")


@pytest.mark.parametrize(
    ("name", "make", "message"),
    [
        ("x.tflite", None, "x.tflite: no such file or folder; right is a bundle folder, a .tflite file"),
        ("x.tflite", Path.mkdir, "x.tflite: is a folder; right for .tflite is a file"),
        ("x.mlpackage", Path.touch, "x.mlpackage: is a file; right for .mlpackage is a folder"),
        ("x.onnx", Path.touch, "x.onnx: an ONNX model"),
        ("x.pt2", Path.touch, "x.pt2: a PyTorch file; package it first, with a recipe"),
        ("x.h5", Path.touch, "x.h5: a Keras model; package it first"),
        ("x.mlmodelc", Path.mkdir, "x.mlmodelc: a compiled Core ML model; name the .mlpackage or .mlmodel"),
        ("testpress.toml", Path.touch, "testpress.toml: a recipe or a profile; name a model"),
        ("x", Path.mkdir, "x: not a model that phones run; right is a bundle folder"),
        ("x.txt", Path.touch, "x.txt: not a model that phones run"),
        ("nmp", make_saved_model, "nmp: a TensorFlow SavedModel; package it first"),
        ("out", make_bundles, r"out: holds bundles, name one of them: \S*out/bundles/one, \S*out/bundles/two"),
        ("b", make_bundle_without_model, "b: the manifest names model.tflite, which is not in the bundle"),
        ("b", make_bundle_without_json, r"manifest.json: not valid JSON: line 1"),
    ],
)
def test_what_is_no_model_is_told_for_what_it_is(tmp_path: Path, name: str, make: object, message: str) -> None:
    if callable(make):
        make(tmp_path / name)
    with pytest.raises(TestpressError, match=re.escape(message) if "\\" not in message else message):
        locate_model(str(tmp_path / name))


def test_a_package_that_is_not_installed_is_named() -> None:
    with pytest.raises(TestpressError, match="the package 'no_such_package' is not installed"):
        locate_model("pkg://no_such_package/x.tflite")


@pytest.mark.parametrize("name", ["x.lite", "x.bin", "x.task", "x"])
def test_a_tflite_file_is_one_by_what_is_in_it(name: str, tmp_path: Path) -> None:
    path = write_gain(tmp_path / name)
    found = locate_model(str(path))
    assert found.format == "tflite"
    assert inspect_model(found).runtime is not None


@pytest.mark.parametrize("before", [b"", b"\0\0"])
def test_an_archive_of_models_names_them(before: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.task"
    path.write_bytes(before)  # MediaPipe aligns what it stores
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("classifier.tflite", b"")
        archive.writestr("TF_LITE_PREFILL", write_gain(tmp_path / "y.tflite").read_bytes())
        archive.writestr("labels.txt", "a")
    with pytest.raises(TestpressError, match=r"an archive of models.*: classifier\.tflite, TF_LITE_PREFILL$"):
        locate_model(str(path))


POINTER = f"version https://git-lfs.github.com/spec/v1\noid sha256:{64 * '0'}\nsize 15840012\n"


@pytest.mark.parametrize("name", ["x.tflite", "x.mlmodel", "x.bin", "x.onnx"])
def test_a_pointer_is_named_as_what_it_is(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(POINTER)
    with pytest.raises(TestpressError) as caught:
        locate_model(str(path))
    assert str(caught.value) == (
        f"{path}: is a Git LFS pointer to a file of 15.8 MB, not the file itself; right is: git lfs pull"
    )


@pytest.mark.coreml
def test_a_pointer_inside_a_package_is_named_too(tmp_path: Path) -> None:
    folder = tmp_path / "x.mlpackage" / "Data"
    folder.mkdir(parents=True)
    (folder / "model.mlmodel").write_text(POINTER)
    (folder.parent / "Manifest.json").write_text(
        json.dumps({"rootModelIdentifier": "a", "itemInfoEntries": {"a": {"path": "model.mlmodel"}}})
    )
    with pytest.raises(TestpressError, match=r"model\.mlmodel: is a Git LFS pointer to a file of 15\.8 MB"):
        inspect_model(locate_model(str(folder.parent)))
