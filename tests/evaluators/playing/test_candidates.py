from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evaluators.errors import EvaluationError
from evaluators.playing.candidates import Candidate, from_bundle, from_packaged, from_path
from evaluators.target_records import Failure
from packager.bundle import MANIFEST_NAME, OutputProof, Proof, dump_manifest, read_bundle
from packager.errors import PackagingError
from packager.package import Packaged, Variant
from packager.storage import digest_files, digest_tree
from tests.testpress.tiny_tflite import write_bundle, write_gain

VARIANT = Variant("coreml", "float16")


def test_a_finished_bundle(tmp_path: Path) -> None:
    bundle = read_bundle(write_bundle(tmp_path / "b"))
    model = tmp_path / "b" / "model.tflite"
    expected = Candidate("tflite-float32", "bundle", model, "tflite", "float32", digest_tree(model))
    assert from_bundle(bundle) == expected
    assert from_path(tmp_path / "b") == expected
    assert from_packaged(Packaged(Variant("tflite", "float32"), bundle, reused=True), tmp_path) == expected


def _break(folder: Path) -> None:
    """Have a bundle's manifest say that its proof found too little."""
    bundle = read_bundle(folder)
    output = OutputProof(output="scaled", snr_db=1.5, max_abs_error=0.5)
    proof = Proof(
        runtime="r", calls=1, inputs="noise", outputs=(output,), tolerance_db=60, holds=False, breaks_at="MUL 0"
    )
    manifest = bundle.manifest.model_copy(update={"proof": proof})
    (folder / MANIFEST_NAME).write_text(dump_manifest(manifest))


def test_a_bundle_that_breaks_its_promise_says_how(tmp_path: Path) -> None:
    folder = write_bundle(tmp_path / "b")
    assert from_path(folder).broken is None
    _break(folder)
    candidate = from_path(folder)
    assert candidate.model is not None
    assert candidate.broken == "departs from its source, 60 dB are promised: scaled has 1.5 dB; most to blame is MUL 0"


@pytest.mark.parametrize(
    ("log", "reason", "expected"),
    [
        ("logs/x.log", "no such op", Failure(stage="package", reason="no such op", log="logs/x.log")),
        (None, None, Failure(stage="package", reason="no reason was given", log=None)),
    ],
)
def test_a_variant_that_failed(log: str | None, reason: str | None, expected: Failure, tmp_path: Path) -> None:
    packaged = Packaged(VARIANT, None, reason=reason, log=tmp_path / log if log else None)
    candidate = from_packaged(packaged, tmp_path)
    assert candidate == Candidate("coreml-float16", "bundle", None, "coreml", "float16", "", expected)


def test_a_ready_made_file(tmp_path: Path) -> None:
    path = write_gain(tmp_path / "nmp.tflite")
    assert from_path(path) == Candidate("nmp.tflite", "file", path, "tflite", None, digest_tree(path))


def test_a_ready_made_folder(tmp_path: Path) -> None:
    path = tmp_path / "nmp.mlpackage"
    path.mkdir()
    (path / "Manifest.json").write_text("{}")
    assert from_path(path) == Candidate("nmp.mlpackage", "file", path, "coreml", None, digest_tree(path))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nothing", "{path}: no such file or folder; name a bundle, a .tflite or an .mlpackage"),
        ("folder", "{path}: not a model that can be played; known: .mlpackage, .mlmodel, .tflite"),
        ("file.onnx", "{path}: not a model that can be played; known: .mlpackage, .mlmodel, .tflite"),
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


def test_a_broken_manifest_is_a_failed_row_where_the_folder_says_of_what(tmp_path: Path) -> None:
    path = write_bundle(tmp_path / "tflite-dynamic_wi8_afp32")
    (path / "manifest.json").write_text("{")
    candidate = from_path(path)
    assert candidate.failure is not None
    assert candidate.failure.reason.startswith("manifest.json: not valid JSON: line 1")
    expected = ("tflite-dynamic_wi8_afp32", "bundle", None, "tflite", "dynamic_wi8_afp32", "")
    assert (
        candidate.variant,
        candidate.origin,
        candidate.model,
        candidate.format,
        candidate.precision,
        candidate.key,
    ) == expected


def _zero(path: Path) -> None:
    data = bytearray((path / "model.tflite").read_bytes())
    data[100:140] = bytes(40)
    (path / "model.tflite").write_bytes(data)


