"""Six integration faults, planted in an app that knows nothing of testpress but the manifest: each must be found."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from evaluators.integration.replaying import Replay, check_app, replay
from evaluators.targets import open_model
from packager.bundle import Bundle
from packager.frontends.opening import FrontendSource, open_frontend
from packager.manifest_schema import make_schema
from tests.evaluators.integration.phone_app import FAULTS, Call, PhoneApp, call_tflite

pytestmark = [pytest.mark.slow, pytest.mark.pytorch, pytest.mark.tflite, pytest.mark.coreml]

WORDS = {
    "outputs swapped": "the outputs frame and onset are swapped",
    "hop off by one": "the hop is one sample too long",
    "gain 0.5": "samples were halved (gain 0.5)",
    "symmetric window": "the front end's window function is symmetric, not periodic",
    "state not reset": "states were never reset, not even between vectors",
    "wrong resampler": "another resampler: linear interpolation",
}
BUNDLES = ("tflite-float32", "coreml-float16")


def _open(bundle: Bundle) -> Any:
    manifest = bundle.manifest
    assert manifest.frontend is not None and manifest.audio is not None
    return open_frontend(FrontendSource(spec=manifest.frontend.spec), manifest.audio)


@pytest.fixture
def play(spotter_bundles: dict[str, Bundle], tmp_path: Path) -> Callable[..., Replay]:
    def run(name: str, fault: str = "", *, writes_stages: bool = True) -> Replay:
        bundle = spotter_bundles[name]
        call: Call = call_tflite(bundle.path) if name.startswith("tflite") else open_model(bundle.model_path).run
        out = PhoneApp(bundle.path, call, fault, writes_stages=writes_stages).write(tmp_path / "app")
        return check_app(bundle, _open(bundle), out)

    return run


@pytest.mark.parametrize("name", BUNDLES)
@pytest.mark.parametrize("writes_stages", [True, False])
def test_a_right_integration_has_10_db_of_margin(play: Callable[..., Replay], name: str, writes_stages: bool) -> None:
    found = play(name, writes_stages=writes_stages)
    assert found.holds, found.broken
    assert found.margin_db is None or found.margin_db >= 10
    assert found.suspects == ()
    assert bool(found.notices) != writes_stages


@pytest.mark.parametrize("name", BUNDLES)
@pytest.mark.parametrize("fault", FAULTS)
def test_each_planted_fault_fails_and_is_named(play: Callable[..., Replay], name: str, fault: str) -> None:
    found = play(name, fault)
    assert not found.holds
    assert any("/" not in check.name for check in found.broken), "outputs alone do not tell it"
    named = (found.suspects[0], len(found.suspects))
    # Of 48 and 16 kHz, lines between samples meet each third one: the two are the same.
    assert named == (WORDS[fault], 2 if fault == "wrong resampler" else 1)


@pytest.mark.parametrize("name", BUNDLES)
def test_replaying_on_the_own_emulator_holds(name: str, spotter_bundles: dict[str, Bundle]) -> None:
    bundle = spotter_bundles[name]
    found = replay(bundle, _open(bundle))
    assert found.holds and found.notices == ()
    assert found.margin_db is None or found.margin_db >= 10
    assert {check.vector for check in found.checks} == {"chirp", "noise", "calls", "clip"}


@pytest.mark.parametrize("name", BUNDLES)
def test_the_manifest_tells_an_app_all_it_needs(name: str, spotter_bundles: dict[str, Bundle]) -> None:
    bundle = spotter_bundles[name]
    manifest = json.loads((bundle.path / "manifest.json").read_text())
    jsonschema.Draft202012Validator(make_schema()).validate(manifest)
    said = manifest["integration"]
    assert all(file.startswith("verify/") for file in _files_of(manifest["vectors"]))
    assert {file for file in manifest["files"] if file.startswith("verify/")} == _files_of(manifest["vectors"])
    assert said["byte_order"] == "little" and said["compute_unit"] == "cpu"
    assert said["task"] == {"kind": "keyword", "options": {"threshold": 0.5}, "columns": [*"abcd"], "output": "onset"}
    assert (bundle.path / said["license_file"]).read_text() == "MIT, of a test\n"
    assert {key: said["stitching"][key] for key in ("lead_in_samples", "hop_samples", "last_window")} == {
        "lead_in_samples": 256,
        "hop_samples": 3584,
        "last_window": "zeros",
    }
    assert sorted(said["call"]["outputs"].values()) == [0, 1, 2]
    assert said["call"]["signature"] == ("serving_default" if name.startswith("tflite") else "main")
    if name.startswith("tflite"):
        assert (said["packages"][0]["minimum_os"], said["packages"][0]["version"]) == ("API24", "2.3.0")


def _files_of(vectors: list[dict[str, Any]]) -> set[str]:
    found = set()
    for vector in vectors:
        tensors = [vector["audio"], vector["samples"], vector["recording"]]
        tensors += [one for place in ("inputs", "source", "outputs") for one in vector[place].values()]
        found |= {one["file"] for one in tensors if one is not None}
    return found
