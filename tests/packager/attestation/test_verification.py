from __future__ import annotations

import inspect
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from packager.attestation.verification import check_files, find_faults
from packager.bundle import read_bundle
from packager.errors import PackagingError
from tests.testpress.tiny_tflite import write_bundle


def change(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[0] ^= 1
    path.write_bytes(data)


def grow(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\0")


def link(path: Path) -> None:
    """The same bytes, from elsewhere."""
    elsewhere = path.parent.parent.parent / "elsewhere"
    path.rename(elsewhere)
    path.symlink_to(elsewhere)


def link_outside(path: Path) -> None:
    path.symlink_to("/")


@pytest.mark.parametrize(
    ("file", "spoil", "message"),
    [
        ("golden/in.f32", change, "golden/in.f32: changed since it was packaged: SHA-256 "),
        ("model.tflite", grow, "model.tflite: changed since it was packaged: SHA-256 "),
        ("golden/out.f32", Path.unlink, "golden/out.f32: missing, but in the manifest"),
        ("extra.txt", Path.touch, "extra.txt: not in the manifest"),
        (".hidden", Path.touch, ".hidden: not in the manifest"),
        ("golden/manifest.json", Path.touch, "golden/manifest.json: not in the manifest"),
        ("golden/in.f32", link, "golden/in.f32: is a symbolic link; only regular files belong into a bundle"),
        ("extra", link_outside, "extra: is a symbolic link; only regular files belong into a bundle"),
        ("pipe", os.mkfifo, "pipe: is no regular file"),
        ("x\n  signature  holds\u202e", Path.touch, r"x\n  signature  holds\u202e: not in the manifest"),
    ],
)
def test_what_does_not_hold_is_one_line(tmp_path: Path, file: str, spoil: Callable[[Path], None], message: str) -> None:
    bundle = read_bundle(write_bundle(tmp_path / "b"))
    assert find_faults(bundle) == ()
    spoil(bundle.path / file)
    (fault,) = find_faults(bundle)
    assert fault.startswith(f"{bundle.path}/{message}")
    assert len(fault.splitlines()) == 1


def test_each_fault_has_its_own_line(tmp_path: Path) -> None:
    bundle = read_bundle(write_bundle(tmp_path / "b"))
    change(bundle.path / "model.tflite")
    (bundle.path / "golden/in.f32").unlink()
    link_outside(bundle.path / "root")
    (bundle.path / "new").touch()
    assert len(find_faults(bundle)) == 4


def test_folders_within_folders_end_no_walk(tmp_path: Path) -> None:
    """More folders than Python may go down by recursion; few enough that they can be removed afterwards."""
    bundle, depth = read_bundle(write_bundle(tmp_path / "b")), 300
    deep = bundle.path.joinpath(*["d"] * depth)
    deep.mkdir(parents=True)
    (deep / "x").touch()
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(len(inspect.stack()) + depth - 50)
    try:
        (fault,) = find_faults(bundle)
        assert check_files(bundle) == (fault,)
    finally:
        sys.setrecursionlimit(limit)
    assert fault == f"{deep}/x: not in the manifest"


def test_folders_without_files_are_nothing(tmp_path: Path) -> None:
    """coremltools makes them, and archives and uploads leave them out."""
    bundle = read_bundle(write_bundle(tmp_path / "b"))
    (bundle.path / "weights" / "none").mkdir(parents=True)
    assert find_faults(bundle) == ()


def test_a_manifest_that_is_a_link_is_told(tmp_path: Path) -> None:
    bundle = read_bundle(write_bundle(tmp_path / "b"))
    (bundle.path / "manifest.json").rename(tmp_path / "manifest.json")
    (bundle.path / "manifest.json").symlink_to(tmp_path / "manifest.json")
    (fault,) = find_faults(bundle)
    assert "manifest.json: is a symbolic link" in fault


def test_a_link_is_refused_where_the_model_would_be_loaded(tmp_path: Path) -> None:
    bundle = read_bundle(write_bundle(tmp_path / "b"))
    assert check_files(bundle) == ()
    link(bundle.path / "golden/in.f32")
    with pytest.raises(PackagingError, match=r"golden/in\.f32: is a symbolic link"):
        check_files(bundle)


def test_each_file_that_a_manifest_names_outside_is_told(tmp_path: Path) -> None:
    path = write_bundle(tmp_path / "b") / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["file"] = "../model.tflite"
    manifest["files"] |= {"/etc/passwd": next(iter(manifest["files"].values()))}
    manifest["vectors"][0]["inputs"]["audio"]["file"] = "golden/../../in.f32"
    path.write_text(json.dumps(manifest))
    with pytest.raises(PackagingError) as raised:
        read_bundle(path.parent)
    assert str(raised.value).splitlines() == [
        f"{path}: file {name!r} lies outside the bundle"
        for name in ("../model.tflite", "/etc/passwd", "golden/../../in.f32")
    ]
