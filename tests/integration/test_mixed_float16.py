"""Basic Pitch in `mixed_float16`: float16 breaks it, and a tenth of its work in float32 mends it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from evaluators.emulators import Emulator
from evaluators.formats.coreml.graph import read_coreml_graph
from evaluators.targets import open_model
from packager.bundle import Bundle, read_bundle
from packager.model import find_source
from packager.package import PackageRequest, Variant, package
from testpress.recipe import read_recipe
from testpress.stage_requests import MODEL_RUNNER
from tests.specimens import BASIC_PITCH_RECIPE, CACHE, ROOT

pytestmark = [pytest.mark.slow, pytest.mark.tensorflow, pytest.mark.coreml]

LARGEST_ERROR = 1e-2
LARGEST_FLOAT32_SHARE = 0.1


@pytest.fixture(scope="module")
def windows(basic_pitch: Path) -> np.ndarray:
    """All windows of the demo's audio."""
    (path,) = (basic_pitch / "cache" / "windows").glob("*/windows.npy")
    return np.load(path, mmap_mode="r").reshape(-1, 1, 43844, 1)


@pytest.fixture(scope="module")
def mixed(basic_pitch: Path) -> Bundle:
    recipe = read_recipe(ROOT / BASIC_PITCH_RECIPE)
    (path,) = (basic_pitch / "cache" / "windows").glob("*/windows.npy")
    order = PackageRequest(
        source=find_source(recipe.written.model, recipe.folder),
        audio=recipe.written.audio,
        variants=[Variant("coreml", "mixed_float16")],
        out=CACHE / "basic-pitch-mixed",
        minimum_deployment_target=recipe.minimum_deployment_target,
        windows=path,
        windows_key=path.parent.name,
        runner=MODEL_RUNNER,
    )
    (outcome,) = package(order)
    assert outcome.bundle is not None, outcome.reason
    return outcome.bundle


@pytest.fixture(scope="module")
def float32(basic_pitch: Path) -> Emulator:
    """Within 2e-6 of the source model on all windows, as the demo's evaluation says."""
    return open_model(read_bundle(basic_pitch / "bundles" / "coreml-float32").model_path)


def _largest_errors(float32: Emulator, mixed: Bundle, calls: Iterator[np.ndarray]) -> dict[str, float]:
    model, largest = open_model(mixed.model_path), {"contour": 0.0, "note": 0.0, "onset": 0.0}
    for call in calls:
        given = {"audio": np.ascontiguousarray(call, np.float32)}
        expected, found = float32.run(given), model.run(given)
        largest = {name: max(largest[name], float(np.abs(found[name] - expected[name]).max())) for name in largest}
    return largest


def test_every_output_stays_within_a_hundredth_on_all_windows(
    float32: Emulator, mixed: Bundle, windows: np.ndarray
) -> None:
    assert len(windows) > 100
    assert max(_largest_errors(float32, mixed, iter(windows)).values()) <= LARGEST_ERROR


def test_and_on_what_no_dataset_holds(float32: Emulator, mixed: Bundle, windows: np.ndarray) -> None:
    """Silence, noise and a chirp from full scale to the last bit, and the audio itself 40 to 80 dB down."""
    random, time_s = np.random.default_rng(5), np.arange(43844) / 22050
    chirp = np.sin(2 * np.pi * 50 * np.expm1(time_s * 2.6) / 2.6).reshape(1, -1, 1)
    noise = random.normal(size=(1, 43844, 1))
    calls = [scale * signal for signal in (chirp, noise) for scale in (0.9, 0.3, 1e-2, 1e-4, 3e-5)]
    calls += [scale * windows[len(windows) // 2] for scale in (1e-2, 1e-3, 1e-4, 0.0)]
    assert max(_largest_errors(float32, mixed, iter(calls)).values()) <= LARGEST_ERROR


def test_a_tenth_of_the_work_is_float32_at_most(mixed: Bundle) -> None:
    ops = read_coreml_graph(mixed.model_path).ops
    share = sum(op.macs for op in ops if op.dtype == "float32") / sum(op.macs for op in ops)
    assert 0 < share <= LARGEST_FLOAT32_SHARE


def test_the_manifest_proves_it_against_the_source(mixed: Bundle) -> None:
    proof = mixed.manifest.proof
    assert proof is not None
    assert proof.holds
    assert proof.tolerance_db == 40.0
    assert proof.calls > 10
    assert {one.output for one in proof.outputs} == {"contour", "note", "onset"}
    assert all(one.max_abs_error is not None and one.max_abs_error <= LARGEST_ERROR for one in proof.outputs)
