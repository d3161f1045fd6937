from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from packager.bundle import AudioContract, Bundle
from packager.frontend_spec import SpectrogramSpec
from packager.integration_records import TaskContract
from packager.model import ModelSpec, OutputSpec, find_source
from packager.package import PackageRequest, Variant, package
from tests.conftest import held
from tests.specimens import CACHE

AUDIO = AudioContract(sample_rate_hz=16_000, window_samples=4096, hop_samples=3584)
SPEC = ModelSpec(
    name="spotter",
    version="1",
    license="MIT",
    license_file="LICENSE",
    source="python:spotter:build",
    outputs={name: OutputSpec(axes=("frame", "class")) for name in ("onset", "frame")},
    state={"memory": "memory_next"},
)
FRONTEND = SpectrogramSpec(
    kind="spectrogram",
    axes=("batch", "frame", "bin"),
    n_fft=256,
    win_length=256,
    hop_length=256,
    window="hann",
    window_symmetry="periodic",
    edges="centre",
    padding="zero",
    power=2,
    log="ln",
    floor=1e-6,
    floor_how="add",
)
TASK = TaskContract(kind="keyword", options={"threshold": 0.5}, columns=("a", "b", "c", "d"), output="onset")
VARIANTS = (Variant("tflite", "float32"), Variant("coreml", "float16"))


@pytest.fixture(scope="session")
def spotter_bundles() -> dict[str, Bundle]:
    """The spotter in both formats; converted once, for as long as nothing it is made of changes."""
    with held(CACHE / "spotter.lock"):
        base = CACHE / "spotter-source"
        base.mkdir(exist_ok=True)
        shutil.copy(Path(__file__).with_name("spotter.py"), base / "spotter.py")
        (base / "LICENSE").write_text("MIT, of a test\n")
        order = PackageRequest(
            find_source(SPEC, base, FRONTEND),
            AUDIO,
            VARIANTS,
            CACHE / "spotter",
            runner="evaluators.comparing.model_runner:EmulatorRunner",
            task=TASK,
            compute_unit="cpu",
        )
        outcomes = package(order)
    assert not [outcome for outcome in outcomes if outcome.bundle is None], outcomes
    return {outcome.variant.name: outcome.bundle for outcome in outcomes if outcome.bundle is not None}
