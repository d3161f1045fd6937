"""The published schema is today's, and real manifests hold it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from device_profiles.text import to_json
from packager.bundle import MANIFEST_NAME, Bundle
from packager.manifest_schema import make_schema
from tests.specimens import ROOT
from tests.testpress.tiny_tflite import write_bundle

PUBLISHED = ROOT / "docs" / "schema" / "manifest.json"


def check(manifest: Any) -> None:
    jsonschema.Draft202012Validator(make_schema()).validate(manifest)


def test_the_published_schema_is_what_the_command_prints() -> None:
    assert PUBLISHED.read_text(encoding="utf-8") == to_json(make_schema()) + "\n", (
        "make it anew: testpress verify --schema > docs/schema/manifest.json"
    )
    jsonschema.Draft202012Validator.check_schema(make_schema())


def test_each_field_says_what_it_is() -> None:
    vector = make_schema()["$defs"]["GoldenVector"]["properties"]
    assert "recorded on" in vector["outputs"]["description"]


def test_a_small_manifest_holds_it(tmp_path: Path) -> None:
    manifest = json.loads((write_bundle(tmp_path / "b") / MANIFEST_NAME).read_text())
    check(manifest)
    for changes, message in (
        ({"schema_version": 1}, "2 was expected"),
        ({"golden": []}, "Additional properties are not allowed"),
        ({"key": "abc"}, "does not match"),
        ({"file": 5}, "is not of type 'string'"),
    ):
        with pytest.raises(jsonschema.ValidationError, match=re.escape(message)):
            check({**manifest, **changes})


@pytest.mark.slow
@pytest.mark.tensorflow
def test_real_manifests_hold_it(gain_bundles: dict[str, Bundle]) -> None:
    for bundle in gain_bundles.values():
        check(json.loads((bundle.path / MANIFEST_NAME).read_text()))
