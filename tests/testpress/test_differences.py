from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from device_profiles.errors import TestpressError
from device_profiles.record import dump_json
from evaluators.evaluation import Evaluation
from packager.bundle import (
    AudioContract,
    FileDigest,
    Floor,
    Manifest,
    ModelIdentity,
    OutputProof,
    Proof,
    SourceIdentity,
    TensorContract,
    dump_manifest,
)
from testpress.differences import as_text, compare_paths
from tests.reports.example_evaluation import make_evaluation

AUDIO = TensorContract(name="audio", native_name="audio", shape=(1, 64), dtype="float32", axes=("batch", "sample"))
PROOF = Proof(
    runtime="ai-edge-litert 2.3.0",
    calls=8,
    inputs="chirp, noise",
    outputs=(OutputProof(output="note", snr_db=121.3, max_abs_error=1e-6),),
    tolerance_db=60.0,
    holds=True,
)
MANIFEST = Manifest(
    key="0" * 64,
    variant="tflite-float32",
    model=ModelIdentity(name="gain", version="1", license="Apache-2.0"),
    format="tflite",
    precision="float32",
    file="model.tflite",
    files={"model.tflite": FileDigest(sha256="a" * 64, size_bytes=178_492)},
    source=SourceIdentity(uri="gain", framework="tensorflow", sha256="1" * 64),
    tools={"tensorflow": "2.21.0"},
    audio=AudioContract(sample_rate_hz=8000, window_samples=64, hop_samples=64),
    inputs=(AUDIO,),
    outputs=(AUDIO.model_copy(update={"name": "note", "native_name": "StatefulPartitionedCall:0"}),),
    floor=Floor(platform="android", minimum_os=None, minimum_runtime="TFLite 1.5.0", because="MUL"),
    rewrites=("stft",),
    proof=PROOF,
)


def bundle(folder: Path, **changes: Any) -> Path:
    folder.mkdir()
    (folder / "manifest.json").write_text(dump_manifest(MANIFEST.model_copy(update=changes)))
    return folder


def evaluation(path: Path, **changes: Any) -> Path:
    found = make_evaluation()
    path.parent.mkdir(exist_ok=True)
    path.write_text(dump_json(found.model_copy(update=changes)))
    return path


@pytest.mark.parametrize(
    ("changes", "rows"),
    [
        (
            {"tools": {"tensorflow": "2.22.0", "tf-keras": "2.22.0"}},
            ["tool tensorflow 2.21.0 2.22.0", "tool tf-keras – 2.22.0"],
        ),
        ({"rewrites": ()}, ["rewrite stft applied –"]),
        ({"precision": "float16"}, ["precision float32 float16"]),
        (
            {"source": MANIFEST.source.model_copy(update={"sha256": "2" * 64})},
            ["source sha256 111111111111 222222222222"],
        ),
        (
            {"floor": MANIFEST.floor.model_copy(update={"minimum_runtime": "TFLite 2.3.0", "because": "LOG"})},
            ["floor minimum_runtime TFLite 1.5.0 TFLite 2.3.0", "floor because MUL LOG"],
        ),
        (
            {"files": {"model.tflite": FileDigest(sha256="b" * 64, size_bytes=106_704)}},
            [
                "size of model.tflite 178 kB (178492) 107 kB (106704)",
                "SHA-256 of model.tflite aaaaaaaaaaaa bbbbbbbbbbbb",
            ],
        ),
        (
            {"inputs": (AUDIO.model_copy(update={"shape": (1, 128)}),)},
            ["input audio float32 [1, 64] (batch, sample) float32 [1, 128] (batch, sample)"],
        ),
        ({"state": {"h": "h_out"}}, ["state h – fed from h_out"]),
        (
            {
                "proof": PROOF.model_copy(
                    update={"holds": False, "outputs": (OutputProof(output="note", snr_db=12.0, max_abs_error=0.5),)}
                )
            },
            ["proof dB of note 121.3 12", "proof max. error of note 1e-06 0.5", "proof holds yes no"],
        ),
    ],
)
def test_bundles_differ_in_one_row_a_fact(tmp_path: Path, changes: dict[str, Any], rows: list[str]) -> None:
    found = compare_paths(bundle(tmp_path / "a"), bundle(tmp_path / "b", **changes))
    lines = as_text(found).splitlines()
    assert lines[0].split() == ["A", "B"]
    assert [" ".join(line.split()) for line in lines[1:]] == rows


