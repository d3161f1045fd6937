"""Six dimensions in Core ML: carried as five where the batch is one, the same values."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch")

from packager.formats.coreml.lowerings._ranks import MOST, lower_ranks  # noqa: E402  needs torch

pytestmark = pytest.mark.pytorch


class Separation(torch.nn.Module):
    """Masks of several sources times a stereo spectrum as pairs, as Open-Unmix has them."""

    def forward(self, spectrum: Any, masks: Any) -> Any:
        six = masks[..., None] * spectrum[:, None]  # (1, source, channel, bin, frame, 2)
        power = (six**2).sum(-1)
        swapped = six.transpose(2, 3).permute(0, 3, 1, 2, 4, 5)
        parts = torch.stack([power, power.sqrt()], dim=-1) + six.abs()
        left, right = torch.cat([parts, six], dim=4).chunk(2, dim=4)
        return {
            "real": six[..., 0],
            "ratio": (power / (1e-3 + power.sum(1, keepdim=True))),
            "flat": swapped.reshape(1, -1),
            "joined": (left - right).mean(dim=(1, 2)),
            "loudest": torch.softmax(six, 1).amax(-1),
            "half": six[:, :, :, 1:3].flatten(2, 4),
        }


def test_the_same_values_in_five_dimensions() -> None:
    generator = torch.Generator().manual_seed(0)
    inputs = (torch.randn(1, 2, 7, 10, 2, generator=generator), torch.rand(1, 3, 2, 7, 10, generator=generator))
    module = Separation().eval()
    program = torch.export.export(module, inputs, strict=False)
    lowered, changed = lower_ranks(program)
    assert changed
    assert (
        max(len(node.meta["val"].shape) for node in lowered.graph.nodes if hasattr(node.meta.get("val"), "shape"))
        <= MOST
    )
    expected, found = module(*inputs), lowered.module()(*inputs)
    assert list(found) == list(expected)
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-6, atol=1e-6)


def test_small_tensors_cost_nothing() -> None:
    program = torch.export.export(torch.nn.ReLU(), (torch.ones(2, 3),), strict=False)
    assert lower_ranks(program) == (program, False)


def test_a_batch_of_two_is_left_as_it_is() -> None:
    inputs = (torch.ones(2, 2, 3, 4, 2), torch.ones(2, 3, 2, 3, 4))
    module = Separation().eval()
    with torch.no_grad():
        expected = module(*inputs[:1], torch.ones(2, 3, 2, 3, 4))["real"]
    lowered, _ = lower_ranks(torch.export.export(_First(module), inputs, strict=False))
    torch.testing.assert_close(lowered.module()(*inputs)["real"], expected)


class _First(torch.nn.Module):
    def __init__(self, inner: Any) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, spectrum: Any, masks: Any) -> Any:
        six = masks[..., None] * spectrum[:, None]
        return {"real": six[..., 0]}
