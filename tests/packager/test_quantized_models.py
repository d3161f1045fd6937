"""Models that torch quantised, or prepared for it, as float models with the weights as they were rounded."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pytest

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402
from torch.ao import quantization  # noqa: E402

from packager.errors import PackagingError  # noqa: E402

pytestmark = [pytest.mark.pytorch, pytest.mark.filterwarnings("ignore")]  # torch's own: all of this is to move


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.gru, self.head = nn.GRU(8, 6, batch_first=True, bidirectional=True), nn.Linear(12, 4)

    def forward(self, x: Any) -> Any:
        return self.head(self.gru(x)[0])


class Residual(nn.Module):
    """Convolutions, an addition of quantised tensors, a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.before, self.after = quantization.QuantStub(), quantization.DeQuantStub()
        self.first, self.relu, self.second = nn.Conv1d(8, 8, 3, padding=1), nn.ReLU(), nn.Conv1d(8, 8, 3, padding=1)
        self.sum, self.head = nn.quantized.FloatFunctional(), nn.Linear(8, 4)

    def forward(self, x: Any) -> Any:
        y = self.relu(self.first(self.before(x)))
        y = self.sum.add(y, self.second(y)).transpose(1, 2)
        return self.after(self.head(y))


def _dynamic() -> nn.Module:
    return quantization.quantize_dynamic(Recurrent().eval(), {nn.GRU, nn.Linear}, dtype=torch.qint8)


def _static() -> nn.Module:
    model = quantization.fuse_modules(Residual().eval(), [["first", "relu"]])
    model.qconfig = quantization.get_default_qconfig("fbgemm")
    quantization.prepare(model, inplace=True)
    model(_example())
    return quantization.convert(model)


def _traced() -> nn.Module:
    from torch.ao.quantization.quantize_fx import convert_fx, prepare_fx

    model = nn.Sequential(nn.Conv1d(8, 8, 3), nn.BatchNorm1d(8), nn.ReLU(), nn.Conv1d(8, 4, 3)).eval()
    prepared = prepare_fx(model, quantization.get_default_qconfig_mapping("fbgemm"), (_example(),))
    prepared(_example())
    return convert_fx(prepared)


def _aware() -> nn.Module:
    model = nn.Sequential(nn.Conv1d(8, 8, 3), nn.BatchNorm1d(8), nn.ReLU(), nn.Conv1d(8, 4, 3)).train()
    model = quantization.fuse_modules_qat(model, [["0", "1", "2"]])
    model.qconfig = quantization.get_default_qat_qconfig("fbgemm")
    quantization.prepare_qat(model, inplace=True)
    for _ in range(3):
        model(_example())
    return model.eval().apply(quantization.disable_observer)


def _example() -> Any:
    return torch.randn(2, 8, 8, generator=torch.Generator().manual_seed(1))


KINDS: dict[str, Callable[[], nn.Module]] = {
    "dynamic": _dynamic,
    "static": _static,
    "static, traced": _traced,
    "aware": _aware,
}


@pytest.mark.parametrize("kind", KINDS)
def test_float_layers_have_the_weights_as_they_were_rounded(
    load_model: Any, same_when_exported: Any, kind: str
) -> None:
    torch.manual_seed(0)
    model, x = KINDS[kind](), _example()
    with torch.no_grad():
        own = model(x)
    source = load_model(model, x)
    found = torch.from_numpy(source.run(source.examples)["output"])
    snr_db = float(10 * torch.log10(own.square().sum() / (own - found).square().sum()))
    assert 15 < snr_db < 70  # activations of 8 bits
    assert source.types == (
        f"computed in float32 where the model has quantised layers; its outputs change by that: {snr_db:.1f} dB SNR"
    )
    same_when_exported(source)


def test_weights_are_taken_bit_by_bit(load_model: Any) -> None:
    model = quantization.quantize_dynamic(nn.Sequential(nn.Linear(8, 4)).eval(), dtype=torch.qint8)
    steps = model[0].weight().int_repr().float()
    load_model(model, torch.randn(3, 8))
    torch.testing.assert_close(model[0].weight / model[0].weight.abs().max() * steps.abs().max(), steps)


def test_a_layer_without_a_counterpart_is_named(load_model: Any) -> None:
    cell = nn.Sequential(nn.Identity(), quantization.quantize_dynamic(nn.Sequential(nn.LSTMCell(8, 4))))
    with pytest.raises(PackagingError, match=r"given.py:build: 1.0 is a torch.ao.nn.quantized.dynamic.*LSTMCell"):
        load_model(cell, torch.randn(3, 8))


def test_rounding_in_forward_is_arithmetic(load_model: Any, same_when_exported: Any) -> None:
    class Rounded(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.randn(4, 8, generator=torch.Generator().manual_seed(0)))

        def forward(self, x: Any) -> Any:
            scale, zero = torch.linspace(0.02, 0.05, 4), torch.zeros(4, dtype=torch.int32)
            weight = torch.fake_quantize_per_channel_affine(self.weight, scale, zero, 0, -127, 127)
            return torch.fake_quantize_per_tensor_affine(x @ weight.t(), 0.05, 3, -128, 127)

    source = load_model(Rounded(), torch.randn(16, 8))
    same_when_exported(source)
    from packager.rewrites.torch import rewrite_program

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert "quantizers" in rewrite_program(source.program).applied
