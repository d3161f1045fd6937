"""Models with states, packaged whole: states carried by the app, and states that Core ML keeps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from evaluators.formats.coreml.drift import locate_drift
from evaluators.playing.binding import WindowRunner, bind
from evaluators.targets import open_model
from packager.bundle import AudioContract, Bundle, Proof
from packager.model import CoreMLSpec, ModelSpec, OutputSpec, find_source
from packager.package import Packaged, PackageRequest, Variant, key, package
from packager.storage import digest_files
from testpress.summary import package_text
from tests.specimens import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.pytorch, pytest.mark.coreml, pytest.mark.tflite]

AUDIO = AudioContract(sample_rate_hz=16000, window_samples=160, hop_samples=160)
CAUSAL = {"context": "context_out", "inner": "inner_out"}
WINDOWS = np.random.default_rng(13).normal(size=(6, 1, AUDIO.window_samples)).astype(np.float32)


def _spec(factory: str, state: dict[str, str], *, kept: bool = False) -> ModelSpec:
    return ModelSpec(
        name=factory,
        version="1",
        license="Apache-2.0",
        source=f"python:streaming_models:{factory}",
        state=state,
        coreml=CoreMLSpec(state="internal" if kept else "external"),
    )


def _package(spec: ModelSpec, out: Path, *names: str) -> dict[str, Packaged]:
    variants = tuple(Variant(*name.split("-")) for name in names)  # type: ignore[arg-type]
    source = find_source(spec, ROOT / "tests" / "packager")
    return {
        outcome.variant.name: outcome
        for outcome in package(
            PackageRequest(source, AUDIO, variants, out, runner="evaluators.comparing.model_runner:EmulatorRunner")
        )
    }


def _bundles(spec: ModelSpec, out: Path, *names: str) -> dict[str, Bundle]:
    outcomes = _package(spec, out, *names)
    assert not [one for one in outcomes.values() if one.bundle is None], outcomes
    return {name: one.bundle for name, one in outcomes.items() if one.bundle is not None}


@pytest.fixture(scope="module")
def carried(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Bundle]:
    out = tmp_path_factory.mktemp("carried")
    return _bundles(_spec("causal_filter", CAUSAL), out, "tflite-float32", "coreml-float16")


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Bundle]:
    out = tmp_path_factory.mktemp("kept")
    return _bundles(_spec("causal_filter", CAUSAL, kept=True), out, "coreml-float32", "coreml-float16")


def _proof(bundle: Bundle) -> Proof:
    assert bundle.manifest.proof is not None
    return bundle.manifest.proof


@pytest.mark.parametrize("name", ["tflite-float32", "coreml-float16"])
def test_a_causal_model_is_proven_in_calls_and_at_once(name: str, carried: dict[str, Bundle]) -> None:
    proof = _proof(carried[name])
    assert proof.holds and proof.streaming is not None and proof.reset is not None
    assert (proof.streaming.holds, proof.streaming.whole_holds, proof.reset.holds) == (True, True, True)
    assert {one.output for one in proof.streaming.rolling} == {"filtered", *CAUSAL.values()}
    assert all(one.source_snr_db is None or one.source_snr_db > 100 for one in proof.streaming.whole)
    assert carried[name].manifest.state == CAUSAL
    assert carried[name].manifest.internal_states == ()


@pytest.mark.parametrize("name", ["coreml-float32", "coreml-float16"])
def test_states_that_core_ml_keeps_are_no_inputs(name: str, kept: dict[str, Bundle]) -> None:
    manifest = kept[name].manifest
    assert ([one.name for one in manifest.inputs], [one.name for one in manifest.outputs]) == (["audio"], ["filtered"])
    assert [(one.name, one.dtype, one.shape) for one in manifest.internal_states] == [
        ("context", "float16", (1, 1, 8)),
        ("inner", "float16", (1, 8, 4)),
    ]
    assert (manifest.state, manifest.floor.minimum_os) == ({}, "iOS18")
    assert [vector.name for vector in manifest.vectors] == ["chirp", "noise", "calls", "clip"]
    for vector in manifest.vectors:
        assert set(vector.inputs) == {"audio"}
        assert set(vector.outputs) == set(vector.source) == {"filtered"}
    proof = _proof(kept[name])
    assert proof.holds and proof.streaming is not None and proof.streaming.whole_holds
    assert {one.output for one in proof.outputs} == {"filtered", *CAUSAL.values()}


def test_float16_is_the_same_whoever_keeps_the_states(carried: dict[str, Bundle], kept: dict[str, Bundle]) -> None:
    """Its states are float16 either way: not a bit differs."""
    heard = []
    for bundle in (carried["coreml-float16"], kept["coreml-float16"]):
        emulator = open_model(bundle.model_path)
        listener = WindowRunner(emulator, bind(emulator, AUDIO, {"filtered": OutputSpec()}, CAUSAL))
        first = [listener.run_window(window)["filtered"] for window in WINDOWS]
        listener.reset()
        np.testing.assert_array_equal([listener.run_window(window)["filtered"] for window in WINDOWS], first)
        heard.append(first)
    np.testing.assert_array_equal(heard[0], heard[1])


def test_the_same_states_are_the_same_bytes(kept: dict[str, Bundle], tmp_path: Path) -> None:
    (again,) = _bundles(_spec("causal_filter", CAUSAL, kept=True), tmp_path, "coreml-float16").values()
    assert digest_files(again.path) == digest_files(kept["coreml-float16"].path)


def test_drift_is_located_in_programs_that_keep_states(kept: dict[str, Bundle]) -> None:
    exact, half = (kept[f"coreml-{precision}"].model_path for precision in ("float32", "float16"))
    drift = locate_drift(exact, half, [{"audio": WINDOWS[0]}])
    assert 0 < drift.output_error < 0.01
    assert drift.worst_op


def test_the_key_follows_who_keeps_the_states_for_core_ml_alone(tmp_path: Path) -> None:
    orders = [
        PackageRequest(
            find_source(_spec("causal_filter", CAUSAL, kept=kept), ROOT / "tests" / "packager"), AUDIO, (), tmp_path
        )
        for kept in (False, True)
    ]
    for format_, follows in (("coreml", True), ("tflite", False)):
        first, second = (key(order, Variant(format_, "float32")) for order in orders)  # type: ignore[arg-type]
        assert (first != second) == follows


def test_package_says_how_a_stream_ends(carried: dict[str, Bundle]) -> None:
    head, *rows = package_text([Packaged(Variant("tflite", "float32"), carried["tflite-float32"])]).splitlines()
    assert head.split()[:4] == ["bundle", "parity", "streamed", "promised"]
    assert len(rows) == 1


def test_what_float16_loses_in_each_call_adds_up(tmp_path: Path) -> None:
    """Call by call it rounds to 71 dB; 128 calls later, with its own states, a hundredfold more is wrong."""
    (bundle,) = _bundles(_spec("loudness", {"level": "level_out"}), tmp_path, "coreml-float16").values()
    proof = _proof(bundle)
    (loudness,) = (one for one in proof.outputs if one.output == "loudness")
    assert proof.streaming is not None
    (rolling,) = (one for one in proof.streaming.rolling if one.output == "loudness")
    assert loudness.snr_db is not None and rolling.snr_db is not None and rolling.last_quarter_snr_db is not None
    assert loudness.snr_db > 65
    assert rolling.last_quarter_snr_db < rolling.snr_db < loudness.snr_db - 15
    assert proof.streaming.whole_holds is None  # one number for a call, one number for a clip
    assert "the source itself gives something else" in str(proof.streaming.whole_reason)


def test_whole_numbers_are_no_core_ml_state(tmp_path: Path) -> None:
    (failed,) = _package(_spec("counter", {"count": "count_out"}, kept=True), tmp_path, "coreml-float32").values()
    assert failed.reason == "model.state.count: is of type int32; Core ML keeps states of float16 only"