def _truncate_all(path: Path) -> None:
    for name in ("model.tflite", "golden/in.f32", "golden/out.f32"):
        (path / name).write_bytes(b"")
    (path / "more").touch()


def _replace_model(how: Callable[[Path], object]) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        (path / "model.tflite").rename(path.parent / "moved.tflite")
        how(path / "model.tflite")

    return damage


def _restate(**changes: Any) -> Callable[[Path], None]:
    """Hashes hold, and what the manifest says of the model is not so."""

    def damage(path: Path) -> None:
        (path / "folder.tflite").mkdir()
        (path / "folder.tflite" / "x").write_bytes(b"x")
        manifest = read_bundle(path).manifest
        files = {name: one for name, one in digest_files(path).items() if name != "manifest.json"}
        (path / "manifest.json").write_text(dump_manifest(manifest.model_copy(update={"files": files, **changes})))

    return damage


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (_zero, "model.tflite: changed since it was packaged: SHA-256 {}… (524 bytes), the manifest says"),
        (_truncate_all, "golden/in.f32: changed since it was packaged: "),
        (_replace_model(lambda path: None), "model.tflite: missing, but in the manifest"),
        (_replace_model(Path.mkdir), "model.tflite: missing, but in the manifest"),
        (_replace_model(os.mkfifo), "model.tflite: is a pipe; only regular files are read"),
        (
            _replace_model(lambda path: path.symlink_to("../moved.tflite")),
            "model.tflite: is a symbolic link; only regular files can be packaged",
        ),
        (
            _replace_model(lambda path: os.mknod(path, 0o600 | stat.S_IFCHR, os.makedev(1, 5))),
            "model.tflite: is a device",
        ),
        (_restate(file="folder.tflite"), "folder.tflite: is a folder; right for .tflite is a file"),
        (_restate(file="golden/in.f32"), "golden/in.f32: is no tflite model by its name"),
        (_restate(file="nothing.tflite"), "nothing.tflite: cannot be read: No such file or directory"),
        (_restate(format="coreml"), "model.tflite: is no coreml model by its name"),
    ],
)
def test_a_bundle_that_is_not_what_its_manifest_says_is_never_loaded(
    damage: Callable[[Path], None], reason: str, tmp_path: Path
) -> None:
    path = write_bundle(tmp_path / "b")
    try:
        damage(path)
    except PermissionError:
        pytest.skip("only root makes devices")
    candidate = from_path(path)
    assert (candidate.variant, candidate.model, candidate.key) == ("tflite-float32", None, "")
    assert candidate.failure is not None
    assert candidate.failure.stage == "evaluate"
    assert candidate.failure.reason.startswith(reason.partition("{}")[0])
    assert reason.rpartition("{}")[2] in candidate.failure.reason
    assert str(tmp_path) not in candidate.failure.reason
    assert len(candidate.failure.reason.splitlines()) <= 4


@pytest.mark.parametrize(
    ("name", "make", "reason"),
    [
        ("x.tflite", os.mkfifo, "x.tflite: is a pipe; only regular files are read"),
        ("x.tflite", Path.mkdir, "x.tflite: is a folder; right for .tflite is a file"),
        ("x.mlmodel", Path.mkdir, "x.mlmodel: is a folder; right for .mlmodel is a file"),
        ("x.mlpackage", Path.touch, "x.mlpackage: is no folder; right for .mlpackage is a folder"),
        (
            "x.mlpackage",
            lambda path: (path.mkdir(), (path / "a").symlink_to("/etc")),
            "x.mlpackage/a: is a symbolic link",
        ),
        ("x.mlpackage", lambda path: (path.mkdir(), os.mkfifo(path / "a")), "x.mlpackage/a: is a pipe"),
        ("x.tflite", lambda path: path.symlink_to("/etc/hostname"), "x.tflite: is a symbolic link"),
    ],
)
def test_a_file_that_is_not_safe_to_open_is_a_failed_row(
    name: str, make: Callable[[Path], object], reason: str, tmp_path: Path
) -> None:
    make(tmp_path / name)
    candidate = from_path(tmp_path / name)
    assert (candidate.variant, candidate.origin, candidate.model) == (name, "file", None)
    assert candidate.failure is not None
    assert candidate.failure.reason.startswith(reason)
