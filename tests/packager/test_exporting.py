"""Exports that torch.export alone does not make: lengths kept in tensors, and what must stay a refusal."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch")

from packager.sources.exporting import export_program  # noqa: E402  needs torch

pytestmark = pytest.mark.pytorch


class PaddedConvolution(torch.nn.Module):
    """EnCodec's: settings in buffers, and the padding that the length needs computed with tensors."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = torch.nn.Conv1d(1, 4, 7, stride=3)
        self.register_buffer("stride", torch.tensor(3))
        self.register_buffer("kernel_size", torch.tensor(7))

    def forward(self, x: Any) -> Any:
        frames = (x.shape[-1] - self.kernel_size) / self.stride + 1
        wanted = (torch.ceil(frames).to(torch.int64) - 1) * self.stride + self.kernel_size
        missing = wanted - x.shape[-1]
        if missing > 0:
            x = torch.nn.functional.pad(x, (0, int(missing)))
        return self.conv(x)


class CausalEncoder(torch.nn.Module):
    """Masks made in `forward`: nn.TransformerEncoder looks whether they are the causal one."""

    def __init__(self, make_mask: Any) -> None:
        super().__init__()
        layer = torch.nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)
        self.encoder = torch.nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)
        self.make_mask = make_mask

    def forward(self, x: Any) -> Any:
        return self.encoder(x, mask=self.make_mask(x.shape[1]))


class Decoder(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        layer = torch.nn.TransformerDecoderLayer(16, 2, 32, batch_first=True)
        self.decoder = torch.nn.TransformerDecoder(layer, 1)

    def forward(self, x: Any) -> Any:
        mask = torch.nn.Transformer.generate_square_subsequent_mask(x.shape[1])
        return self.decoder(x, x.flip(1), tgt_mask=mask)


class ValueDependent(torch.nn.Module):
    def forward(self, x: Any) -> Any:
        return x[: int(x.sum())]


@pytest.mark.parametrize("length", [100, 101, 102])
def test_padding_that_depends_on_the_length_alone_is_computed(length: int) -> None:
    torch.manual_seed(0)
    module, x = PaddedConvolution().eval(), torch.randn(1, 1, length)
    expected = module(x)
    program = export_program(module, (x,))
    torch.testing.assert_close(program.module()(x), expected, rtol=0, atol=0)
    assert set(dict(module.named_buffers())) == {"stride", "kernel_size"}
    torch.testing.assert_close(module(x), expected, rtol=0, atol=0)


MASKS = {
    "causal": torch.nn.Transformer.generate_square_subsequent_mask,
    "causal, of booleans": lambda length: torch.ones(length, length).triu(1).bool(),
    "a band": lambda length: (torch.arange(length)[:, None] - torch.arange(length)).abs() > 3,
}


@pytest.mark.slow
@pytest.mark.parametrize("module", [*map(CausalEncoder, MASKS.values()), Decoder()], ids=[*MASKS, "decoder"])
def test_masks_made_in_forward_are_computed(module: torch.nn.Module) -> None:
    torch.manual_seed(0)
    x = torch.randn(1, 9, 16)
    with torch.no_grad():
        expected = module.eval()(x)
    program = export_program(module, (x,))
    torch.testing.assert_close(program.module()(x), expected, rtol=0, atol=1e-5)


def test_a_size_that_depends_on_the_audio_is_refused_by_torch() -> None:
    with pytest.raises(Exception, match="data-dependent expression"):
        export_program(ValueDependent(), (torch.ones(4),))
