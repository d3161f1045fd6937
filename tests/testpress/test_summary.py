"""What a terminal shows of bundles."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from packager.bundle import OutputProof, Proof, read_bundle
from packager.package import Packaged, Variant
from reports.judging.comparison import compare
from testpress.summary import break_texts, judged_text, package_text
from tests.reports.example_evaluation import make_evaluation
from tests.testpress.tiny_tflite import write_bundle


def _packaged(folder: Path, precision: str, **changes: object) -> Packaged:
    bundle = read_bundle(write_bundle(folder))
    output = OutputProof(output="scaled", snr_db=50.0, max_abs_error=1e-3)
    proof = Proof(runtime="r", calls=2, inputs="chirp, noise", outputs=(output,), tolerance_db=20, holds=True)
    manifest = bundle.manifest.model_copy(
        update={"precision": precision, "variant": f"tflite-{precision}", "proof": proof.model_copy(update=changes)}
    )
    bundle = bundle.model_copy(update={"manifest": manifest})
    return Packaged(Variant("tflite", precision), bundle)


@pytest.mark.parametrize(
    ("precision", "inputs", "told"),
    [
        ("static_wi8_ai8", "chirp, noise", True),
        ("static_wi8_ai16", "example, noise", True),
        ("static_wi8_ai8", "chirp, noise, 16 windows of the recipe's audio", False),
        ("float16", "chirp, noise", False),
        ("dynamic_wi8_afp32", "chirp, noise", False),
    ],
)
def test_calibration_on_test_signals_alone_is_told(precision: str, inputs: str, told: bool, tmp_path: Path) -> None:
    text = package_text([_packaged(tmp_path / "b", precision, inputs=inputs)])
    line = f"tflite-{precision} is calibrated on test signals alone ({inputs}), and may cut off what is real: "
    assert (line in text) is told


def test_a_broken_promise_is_told_below_the_table(tmp_path: Path) -> None:
    broken = _packaged(tmp_path / "b", "float32", holds=False, tolerance_db=60.0, breaks_at="MUL 3")
    good = _packaged(tmp_path / "g", "float32")
    sentence = "tflite-float32 departs from its source, 60 dB are promised: scaled has 50.0 dB; most to blame is MUL 3"
    assert break_texts([good, broken]) == [sentence]
    assert sentence in package_text([broken]).splitlines()
    assert "BROKEN 60 dB" in package_text([broken])
    assert break_texts([good]) == []


@pytest.mark.parametrize(("state", "told"), [({}, True), ({"h_in": "h_out"}, False)])
def test_a_state_that_a_recipe_forgot_is_told(state: dict[str, str], told: bool, tmp_path: Path) -> None:
    packaged = _packaged(tmp_path / "b", "float32")
    assert packaged.bundle is not None
    manifest = packaged.bundle.manifest
    (audio,), (scaled,) = manifest.inputs, manifest.outputs
    inner = {"shape": (1, 128), "axes": ("batch", "unit")}
    inputs = (audio, audio.model_copy(update={"name": "h_in", "native_name": "h_in", **inner}))
    outputs = (scaled, scaled.model_copy(update={"name": "h_out", "native_name": "h_out", **inner}))
    changed = manifest.model_copy(update={"inputs": inputs, "outputs": outputs, "state": state})
    packaged = replace(packaged, bundle=packaged.bundle.model_copy(update={"manifest": changed}))
    line = 'looks like state, by names and shapes: h_in = "h_out"; [model.state] carries it from call to call'
    assert (line in package_text([packaged])) is told


def test_what_is_judged_ends_with_what_to_ship() -> None:
    evaluation = make_evaluation()
    text = judged_text(compare(evaluation))
    verdict, _, ship = text.partition("\n\nship:\n")
    assert verdict.startswith("verdict: fail (")
    lines = ship.splitlines()
    assert len(lines) == len({(result.device, one.format) for one in evaluation.variants for result in one.devices})
    assert all(line.startswith("  ") for line in lines)
    without = evaluation.model_copy(update={"variants": ()})
    assert "ship:" not in judged_text(compare(without))
