"""Interpolation, rewritten, against torch's own."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

torch = pytest.importorskip("torch")

pytestmark = [pytest.mark.slow, pytest.mark.pytorch]

LEAST_DB = 120
"""Weighted sums of at most 16 float32 values; nearest is exact."""

LINES = [
    {"scale_factor": 1.3, "mode": "linear"},
    {"scale_factor": 0.4, "mode": "linear", "align_corners": True},
    {"scale_factor": 1.7, "mode": "nearest"},
    {"size": 150, "mode": "nearest"},
    {"size": 37, "mode": "nearest-exact"},
]
PLANES = [
    {"scale_factor": 2, "mode": "bicubic"},
    {"size": (20, 133), "mode": "bicubic", "align_corners": True},
    {"scale_factor": 1.5, "mode": "bicubic"},
    {"scale_factor": (0.7, 1.7), "mode": "bilinear"},
    {"size": (6, 50), "mode": "bilinear", "antialias": True},
    {"size": (6, 50), "mode": "bicubic", "antialias": True},
    {"size": (5, 77), "mode": "nearest"},
    {"scale_factor": 2.5, "mode": "nearest-exact"},
]


def _id(options: dict[str, Any]) -> str:
    return "-".join(f"{name}={value}" for name, value in options.items())


@pytest.mark.parametrize("options", LINES, ids=_id)
def test_of_signals(prove: Any, audio: SimpleNamespace, options: dict[str, Any]) -> None:
    def formula(x: Any) -> Any:
        return torch.nn.functional.interpolate(x, **options)

    for x in (audio.noise(2, 3, 100), audio.chirp()[:, None]):
        snr_db, applied = prove(formula, x)
        assert snr_db >= LEAST_DB
        assert "resizing" in applied


@pytest.mark.parametrize("options", PLANES, ids=_id)
def test_of_spectrograms(prove: Any, audio: SimpleNamespace, options: dict[str, Any]) -> None:
    def formula(x: Any) -> Any:
        return torch.nn.functional.interpolate(x, **options)

    snr_db, applied = prove(formula, audio.noise(1, 3, 12, 100))
    assert snr_db >= LEAST_DB
    assert "resizing" in applied


def test_of_volumes(prove: Any, audio: SimpleNamespace) -> None:
    def formula(x: Any) -> Any:
        return torch.nn.functional.interpolate(x, scale_factor=2, mode="trilinear")

    assert prove(formula, audio.noise(1, 2, 4, 5, 6))[0] >= LEAST_DB


@pytest.mark.parametrize(
    "options", [{"scale_factor": 2, "mode": "bilinear"}, {"scale_factor": 4, "mode": "nearest"}], ids=_id
)
def test_what_converters_do_well_stays(prove: Any, audio: SimpleNamespace, options: dict[str, Any]) -> None:
    def formula(x: Any) -> Any:
        return torch.nn.functional.interpolate(x, **options)

    assert prove(formula, audio.noise(1, 3, 12, 20))[1] == ()


@pytest.mark.coreml
@pytest.mark.tflite
def test_both_formats(prove_both: Any, audio: SimpleNamespace) -> None:
    def formula(x: Any) -> Any:
        resize = torch.nn.functional.interpolate
        return (
            resize(x, scale_factor=2, mode="bicubic"),
            resize(x, scale_factor=1.7, mode="bilinear"),
            resize(x, size=(5, 7)),
            resize(x[0], scale_factor=1.3, mode="linear"),
            resize(x[0], size=31, mode="nearest-exact"),
        )

    assert min(prove_both(formula, audio.noise(1, 3, 12, 20)).values()) >= LEAST_DB
