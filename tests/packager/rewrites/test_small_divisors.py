"""Norms and roots of frames that are silent, faint, loud, or have one value far above the rest, in both formats."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

torch = pytest.importorskip("torch")
from torch.nn import functional as F  # noqa: E402

pytestmark = [pytest.mark.slow, pytest.mark.pytorch, pytest.mark.tflite, pytest.mark.coreml]

LEAST_DB = 110
"""Sums of 64 squares, a root and a quotient in float32."""


def _frames(audio: SimpleNamespace) -> Any:
    """Each of its own loudness: with a spike, at 1e-6, silent, at 1e3."""
    frames = audio.noise(1, 4, 64) * 0.02
    frames[:, 0, 7] = 30.0
    frames[:, 1] *= 1e-4
    frames[:, 2] = 0
    frames[:, 3] *= 5e4
    return frames


def _apart(values: Any) -> list[Any]:
    """Frame by frame: what is loud would hide the error of what is not."""
    return [values[:, index] for index in range(values.shape[1])]


def test_rms_norm_adds_the_epsilon_that_is_said(prove_both: Any, audio: SimpleNamespace) -> None:
    def formula(x: Any, weight: Any) -> Any:
        plain, scaled = F.rms_norm(x, (64,), eps=1e-5), F.rms_norm(x, (64,), weight)
        return *_apart(plain), *_apart(scaled), F.rms_norm(x, (4, 64), eps=1e-6)

    found = prove_both(formula, _frames(audio), weight=torch.linspace(0.5, 2, 64))
    assert min(found.values()) >= LEAST_DB


def test_reciprocal_roots_of_small_numbers(prove_both: Any, audio: SimpleNamespace) -> None:
    def formula(x: Any) -> Any:
        power = (x * x).mean(-1, keepdim=True)
        return *_apart(x * torch.rsqrt(power + 1e-14)), torch.rsqrt(x[:, 1] ** 2 * 1e-6 + 1e-20)

    assert min(prove_both(formula, _frames(audio)).values()) >= LEAST_DB


def test_rms_norm_of_loud_values_holds_in_float16(tmp_path: Path, audio: SimpleNamespace) -> None:
    """Squares of 1000 are beyond float16; none is computed."""
    import warnings

    from evaluators.targets import open_model
    from packager.compression import Context
    from packager.formats.coreml.from_torch import prepare
    from packager.sources import SourceTensor
    from packager.sources.torch import TorchSource

    class Norm(torch.nn.Module):
        def forward(self, x: Any) -> dict[str, Any]:
            return {"y": F.rms_norm(x, (64,), eps=1e-5)}

    x = _frames(audio)[:, [0, 2, 3]]
    expected = Norm()(x)["y"]
    shape = SourceTensor(tuple(x.shape), "float32")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the converters' own
        prepare(TorchSource(Norm(), {"x": shape}, {"y": shape}, (x,), "test"), Context())(
            "float16", tmp_path / "half.mlpackage"
        )
    found = torch.as_tensor(open_model(tmp_path / "half.mlpackage").run({"x": x.numpy()})["y"])
    assert (found - expected).square().sum() <= 1e-5 * expected.square().sum()
