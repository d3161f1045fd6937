"""`testpress verify` with golden vectors: replayed here, and as an app wrote them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click.testing
import numpy as np
import pytest
from click.testing import CliRunner

from device_profiles.errors import TestpressError
from evaluators.integration.tolerances import make_tolerance
from packager.bundle import dump_manifest, read_bundle
from packager.formats.format import FLOAT32
from packager.vector_records import GoldenVector, VectorTensor
from testpress.cli import cli
from tests.testpress.tiny_tflite import WINDOW_SAMPLES, write_bundle

pytestmark = pytest.mark.tflite

ZEROS = np.zeros((1, WINDOW_SAMPLES), np.float32)
OUTPUT = "golden/out.f32"


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    """A bundle of a gain with one vector, whose own output is recorded."""
    folder = write_bundle(tmp_path / "b")
    manifest = read_bundle(folder).manifest
    (vector,) = manifest.vectors
    own = VectorTensor(
        file=OUTPUT,
        dtype="float32",
        shape=ZEROS.shape,
        tolerances=(make_tolerance("LiteRT", ZEROS + np.float32(1), {}, FLOAT32),),
    )
    vectors = (GoldenVector(name=vector.name, inputs=vector.inputs, source={}, outputs={"scaled": own}),)
    (folder / "manifest.json").write_text(dump_manifest(manifest.model_copy(update={"vectors": vectors})))
    return folder


def verify(*arguments: Any) -> click.testing.Result:
    return CliRunner().invoke(cli, ["verify", *map(str, arguments), "-q"])


def write(folder: Path, values: np.ndarray) -> Path:
    path = folder / OUTPUT
    path.parent.mkdir(parents=True)
    values.astype("<f4").tofile(path)
    return folder


def test_a_replay_says_the_margin_of_each_value(recorded: Path) -> None:
    result = verify(recorded, "--replay", "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["holds"] and found["vectors"]["made_by"] == "emulator"
    (check,) = found["vectors"]["checks"]
    assert (check["vector"], check["name"], check["holds"], check["reason"]) == ("zeros", "scaled", True, "identical")


@pytest.mark.parametrize(
    ("values", "words", "exit_code"),
    [
        (ZEROS, "holds: 1 values, all identical", 0),
        (ZEROS + np.float32(1e-7), "holds: 1 values, at least 15.5 dB of margin", 0),
        (ZEROS + np.float32(1), "BROKEN: 1 of 1 values: zeros/scaled", 1),
        (np.zeros(5), "BROKEN: holds 20 bytes; right is 256: float32, little-endian, shape [1, 64]", 1),
        (ZEROS + np.float32(np.nan), "holds values that are not finite where the vector's are, or the reverse", 1),
    ],
)
def test_what_an_app_wrote_is_held_against_it(
    recorded: Path, tmp_path: Path, values: np.ndarray, words: str, exit_code: int
) -> None:
    result = verify(recorded, "--outputs", write(tmp_path / "app", values))
    assert (words in result.stdout, result.exit_code) == (True, exit_code), result.output
    if exit_code:
        assert result.stderr.endswith("1 of the app's values are not those of its golden vectors\n")
        assert "none of the known faults explains it" in result.stdout


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--outputs", "{tmp}/none"), "{tmp}/none: no such folder; right is one with the files that the app wrote"),
        (("--outputs", "{tmp}/b"), None),
        (("--outputs", "{tmp}"), "{tmp}: holds nothing of the vectors; right is, for example, {tmp}/golden/out.f32"),
        (("--outputs", "{tmp}/b", "--runtime", "Core ML"), "{tmp}/b: no tolerance for 'Core ML'; there is: LiteRT"),
    ],
)
def test_what_cannot_be_held_is_told(
    recorded: Path, tmp_path: Path, options: tuple[str, ...], message: str | None
) -> None:
    result = verify(recorded, *(one.format(tmp=tmp_path) for one in options))
    if message is None:  # a bundle's own files are, after all, right
        assert result.exit_code == 0, result.output
    else:
        assert isinstance(result.exception, TestpressError)
        assert str(result.exception) == message.format(tmp=tmp_path)


def test_a_bundle_of_version_1_is_to_be_packaged_anew(tmp_path: Path) -> None:
    folder = write_bundle(tmp_path / "b")
    result = verify(folder, "--replay")
    assert str(result.exception) == (
        f"{folder}: its vectors hold no outputs of the bundle itself, only of its source; package it anew"
    )


def test_a_damaged_bundle_is_not_played(recorded: Path) -> None:
    (recorded / "model.tflite").write_bytes(b"x")
    result = verify(recorded, "--replay", "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["vectors"] is None


@pytest.mark.parametrize(
    "options",
    [
        ("--replay", "--outputs", "x"),
        ("--runtime", "LiteRT"),
        ("--replay", "--runtime", "LiteRT"),
        ("--recipe", "testpress.toml"),
    ],
)
def test_options_that_do_not_go_together_are_usage(options: tuple[str, ...]) -> None:
    assert verify("bundle", *options).exit_code == 2
    assert verify().exit_code == 2
