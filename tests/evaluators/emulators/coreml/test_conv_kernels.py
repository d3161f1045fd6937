"""Convolutions by tiles, in other memory orders and in other numbers of dimensions, against torch's in float64."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from evaluators.emulators.coreml.ops.conv_kernels import (  # noqa: E402  # after the check for torch
    Kernel,
    channels_last,
    plan_convolutions,
)

CONVS = (torch.conv1d, torch.conv2d, torch.conv3d)


def random(*shape: int, seed: int = 0) -> Any:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def convolved(x: Any, kernel: Kernel, pads: tuple[tuple[int, int], ...]) -> Any:
    with torch.inference_mode():
        return plan_convolutions(kernel)(x.shape[2:], pads)(x)


def expected(x: Any, kernel: Kernel, pads: tuple[tuple[int, int], ...]) -> Any:
    wide = torch.nn.functional.pad(x.double(), [n for pair in reversed(pads) for n in pair])
    bias = None if kernel.bias is None else kernel.bias.double()
    rest = (kernel.strides, 0, kernel.dilations, kernel.groups)
    return CONVS[len(pads) - 1](wide, kernel.weight.double(), bias, *rest).float()


@st.composite
def cases(draw: Any) -> tuple[Any, Kernel, tuple[tuple[int, int], ...]]:
    dimensions = draw(st.integers(1, 3))

    def each(low: int, high: int) -> list[int]:
        return draw(st.lists(st.integers(low, high), min_size=dimensions, max_size=dimensions))

    groups = draw(st.sampled_from([1, 1, 2]))
    inputs, outputs = (groups * draw(st.integers(1, n)) for n in (9, 17))
    width, strides, dilations = each(1, 4), each(1, 3), each(1, 2)
    pads = tuple(zip(each(0, 3), each(0, 3), strict=True))
    spans = [(k - 1) * d + 1 for k, d in zip(width, dilations, strict=True)]
    sizes = [max(1, span - sum(pair)) + more for span, pair, more in zip(spans, pads, each(0, 12), strict=True)]
    weight = random(outputs, inputs // groups, *width, seed=1)
    bias = random(outputs, seed=2) if draw(st.booleans()) else None
    return random(draw(st.integers(1, 2)), inputs, *sizes), Kernel(weight, bias, strides, dilations, groups), pads


@settings(deadline=None)  # the first call starts oneDNN
@given(cases())
def test_a_convolution_is_a_convolution(case: Any) -> None:
    x, kernel, pads = case
    result = convolved(x, kernel, pads)
    # Sums of up to 9 · 4³ products of a few units each.
    torch.testing.assert_close(result, expected(x, kernel, pads), rtol=1e-5, atol=5e-5)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize(("shape", "width"), [((20,), (3,)), ((20, 20), (3, 5))])
def test_what_is_not_finite_stays_within_its_reach(
    value: float, shape: tuple[int, ...], width: tuple[int, ...]
) -> None:
    x = torch.ones(1, 2, *shape)
    x[(0, 0, *(10 for _ in shape))] = value
    kernel = Kernel(torch.ones(1, 2, *width), None, [1 for _ in shape], [1 for _ in shape], 1)
    result = convolved(x, kernel, tuple((0, 0) for _ in shape))
    begins = [10 - k + 1 for k in width]
    reached = torch.zeros_like(result, dtype=torch.bool)
    reached[(0, 0, *(slice(begin, begin + k) for begin, k in zip(begins, width, strict=True)))] = True
    assert torch.equal(~result.isfinite(), reached)


def strided(shape: tuple[int, ...], layout: str) -> Any:
    x = random(*shape)
    if layout == "transposed":
        return random(shape[0], *shape[2:], shape[1]).movedim(-1, 1)
    if layout == "sliced":
        return random(shape[0], shape[1] + 1, *shape[2:])[:, 1:]
    return x


@pytest.mark.parametrize("layout", ["plain", "transposed", "sliced"])
@pytest.mark.parametrize("shape", [(1, 1, 4, 5), (1, 16, 4, 5), (2, 3, 4, 5), (1, 7, 1, 1), (1, 40, 3, 1)])
def test_channels_come_last_in_memory_and_values_stay(shape: tuple[int, ...], layout: str) -> None:
    x = strided(shape, layout)
    result = channels_last(x)
    assert torch.equal(result, x)
    assert result.is_contiguous(memory_format=torch.channels_last)
    assert result.stride(1) == 1
    assert channels_last(result) is result


def test_outputs_of_one_input_channel_come_channels_last() -> None:
    """So that a network whose input is a spectrogram needs no transposition at all."""
    kernel = Kernel(random(32, 1, 3, 3), None, [1, 1], [1, 1], 1)
    result = convolved(random(1, 1, 8, 9), kernel, ((1, 1), (1, 1)))
    assert result.stride(1) == 1


@pytest.mark.parametrize(("outputs", "tile_products"), [(1, 16), (3, 4), (8, 2), (16, 1), (20, 1)])
def test_tiles_cost_the_fewest_products(outputs: int, tile_products: int) -> None:
    """For 3 outputs 2 × 2 positions: 5 in a row fill the lanes better, but of 3 · 7 weights a third would be used."""
    calls: list[int] = []
    kernel = Kernel(random(outputs, 1, 3, 3), None, [1, 1], [1, 1], 1)
    original = Kernel.tiled

    def watched(self: Kernel, tile: tuple[int, ...]) -> Kernel:
        calls.append(tile[0] * tile[1])
        return original(self, tile)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Kernel, "tiled", watched)
        convolved(random(1, 1, 62, 62), kernel, ((0, 0), (0, 0)))
    assert calls == ([tile_products] if tile_products > 1 else [])