def test_sizes_are_numbers_in_the_data(tmp_path: Path) -> None:
    files = {"model.tflite": FileDigest(sha256="a" * 64, size_bytes=1)}
    found = compare_paths(bundle(tmp_path / "a"), bundle(tmp_path / "b", files=files)).model_dump(mode="json")
    assert found["kind"] == "bundles"
    assert found["facts"] == [{"fact": "size of model.tflite", "before": 178_492, "after": 1}]


def test_a_bundle_without_proof_or_audio_lacks_their_facts(tmp_path: Path) -> None:
    found = compare_paths(bundle(tmp_path / "a"), bundle(tmp_path / "b", proof=None, audio=None))
    assert {fact.fact.split()[0] for fact in found.facts} == {"audio", "proof"}
    assert all(fact.after is None for fact in found.facts)


def test_equal_manifests_differ_in_nothing(tmp_path: Path) -> None:
    assert as_text(compare_paths(bundle(tmp_path / "a"), tmp_path / "a")) == "the manifests say the same"


def test_names_do_not_reach_the_terminal_raw(tmp_path: Path) -> None:
    text = as_text(compare_paths(bundle(tmp_path / "a"), bundle(tmp_path / "b", tools={"\x1b[2J\nx": "\x1b]0;y" * 99})))
    assert "\x1b" not in text
    assert max(map(len, text.splitlines())) < 300


def test_evaluations_differ_in_one_row_a_number_the_worst_first(tmp_path: Path) -> None:
    old: Evaluation = make_evaluation()
    first = old.variants[0]
    size = first.scores["size_bytes"].model_copy(update={"value": 1e6})
    changed = first.model_copy(update={"scores": {**first.scores, "size_bytes": size}})
    a = evaluation(tmp_path / "a" / "evaluation.json")
    b = evaluation(tmp_path / "b" / "evaluation.json", variants=(changed, *old.variants[2:]))
    text = as_text(compare_paths(a, b.parent))
    rows = [line.split() for line in text.splitlines()]
    assert rows[1][:7] == ["worse", "tflite-float32", "size_bytes", "247", "kB", "1.00", "MB"]
    assert rows[2][:2] == ["gone", "tflite-float16"]
    assert "did not change; --all lists them" in text
    assert "same" not in {row[0] for row in rows if row}
    assert as_text(compare_paths(a, b), show_all=True).count("\nsame ") > 50


def test_an_evaluation_and_itself_differ_in_nothing(tmp_path: Path) -> None:
    path = evaluation(tmp_path / "evaluation.json")
    assert "did not change" in as_text(compare_paths(path, path))
    empty = evaluation(tmp_path / "empty.json", variants=())
    assert as_text(compare_paths(empty, empty)) == "there is nothing to compare"


def test_two_kinds_are_refused(tmp_path: Path) -> None:
    a, b = evaluation(tmp_path / "evaluation.json"), bundle(tmp_path / "b")
    with pytest.raises(TestpressError, match=r"is an evaluation and .*/b a bundle; name two of a kind"):
        compare_paths(a, b)


@pytest.mark.parametrize("name", ["gone", "gone.json", "."])
def test_what_is_not_there_is_one_message(tmp_path: Path, name: str) -> None:
    with pytest.raises(TestpressError, match="no such file"):
        compare_paths(tmp_path / name, tmp_path / name)
