from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_profiles.record import parse_record, read_json
from packager.bundle import MANIFEST_NAME, AudioContract, Manifest, dump_manifest, read_bundle
from packager.errors import PackagingError
from packager.vector_records import VectorTensor

SHA = "0123456789abcdef" * 4
AUDIO: dict[str, Any] = {
    "name": "audio",
    "native_name": "x",
    "shape": [1, 10],
    "dtype": "float32",
    "axes": ["batch", "sample"],
}
NOISE: dict[str, Any] = {
    "name": "noise",
    "inputs": {"audio": {"file": "verify/a.f32", "dtype": "float32", "shape": [1, 10]}},
    "source": {},
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
    "vectors": [NOISE],
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
    manifest = _parse().model_copy(update={"audio": audio, "tools": tools})
    again = parse_record(json.loads(dump_manifest(manifest)), Manifest, where="m", error=PackagingError)
    assert again == manifest
    assert dump_manifest(again) == dump_manifest(manifest)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"key": "abc"}, "m: key: String should match pattern"),
        ({"schema_version": 3}, "m: schema_version: Input should be 2; found 3"),
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
        ({"vectors": [NOISE, NOISE]}, "m: (the whole file): golden vector 'noise' is there twice"),
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
        {"vectors": [{**NOISE, "inputs": {"audio": {"file": "/etc/passwd", "dtype": "float32", "shape": [1]}}}]},
        {
            "vectors": [
                {**NOISE, "recording": {"file": "../x", "sample_rate_hz": 8, "channels": 1, "samples": 1, "windows": 1}}
            ]
        },
    ],
)
def test_files_outside_are_refused(changes: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / MANIFEST_NAME).write_text(dump_manifest(_parse(**changes)))
    with pytest.raises(PackagingError, match=r"lies outside the bundle$"):
        read_bundle(tmp_path)


@pytest.mark.parametrize("where", ["inputs", "source", "outputs"])
def test_golden_files_outside_are_refused(where: str, tmp_path: Path) -> None:
    """An app, and our own replay, reads what they name."""
    secret = {"file": "../../secret", "dtype": "float32", "shape": [1]}
    vector = {"name": "noise", "inputs": {}, "source": {}, where: {"audio": secret}}
    (tmp_path / MANIFEST_NAME).write_text(dump_manifest(_parse(vectors=[vector])))
    with pytest.raises(PackagingError, match=r"file '\.\./\.\./secret' lies outside the bundle$"):
        read_bundle(tmp_path)


def test_a_manifest_is_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        _parse().variant = "x"


def test_a_manifest_that_is_not_json_names_the_line(tmp_path: Path) -> None:
    (tmp_path / MANIFEST_NAME).write_text('{\n  "key": ,\n}')
    with pytest.raises(PackagingError, match=r"manifest\.json: not valid JSON: line 2, column 10: Expecting value"):
        read_json(tmp_path / MANIFEST_NAME, Manifest, error=PackagingError)


GOLDEN = {"name": "noise", "inputs": {"audio": "golden/a.f32"}, "outputs": {"pitch": "golden/b.f32"}, "audio": "w.f32"}


def test_a_manifest_of_version_1_is_read_as_todays(tmp_path: Path) -> None:
    written = {name: value for name, value in MANIFEST.items() if name != "vectors"}
    pitch = {**AUDIO, "name": "pitch", "dtype": "float16", "shape": [1, 2]}
    written |= {"schema_version": 1, "outputs": [pitch], "golden": [GOLDEN]}
    (tmp_path / MANIFEST_NAME).write_text(json.dumps(written))
    (vector,) = read_bundle(tmp_path).manifest.vectors
    assert (vector.kind, vector.outputs, vector.recording) == ("call", {}, None)
    assert vector.inputs == {"audio": VectorTensor(file="golden/a.f32", dtype="float32", shape=(1, 10))}
    assert vector.source == {"pitch": VectorTensor(file="golden/b.f32", dtype="float16", shape=(1, 2))}
    assert vector.audio == VectorTensor(file="w.f32", dtype="float32", shape=(1, 10))


@pytest.mark.parametrize(
    ("golden", "message"),
    [
        (5, "schema_version: Input should be 2; found 1"),
        ([5], "vectors[0]: "),
        ([{**GOLDEN, "inputs": 5}], "vectors[0].inputs: "),
        ([{**GOLDEN, "inputs": {"audio": 5}}], "vectors[0].inputs.audio.file: Input should be a valid string; found 5"),
        ([{**GOLDEN, "inputs": {"audio": "../x"}}], "file '../x' lies outside the bundle"),
        ([{**GOLDEN, "audio": "/x"}], "file '/x' lies outside the bundle"),
    ],
)
def test_faults_of_version_1_are_told(golden: Any, message: str, tmp_path: Path) -> None:
    written = {name: value for name, value in MANIFEST.items() if name != "vectors"}
    (tmp_path / MANIFEST_NAME).write_text(json.dumps({**written, "schema_version": 1, "golden": golden}))
    with pytest.raises(PackagingError) as caught:
        read_bundle(tmp_path)
    assert message in str(caught.value)
