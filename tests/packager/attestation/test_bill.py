from __future__ import annotations

import hashlib
import importlib.metadata
import json
from email.message import Message
from pathlib import Path
from typing import Any

import pytest

from packager.attestation.bill import BILL_NAME, add_bill, dump_bill, read_licences
from packager.attestation.verification import check_files
from packager.bundle import Bundle, Manifest, ModelIdentity, read_bundle
from packager.model import ModelSource, find_source
from tests.specimens import gain_spec
from tests.testpress.tiny_tflite import write_bundle

EMPTY = ModelSource(spec=gain_spec("nothing"), path=Path("nothing"), framework="torch", sha256="0" * 64)


def facts(component: dict[str, Any]) -> dict[str, str]:
    return {one["name"].removeprefix("testpress:"): one["value"] for one in component["properties"]}


def sha256(path: Path) -> list[dict[str, str]]:
    return [{"alg": "SHA-256", "content": hashlib.sha256(path.read_bytes()).hexdigest()}]


def by_ref(bill: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {one["bom-ref"]: one for one in bill["components"]}


def assert_valid(text: str) -> None:
    """By the schema of CycloneDX that the library ships, with no key that it does not know."""
    validation = pytest.importorskip("cyclonedx.validation.json")
    from cyclonedx.exception import MissingOptionalDependencyException
    from cyclonedx.schema import SchemaVersion

    try:
        fault = validation.JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    except MissingOptionalDependencyException:
        pytest.skip("cyclonedx-python-lib[json-validation] is not installed")
    assert fault is None, fault


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    return read_bundle(write_bundle(tmp_path / "b")).manifest


def changed(manifest: Manifest, **changes: Any) -> Manifest:
    return Manifest.model_validate({**dict(manifest), **changes})


@pytest.mark.slow
@pytest.mark.tensorflow
@pytest.mark.parametrize("variant", ["tflite-float16", "coreml-float32"])
def test_a_bundle_carries_a_bill_of_itself(
    variant: str, gain_bundles: dict[str, Bundle], gain_source: ModelSource
) -> None:
    bundle = gain_bundles[variant]
    text = (bundle.path / BILL_NAME).read_text(encoding="utf-8")
    assert_valid(text)
    bill = json.loads(text)
    main = bill["metadata"]["component"]
    assert (main["name"], main["version"], main["type"]) == ("gain", "1", "machine-learning-model")
    assert main["licenses"] == [{"license": {"id": "Apache-2.0"}}]
    assert facts(main)["key"] == bundle.manifest.key
    assert (facts(main)["format"], facts(main)["precision"]) == tuple(variant.split("-"))
    parts = by_ref(bill)
    held = {path.relative_to(bundle.path).as_posix() for path in bundle.path.rglob("*") if path.is_file()}
    assert {ref.removeprefix("file:") for ref in parts if ref.startswith("file:")} == held - {
        "manifest.json",
        BILL_NAME,
    }
    for ref in (ref for ref in parts if ref.startswith("file:")):
        assert parts[ref]["hashes"] == sha256(bundle.path / ref.removeprefix("file:"))
    roles = {ref.removeprefix("file:"): facts(one)["role"] for ref, one in parts.items() if ref.startswith("file:")}
    model = {name for name in roles if name.split("/")[0] == bundle.manifest.file}
    assert {name for name, role in roles.items() if role == "model with weights"} == model
    assert {role for name, role in roles.items() if name not in model} == {"golden vector"}
    source = parts["source"]
    assert (source["name"], facts(source)["framework"]) == (gain_source.spec.source, "tensorflow")
    assert facts(source)["digest"] == gain_source.sha256
    for one in source["components"]:
        assert one["hashes"] == sha256(gain_source.path / one["name"])
    assert "saved_model.pb" in {one["name"] for one in source["components"]}
    assert check_files(bundle) == ()
    assert BILL_NAME in bundle.manifest.files


@pytest.mark.slow
@pytest.mark.tensorflow
def test_all_tools_are_named_with_version_purl_and_licence(gain_bundles: dict[str, Bundle]) -> None:
    bundle = gain_bundles["tflite-float32"]
    bill = json.loads((bundle.path / BILL_NAME).read_text(encoding="utf-8"))
    tools = {ref.removeprefix("tool:"): one for ref, one in by_ref(bill).items() if ref.startswith("tool:")}
    writers = {one["name"]: one for one in bill["metadata"]["tools"]["components"]}
    assert set(writers) == {"testpress", "cyclonedx-python-lib"}
    for name, one in {**tools, **writers}.items():
        assert one["version"] == importlib.metadata.version(name) == bundle.manifest.tools[name]
        assert one["purl"] == f"pkg:pypi/{name}@{one['version'].replace('+', '%2B')}"
        assert one["licenses"]
    assert set(tools) | set(writers) == set(bundle.manifest.tools)
    assert {"tensorflow", "numpy", "ai-edge-quantizer"} <= set(tools)
    assert tools["tensorflow"]["scope"] == "excluded"  # it made the bundle and is not in it


def test_same_manifest_and_origin_give_the_same_bytes_and_name_no_time(manifest: Manifest) -> None:
    first, second = dump_bill(manifest, EMPTY), dump_bill(manifest, EMPTY)
    assert first == second
    assert "timestamp" not in first
    other = json.loads(dump_bill(changed(manifest, key="f" * 64), EMPTY))
    assert json.loads(first)["serialNumber"] != other["serialNumber"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("said", "written"),
    [
        ("Apache-2.0", [{"license": {"id": "Apache-2.0"}}]),
        ("apache-2.0", [{"license": {"id": "Apache-2.0"}}]),
        ("MIT OR Apache-2.0", [{"expression": "MIT OR Apache-2.0"}]),
        ("ours, ask legal@example.com", [{"license": {"name": "ours, ask legal@example.com"}}]),
        ("</script>\u202e", [{"license": {"name": "</script>\u202e"}}]),
    ],
)
def test_the_models_licence_is_an_spdx_id_where_it_is_one(
    manifest: Manifest, said: str, written: list[dict[str, Any]]
) -> None:
    text = dump_bill(changed(manifest, model=ModelIdentity(name="m", version="1", license=said)), EMPTY)
    assert_valid(text)
    assert json.loads(text)["metadata"]["component"]["licenses"] == written


@pytest.mark.slow
@pytest.mark.parametrize("license_", ["", "  "])
def test_no_licence_is_no_name_of_one(manifest: Manifest, license_: str) -> None:
    text = dump_bill(changed(manifest, model=ModelIdentity(name="m", version="1", license=license_)), EMPTY)
    assert_valid(text)
    assert "licenses" not in json.loads(text)["metadata"]["component"]


def test_each_rewrite_is_a_property(manifest: Manifest) -> None:
    text = dump_bill(changed(manifest, rewrites=("stft", "attention")), EMPTY)
    assert_valid(text)
    properties = json.loads(text)["metadata"]["component"]["properties"]
    assert sorted(one["value"] for one in properties if one["name"] == "testpress:rewrite") == ["attention", "stft"]


def test_a_tool_that_is_gone_is_named_without_a_version(manifest: Manifest) -> None:
    text = dump_bill(changed(manifest, tools={"no-such-tool": "not installed"}), EMPTY)
    assert_valid(text)
    tool = by_ref(json.loads(text))["tool:no-such-tool"]
    assert (tool["description"], "version" in tool, "purl" in tool) == ("not installed", False, False)


def test_a_factorys_weights_are_named_by_their_own_hash(tmp_path: Path, manifest: Manifest) -> None:
    (tmp_path / "net.py").write_text("def build(weights):\n    ...\n")
    (tmp_path / "w.pth").write_bytes(b"weights")
    source = find_source(gain_spec("python:net:build", weights="w.pth"), tmp_path)
    text = dump_bill(manifest, source)
    assert_valid(text)
    parts = by_ref(json.loads(text))
    assert parts["weights:w.pth"]["hashes"] == sha256(tmp_path / "w.pth")
    (module,) = parts["source"]["components"]
    assert (module["name"], module["hashes"]) == ("net.py", sha256(tmp_path / "net.py"))


@pytest.mark.parametrize(
    ("files", "roles"),
    [
        (("m.mlpackage/Manifest.json", "m.mlpackage/Data/weights/weight.bin"), ["model", "weights"]),
        (("m.mlpackage/Manifest.json", "m.mlpackage/Data/model.mlmodel"), ["model with weights", "model with weights"]),
        (("m.mlpackage/a", "m.mlpackage-notes", "golden/weights/x"), ["model with weights", *["golden vector"] * 2]),
    ],
)
def test_the_files_with_weights_are_told(manifest: Manifest, files: tuple[str, ...], roles: list[str]) -> None:
    digest = next(iter(manifest.files.values()))
    text = dump_bill(changed(manifest, file="m.mlpackage", files=dict.fromkeys(files, digest)), EMPTY)
    found = {one["name"]: facts(one)["role"] for one in json.loads(text)["components"]}
    assert [found[name] for name in files] == roles


def test_the_bill_is_among_the_manifests_files(tmp_path: Path, manifest: Manifest) -> None:
    added = add_bill(tmp_path, manifest, EMPTY)
    assert added.files[BILL_NAME].sha256 == sha256(tmp_path / BILL_NAME)[0]["content"]
    assert set(added.files) == {*manifest.files, BILL_NAME}


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"License-Expression": "MIT", "License": "other"}, ["MIT"]),
        ({"License": " Apache 2.0 "}, ["Apache 2.0"]),
        (
            {"License": "Copyright (c) X\nAll rights …", "Classifier": "License :: OSI Approved :: BSD License"},
            ["BSD License"],
        ),
        ({"Classifier": "Programming Language :: Python"}, []),
        ({}, []),
    ],
)
def test_a_packages_licence_is_what_its_metadata_say(headers: dict[str, str], expected: list[str]) -> None:
    metadata = Message()
    for name, value in headers.items():
        metadata[name] = value
    assert read_licences(metadata) == expected
