from __future__ import annotations

import hashlib
import importlib.util
import json
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from packager.bundle import Bundle, ModelIdentity, dump_manifest, read_bundle
from testpress.cli import cli
from testpress.verification import compare_remade
from tests.specimens import Job
from tests.testpress.tiny_tflite import write_bundle

signed = pytest.mark.skipif(importlib.util.find_spec("model_signing") is None, reason='needs "testpress[sign]"')


def invoke(*arguments: object) -> Result:
    result = CliRunner().invoke(cli, [str(argument) for argument in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return read_bundle(write_bundle(tmp_path / "b"))


def test_a_whole_bundle_holds(bundle: Bundle) -> None:
    result = invoke("verify", bundle.path)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == (
        f"{bundle.path}: tflite-float32 of gain 1\n  files  all 3 hold their SHA-256; nothing was added\n"
    )
    found = json.loads(invoke("verify", bundle.path, "--json").stdout)
    assert (found["holds"], found["files"], found["faults"], found["signature"]) == (True, 3, [], None)


def test_each_file_that_does_not_hold_is_a_line_and_the_exit_code_is_1(bundle: Bundle) -> None:
    (bundle.path / "model.tflite").write_bytes(b"x")
    (bundle.path / "extra").symlink_to("/")
    result = invoke("verify", bundle.path)
    assert result.exit_code == 1
    head, broken, *lines = result.stdout.splitlines()
    assert head == f"{bundle.path}: tflite-float32 of gain 1"
    assert broken == "  files  BROKEN"
    assert [line.split(": ")[0].strip() for line in lines] == [f"{bundle.path}/extra", f"{bundle.path}/model.tflite"]
    assert result.stderr == f"testpress: {bundle.path}: does not hold: 2 files are not what the manifest says\n"
    found = invoke("verify", bundle.path, "--json")
    assert (found.exit_code, json.loads(found.stdout)["holds"]) == (1, False)


def test_what_a_manifest_says_adds_no_line(bundle: Bundle) -> None:
    model = ModelIdentity(name="x\n  signature  holds for all files", version="1\x1b[2J", license="MIT")
    forged = bundle.manifest.model_copy(update={"model": model, "variant": "v\n  made anew  the same bytes"})
    (bundle.path / "manifest.json").write_text(dump_manifest(forged))
    result = invoke("verify", bundle.path)
    assert (result.exit_code, len(result.stdout.splitlines())) == (0, 2)
    assert "\x1b" not in result.stdout


@pytest.mark.parametrize("verb", ["verify", "package"])
def test_without_the_extra_it_is_said_what_to_install(
    bundle: Bundle, notes_recipe: Job, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    monkeypatch.setitem(sys.modules, "model_signing", None)
    arguments = {"verify": (bundle.path, "--key", "k.pem"), "package": (notes_recipe.path, "--sign", "k.pem")}[verb]
    result = CliRunner().invoke(cli, [verb, *map(str, arguments)])
    assert str(result.exception) == (
        'signatures need OpenSSF model-signing, which is not installed here; install "testpress[sign]"'
    )


@pytest.fixture
def notes_recipe(tmp_path: Path) -> Job:
    """A recipe that is read and never converted."""
    recipe = {
        "model": {"name": "n", "version": "1", "license": "MIT", "source": "gone"},
        "devices": {"ids": ["pixel-8"]},
    }
    job = Job(tmp_path / "job", recipe, [])
    job.write()
    return job


@signed
def test_a_signature_is_held_against_a_public_key(bundle: Bundle, tmp_path: Path) -> None:
    from packager.attestation.signatures import sign_bundle
    from tests.signing_keys import write_keys

    private, public = write_keys(tmp_path)
    path = sign_bundle(bundle, private)
    result = invoke("verify", bundle.path, "--key", public)
    assert result.exit_code == 0
    assert f"signature  {path} holds for all files and the manifest, by {public}" in result.stdout
    _, foreign = write_keys(tmp_path / "foreign")
    result = invoke("verify", bundle.path, "--key", foreign)
    fault = f"{path}: was not made with the private key that belongs to {foreign}"
    assert result.exit_code == 1
    assert f"signature  BROKEN: {fault}" in result.stdout
    assert result.stderr == f"testpress: {bundle.path}: does not hold: {fault}\n"
    found = json.loads(invoke("verify", bundle.path, "--key", foreign, "--json").stdout)
    assert found["signature"] == {"path": str(path), "key": str(foreign), "fault": fault}


@signed
def test_a_manifest_made_to_fit_a_changed_file_breaks_the_signature(bundle: Bundle, tmp_path: Path) -> None:
    """Hashes alone hold for whoever can write both; that is what a signature is for."""
    from packager.attestation.signatures import sign_bundle
    from packager.storage import digest_files
    from tests.signing_keys import write_keys

    private, public = write_keys(tmp_path)
    sign_bundle(bundle, private)
    bundle.model_path.write_bytes(bundle.model_path.read_bytes() + b"\0")
    files = {name: digest for name, digest in digest_files(bundle.path).items() if name != "manifest.json"}
    forged = bundle.manifest.model_copy(update={"files": files})
    (bundle.path / "manifest.json").write_text(dump_manifest(forged))
    assert invoke("verify", bundle.path).exit_code == 0
    result = invoke("verify", bundle.path, "--key", public)
    assert result.exit_code == 1
    assert "was made of other files: some were changed, added or removed since" in result.stderr


def test_a_phone_without_a_recipe_is_usage(bundle: Bundle) -> None:
    assert invoke("verify", bundle.path, "--device", "pixel-8").exit_code == 2


def test_a_recipe_that_makes_no_such_bundle_is_told(bundle: Bundle, notes_recipe: Job) -> None:
    notes_recipe.recipe["variants"] = {"tflite": ["float16"], "coreml": []}
    notes_recipe.write()
    result = CliRunner().invoke(cli, ["verify", str(bundle.path), "--rebuild", str(notes_recipe.path)])
    assert str(result.exception) == (
        f"{notes_recipe.path}: makes no bundle 'tflite-float32', only tflite-float16; name its own recipe"
    )


def test_what_was_remade_is_compared_file_by_file(bundle: Bundle, tmp_path: Path) -> None:
    recipe = Path("testpress.toml")
    same = read_bundle(write_bundle(tmp_path / "same"))
    found = compare_remade(bundle, same, recipe)
    assert (found.files, found.differences, found.explanation) == (4, (), None)

    other = read_bundle(write_bundle(tmp_path / "other"))
    other.model_path.write_bytes(b"x")
    (other.path / "golden/in.f32").unlink()
    (other.path / "new").touch()
    found = compare_remade(bundle, other, recipe)
    assert [line.split(": ")[0] for line in found.differences] == ["golden/in.f32", "model.tflite", "new"]
    assert found.differences[1].endswith(f"; now SHA-256 {hashlib.sha256(b'x').hexdigest()[:12]}…, 1 bytes")
    assert found.differences[0] == "golden/in.f32: is not made any more"
    assert found.differences[2] == "new: is made in addition"
    assert str(found.explanation).startswith("the same input and versions of tools")


@pytest.mark.parametrize(
    ("changes", "explanation"),
    [
        (
            {"tools": {"tensorflow": "2.22.0", "numpy": "2"}},
            "other versions of tools than in the manifest: numpy not used, here 2; tensorflow 2.21.0, here 2.22.0",
        ),
        ({"key": "f" * 64}, "the same versions of tools, but another source model, other options"),
    ],
)
def test_why_bytes_differ_is_told(bundle: Bundle, tmp_path: Path, changes: dict[str, object], explanation: str) -> None:
    folder = write_bundle(tmp_path / "other")
    manifest = read_bundle(folder).manifest.model_copy(update=changes)
    (folder / "manifest.json").write_text(dump_manifest(manifest))
    found = compare_remade(bundle, read_bundle(folder), Path("testpress.toml"))
    assert str(found.explanation).startswith(explanation)
    assert [line.split(": ")[0] for line in found.differences] == ["manifest.json"]


@pytest.mark.slow
@pytest.mark.tensorflow
@signed
def test_what_package_signs_is_verified_and_made_anew_with_the_same_bytes(notes_job: Job, tmp_path: Path) -> None:
    from tests.signing_keys import write_keys

    private, public = write_keys(tmp_path)
    out = ("-o", str(notes_job.out))
    made = notes_job.run(*out, verb="package")
    assert made.returncode == 0, made.stderr
    bundle = notes_job.out / "bundles" / "tflite-float32"
    again = notes_job.run(*out, "--sign", str(private), "--json", verb="package")  # what is there already is signed too
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)[0]["reused"] is True
    assert f"tflite-float32 is signed: {bundle}.sig" in again.stderr
    assert "PRIVATE" not in again.stdout + again.stderr
    result = invoke("verify", bundle, "--key", public, "--rebuild", notes_job.path)
    assert result.exit_code == 0, result.output
    count = len(read_bundle(bundle).manifest.files) + 1
    assert f"made anew  the same bytes in all {count} files, from {notes_job.path}" in result.stdout
    assert "remake …\n" in result.stderr

    notes_job.recipe["model"]["license"] = "MIT"
    notes_job.write()
    result = invoke("verify", bundle, "--rebuild", notes_job.path, "--json", "-q")
    assert result.exit_code == 1
    rebuild = json.loads(result.stdout)["rebuild"]
    assert [line.split(": ")[0] for line in rebuild["differences"]] == ["manifest.json", "sbom.cdx.json"]
    assert rebuild["explanation"].startswith("the same versions of tools, but another source model")
    assert result.stderr == f"testpress: {bundle}: does not hold: 2 files are made differently now\n"
