"""Core ML bundles whose inputs have several lengths."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from device_profiles.record import parse_record
from evaluators.errors import EvaluationError
from evaluators.targets import open_model
from packager.bundle import AudioContract, Bundle, FlexibleAxis
from packager.errors import PackagingError
from packager.model import CoreMLSpec, InputSpec, ModelSpec, find_source
from packager.package import Packaged, PackageRequest, Variant, package
from packager.proving.lengths import FlexibleInput, find_flexible
from packager.sources import load_source
from tests.specimens import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.pytorch, pytest.mark.coreml]

RANGE = FlexibleAxis(axis="sample", min=320, max=1600)
SIZES = FlexibleAxis(axis="sample", sizes=(320, 640, 1280))


def _spec(factory: str, flexible: FlexibleAxis, **changes: Any) -> ModelSpec:
    given = {"name": factory, "version": "1", "license": "Apache-2.0"}
    source = f"python:streaming_models:{factory}"
    return ModelSpec(**{**given, "source": source, "inputs": {"audio": InputSpec(flexible=flexible)}, **changes})


def _package(spec: ModelSpec, out: Path, *names: str, window: int = 640) -> list[Packaged]:
    variants = tuple(Variant(*name.split("-")) for name in names)  # type: ignore[arg-type]
    audio = AudioContract(sample_rate_hz=16000, window_samples=window, hop_samples=window)
    source = find_source(spec, ROOT / "tests" / "packager")
    return package(
        PackageRequest(source, audio, variants, out, runner="evaluators.comparing.model_runner:EmulatorRunner")
    )


def _bundles(*arguments: Any, **options: Any) -> list[Bundle]:
    outcomes = _package(*arguments, **options)
    assert not [outcome for outcome in outcomes if outcome.bundle is None], outcomes
    return [outcome.bundle for outcome in outcomes if outcome.bundle is not None]


@pytest.mark.parametrize(
    ("factory", "flexible", "tried"),
    [("strided", RANGE, [320, 1600, 747]), ("spectral_recurrence", SIZES, [320, 1280])],
)
def test_other_lengths_are_right_and_recorded(
    factory: str, flexible: FlexibleAxis, tried: list[int], tmp_path: Path
) -> None:
    exact, half = _bundles(_spec(factory, flexible), tmp_path, "coreml-float32", "coreml-float16")
    for bundle in (exact, half):
        proof = bundle.manifest.proof
        assert proof is not None and proof.holds
        assert [one.inputs["audio"] for one in proof.lengths] == [(1, size) for size in tried]
        assert all(one.holds for one in proof.lengths)
        assert len({one.output_shapes["output"] for one in proof.lengths}) == len(tried)
        (audio,) = bundle.manifest.inputs
        assert (audio.shape, audio.flexible) == ((1, 640), flexible)
    emulator = open_model(exact.model_path)
    with pytest.raises(EvaluationError, match="has shape"):
        emulator.run({"audio": np.zeros((1, 1601), np.float32)})


def test_a_kept_state_hears_chunks_of_any_length(tmp_path: Path) -> None:
    state = {"context": "context_out", "inner": "inner_out"}
    flexible = FlexibleAxis(axis="sample", min=80, max=480)
    spec = _spec("causal_filter", flexible, state=state, coreml=CoreMLSpec(state="internal"))
    (bundle,) = _bundles(spec, tmp_path, "coreml-float16", window=160)
    samples = np.random.default_rng(17).normal(size=(1, 960)).astype(np.float32)
    emulator = open_model(bundle.model_path)
    heard = []
    for chunk in (160, 320, 80, 400):
        emulator.reset()
        pieces = np.split(samples, range(chunk, 960, chunk), axis=1)
        heard.append(np.concatenate([emulator.run({"audio": one})["filtered"] for one in pieces], axis=1))
    for other in heard[1:]:  # float16 rounds each product alike, sums of other chunks in another order
        np.testing.assert_allclose(other, heard[0], atol=2e-3)


def test_tflite_has_one_length_and_says_why(tmp_path: Path) -> None:
    (failed,) = _package(_spec("strided", RANGE), tmp_path, "tflite-float32")
    assert failed.reason == (
        "model.inputs.audio.flexible: a TFLite bundle has one length, since a phone's delegates refuse a whole graph "
        "in which one dimension is open; take tflite out of [variants], or package one length a recipe"
    )


def test_a_model_that_converters_fix_to_one_length_is_a_row_with_all_that_was_tried(tmp_path: Path) -> None:
    """Its frames are 4 n at three of the lengths tried: only the odd one tells."""
    (failed,) = _package(_spec("padded", RANGE), tmp_path, "coreml-float32")
    assert failed.reason is not None
    assert failed.reason.startswith("the model cannot be made to take several lengths (traced: ")
    for way in ("exported: ", "exported and traced: ", "exported without rewrites: "):
        assert way in failed.reason


@pytest.mark.parametrize(
    ("flexible", "message"),
    [
        ({"axis": "frame", "min": 1, "max": 2}, "audio.flexible: 'frame' is no axis of it; there are: batch, sample"),
        ({"axis": "sample", "min": 1, "max": 639}, "audio.flexible: the size by default is 640 (of the audio contract"),
        ({"axis": "sample", "sizes": (320, 1280)}, "audio.flexible: the size by default is 640 (of the audio contract"),
    ],
)
def test_a_recipe_that_does_not_fit_the_model(flexible: dict[str, Any], message: str) -> None:
    spec = _spec("strided", FlexibleAxis(**flexible))
    audio = AudioContract(sample_rate_hz=16000, window_samples=640, hop_samples=640)
    loaded = load_source(find_source(spec, ROOT / "tests" / "packager"), audio)
    with pytest.raises(PackagingError) as caught:
        find_flexible(loaded, audio, spec)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"axis": "sample"}, "name either sizes, or min and max"),
        ({"axis": "sample", "min": 5}, "min and max: both are needed"),
        ({"axis": "sample", "min": 5, "max": 5}, "min and max: both are needed, and min is the smaller one"),
        ({"axis": "sample", "sizes": [5, 5]}, "sizes: name at least two different ones"),
        ({"axis": "sample", "sizes": [5, 6], "max": 7}, "name either sizes, or min and max"),
    ],
)
def test_sizes_or_a_range(given: dict[str, Any], message: str) -> None:
    with pytest.raises(PackagingError, match=message):
        parse_record(given, FlexibleAxis, where="recipe", error=PackagingError)


@pytest.mark.parametrize(
    ("flexible", "tried"),
    [
        (FlexibleInput(1, 640, (), 320, 1600), (320, 1600, 747)),
        (FlexibleInput(1, 320, (), 320, 321), (321,)),
        (FlexibleInput(1, 3, (1, 2, 3, 4, 5, 6), 1, 6), (1, 2, 4, 5)),
    ],
)
def test_a_proof_tries_the_ends_and_an_odd_size_between(flexible: FlexibleInput, tried: tuple[int, ...]) -> None:
    assert flexible.tried == tried
    assert flexible.resize((1, 640, 2), 5) == (1, 5, 2)
