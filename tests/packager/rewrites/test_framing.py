"""Cutting and adding up frames: the same values as torch's, and through both formats."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

pytestmark = pytest.mark.pytorch


@pytest.mark.parametrize(("size", "hop"), [(400, 160), (512, 512), (100, 160), (256, 1), (7, 3)])
@pytest.mark.parametrize("axis", [-1, 1, 0])
def test_cutting_moves_values_and_changes_none(
    prove: Any, audio: SimpleNamespace, size: int, hop: int, axis: int
) -> None:
    x = audio.voice(3)[:, :1200].t().contiguous() if axis == 0 else audio.voice(3)[:, :1200]
    found, applied = prove(lambda x: x.unfold(axis, size, hop), x)
    assert found == np.inf
    assert "framing" in applied


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kernel", "stride", "padding", "dilation"),
    [((16, 1), (8, 1), (8, 0), (1, 1)), ((3, 5), (2, 1), (1, 2), (1, 1)), ((3, 2), (1, 3), (2, 0), (2, 3))],
)
def test_patches_and_back(
    prove: Any,
    audio: SimpleNamespace,
    kernel: tuple[int, int],
    stride: tuple[int, int],
    padding: tuple[int, int],
    dilation: tuple[int, int],
) -> None:
    size = (40, 11)
    options = {"stride": stride, "padding": padding, "dilation": dilation}

    def formula(x: Any) -> Any:
        patches = torch.nn.functional.unfold(x, kernel, **options)
        return patches, torch.nn.functional.fold(patches, size, kernel, **options)

    found, applied = prove(formula, audio.noise(2, 3, *size))
    assert found >= 130  # sums of up to 16 values in another order
    assert applied == ("framing",)


@pytest.mark.slow
@pytest.mark.tflite
@pytest.mark.coreml
def test_both_formats(prove_both: Any, audio: SimpleNamespace) -> None:
    def formula(x: Any) -> Any:
        frames = x.unfold(-1, 64, 24)
        chunks = torch.nn.functional.unfold(x[:, None, :, None], (50, 1), stride=(25, 1), padding=(25, 0))
        back = torch.nn.functional.fold(chunks, (x.shape[-1], 1), (50, 1), stride=(25, 1), padding=(25, 0))
        return frames, chunks, back

    found = prove_both(formula, audio.voice(1)[:, :1000])
    assert min(found.values()) >= 130, found
