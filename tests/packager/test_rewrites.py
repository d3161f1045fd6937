"""Each rewrite, proven on audio: the bundle against the source's own formula."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from evaluators.targets import open_model
from packager.bundle import Bundle
from packager.model import OutputSpec, find_source
from packager.package import PackageRequest, Variant, package
from tests.specimens import GAIN_AUDIO, gain_spec, tone

pytestmark = [pytest.mark.slow, pytest.mark.tensorflow, pytest.mark.coreml]

# The quotient is rounded once, as in the source; float16 keeps 11 bits.
TOLERANCES = {"float32": 1e-7, "float16": 1e-3}


@pytest.fixture(scope="module")
def divided(saved_models: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Bundle]:
    spec = gain_spec(saved_models / "normalised", outputs={"normalised": OutputSpec(axes=("sample",))})
    variants = [Variant("coreml", precision) for precision in TOLERANCES]
    order = PackageRequest(find_source(spec, saved_models), GAIN_AUDIO, variants, tmp_path_factory.mktemp("divided"))
    return {outcome.variant.precision: outcome.bundle for outcome in package(order) if outcome.bundle is not None}


@pytest.mark.parametrize("precision", TOLERANCES)
@pytest.mark.parametrize("scale", [0.0, 1e-3, 1.0], ids=["silence", "quiet", "loud"])
def test_division_stays_0_where_the_divisor_is_0(divided: dict[str, Bundle], precision: str, scale: float) -> None:
    bundle = divided[precision]
    window = scale * tone(1.0)[: GAIN_AUDIO.window_samples].reshape(1, -1).astype(np.float32)
    expected = window / np.abs(window).max() if scale else np.zeros_like(window)
    outputs = open_model(bundle.model_path).run({"audio": window})
    np.testing.assert_allclose(outputs["normalised"], expected, atol=TOLERANCES[precision])
    assert bundle.manifest.rewrites == ("safe_division",)
