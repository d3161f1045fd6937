from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_profiles.record import parse_record, read_json
from packager.bundle import MANIFEST_NAME, AudioContract, Manifest, dump_manifest, read_bundle
from packager.errors import PackagingError

SHA = "0123456789abcdef" * 4
AUDIO: dict[str, Any] = {
    "name": "audio",
    "native_name": "x",
    "shape": [1, 10],
    "dtype": "float32",
    "axes": ["batch", "sample"],
}
MANIFEST: dict[str, Any] = {
    "key": SHA,
    "variant": "tflite-float32",
    "model": {"name": "gain", "version": "1", "license": "Apache-2.0"},
    "format": "tflite",
    "precision": "float32",
    "file": "model.tflite",
    "files": {"model.tflite": {"sha256": SHA, "size_bytes": 3}},
    "source": {"uri": "model", "framework": "tensorflow", "sha256": SHA},
    "tools": {"numpy": "2.3.0"},
    "audio": {"sample_rate_hz": 8000, "window_samples": 10, "hop_samples": 5},
    "inputs": [AUDIO],
    "outputs": [],
    "floor": {"platform": "android", "minimum_os": None, "minimum_runtime": None, "because": "no op"},
    "golden": [{"name": "noise", "inputs": {"audio": "golden/a.f32"}, "outputs": {}}],
}


def _parse(**changes: Any) -> Manifest:
    return parse_record({**MANIFEST, **changes}, Manifest, where="m", error=PackagingError)


def test_a_manifest_is_read_as_it_was_written(tmp_path: Path) -> None:
    manifest = _parse()
    (tmp_path / MANIFEST_NAME).write_text(dump_manifest(manifest))
    bundle = read_bundle(tmp_path)
    assert bundle.manifest == manifest
    assert bundle.model_path == tmp_path / "model.tflite"
    assert dump_manifest(bundle.manifest) == (tmp_path / MANIFEST_NAME).read_text()


names = st.text(min_size=1, max_size=8)


@pytest.mark.slow
@given(
    st.builds(
        AudioContract,
        sample_rate_hz=st.integers(1000, 768_000),
        channels=st.integers(1, 8),
        window_samples=st.integers(500, 10**6),
        hop_samples=st.integers(1, 500),
        frame_rate_hz=st.none() | st.floats(1e-3, 768_000),
    ),
    st.dictionaries(names, names, max_size=4),
)
def test_any_manifest_is_read_as_it_was_written(audio: AudioContract, tools: dict[str, str]) -> None:
    import json

    manifest = _parse().model_copy(update={"audio": audio, "tools": tools})
    again = parse_record(json.loads(dump_manifest(manifest)), Manifest, where="m", error=PackagingError)
    assert again == manifest
    assert dump_manifest(again) == dump_manifest(manifest)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"key": "abc"}, "m: key: String should match pattern"),
        ({"schema_version": 2}, "m: schema_version: Input should be 1; found 2"),
        ({"format": "ONNX"}, "m: format: String should match pattern"),
        ({"varaint": "x"}, "m: varaint: unknown key; did you mean 'variant'?"),
        ({"files": {"a": {"sha256": SHA, "size_bytes": -1}}}, "m: files.a.size_bytes: Input should be greater than"),
        (
            {"audio": {"sample_rate_hz": 8000, "window_samples": 10, "hop_samples": 11}},
            "m: audio: hop_samples 11 is larger than window_samples 10",
        ),
        (
            {"audio": {"sample_rate_hz": 8000.5, "window_samples": 10, "hop_samples": 5}},
            "m: audio.sample_rate_hz: Input should be a valid integer",
        ),
        (
            {"audio": {"sample_rate_hz": 0, "window_samples": 10, "hop_samples": 5}},
            "m: audio.sample_rate_hz: Input should",
        ),
        ({"files": {"a": {"sha256": SHA, "size_bytes": 2**63}}}, "m: files.a.size_bytes: Input should be less than"),
        ({"inputs": [{**AUDIO, "shape": [1] * 33}]}, "m: inputs[0].shape: Tuple should have at most 32 items"),
        (
            {"inputs": [{**AUDIO, "shape": [1, -1]}]},
            "m: inputs[0].shape[1]: Input should be greater than or equal to 0",
        ),
        ({"inputs": [{**AUDIO, "shape": [2**31]}]}, "m: inputs[0].shape[0]: Input should be less than"),
        ({"inputs": [{**AUDIO, "shape": [2**20, 2**21]}]}, "m: inputs[0].shape: a tensor of more than 1099511627776"),
        (
            {"inputs": [{**AUDIO, "flexible": {"axis": "sample", "sizes": list(range(1, 130))}}]},
            "m: inputs[0].flexible.sizes: Tuple should have at most 128 items",
        ),
        ({"inputs": [AUDIO, AUDIO]}, "m: (the whole file): input 'audio' is there twice"),
        (
            {"inputs": [AUDIO, {**AUDIO, "name": "other"}]},
            "m: (the whole file): native name of input 'x' is there twice",
        ),
        ({"golden": [*MANIFEST["golden"]] * 2}, "m: (the whole file): golden vector 'noise' is there twice"),
    ],
)
def test_a_malformed_manifest_names_the_field(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(PackagingError) as caught:
        _parse(**changes)
    assert str(caught.value).startswith(message)


def test_no_manifest_is_a_plain_message(tmp_path: Path) -> None:
    with pytest.raises(PackagingError) as caught:
        read_bundle(tmp_path)
    assert str(caught.value) == f"{tmp_path / MANIFEST_NAME}: no such file"


@pytest.mark.parametrize(
    "changes",
    [
        *({"files": {name: {"sha256": SHA, "size_bytes": 3}}} for name in ("../x", "/x", "a/../../x", "..\\x", "a\0b")),
        {"file": ""},
        {"file": "."},
        {"file": "../model.tflite"},
        {"golden": [{"name": "noise", "inputs": {"audio": "/etc/passwd"}, "outputs": {}}]},
    ],
)
def test_files_outside_are_refused(changes: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / MANIFEST_NAME).write_text(dump_manifest(_parse(**changes)))
    with pytest.raises(PackagingError, match=r"lies outside the bundle$"):
        read_bundle(tmp_path)


@pytest.mark.parametrize("where", ["inputs", "outputs"])
def test_golden_files_outside_are_refused(where: str, tmp_path: Path) -> None:
    """An app, and our own replay, reads what they name."""
    vector = {"name": "noise", "inputs": {}, "outputs": {}, where: {"audio": "../../secret"}}
    (tmp_path / MANIFEST_NAME).write_text(dump_manifest(_parse(golden=[vector])))
    with pytest.raises(PackagingError, match=r"file '\.\./\.\./secret' lies outside the bundle$"):
        read_bundle(tmp_path)


def test_a_manifest_is_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        _parse().variant = "x"


def test_a_manifest_that_is_not_json_names_the_line(tmp_path: Path) -> None:
    (tmp_path / MANIFEST_NAME).write_text('{\n  "key": ,\n}')
    with pytest.raises(PackagingError, match=r"manifest\.json: not valid JSON: line 2, column 10: Expecting value"):
        read_json(tmp_path / MANIFEST_NAME, Manifest, error=PackagingError)
