"""Transposed convolutions and convolutions with their padding in words, rewritten, against torch's own."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from packager.rewrites.torch import rewrite_program

torch = pytest.importorskip("torch")

pytestmark = [pytest.mark.slow, pytest.mark.pytorch]

LEAST_DB = 120
"""Sums of at most 128 float32 products, the same ones in another order."""

GEOMETRIES = [
    {"stride": 2, "padding": 1, "output_padding": 1},
    {"stride": 4, "padding": 2},
    {"stride": 2, "padding": 1, "dilation": 2},
    {"stride": 1, "padding": 2, "dilation": 3, "groups": 2},
    {"stride": 3, "output_padding": 2, "groups": 4, "bias": False},
    {"stride": 3, "padding": 1, "output_padding": 2, "dilation": 2, "groups": 2},
]


def _id(options: dict[str, Any]) -> str:
    return "-".join(f"{name}={value}" for name, value in options.items())


@pytest.mark.parametrize("options", GEOMETRIES, ids=_id)
def test_of_signals_and_spectrograms(prove: Any, audio: SimpleNamespace, options: dict[str, Any]) -> None:
    torch.manual_seed(0)
    for module, x in (
        (torch.nn.ConvTranspose1d(8, 12, 4, **options), audio.noise(2, 8, 50)),
        (torch.nn.ConvTranspose2d(8, 12, (4, 5), **options), audio.noise(1, 8, 6, 20)),
    ):
        snr_db, applied = prove(module, x)
        assert snr_db >= LEAST_DB
        assert "transposed_convolution" in applied


DEPTHWISE: dict[str, tuple[Callable[..., Any], tuple[int, ...]]] = {
    "a frame for two": (lambda: torch.nn.ConvTranspose1d(64, 64, 3, 2, 1, 1, groups=64), (2, 64, 30)),
    "two channels of each": (lambda: torch.nn.ConvTranspose1d(32, 64, 8, 4, 2, groups=32), (1, 32, 30)),
    "without a stride": (lambda: torch.nn.ConvTranspose1d(64, 64, 5, padding=2, groups=64), (1, 64, 30)),
    "along one axis": (lambda: torch.nn.ConvTranspose2d(32, 32, (3, 4), (1, 2), 1, groups=32), (1, 32, 6, 20)),
    "along both axes": (lambda: torch.nn.ConvTranspose2d(32, 32, 4, (2, 3), 1, (0, 2), 32), (1, 32, 6, 20)),
    "a few groups": (lambda: torch.nn.ConvTranspose1d(64, 32, 8, 4, 2, groups=4, bias=False), (1, 64, 30)),
}


@pytest.mark.parametrize("kind", DEPTHWISE)
def test_groups_are_one_convolution(prove: Any, audio: SimpleNamespace, kind: str) -> None:
    """Not an op and a slice for each, and weights no larger than what fills the last step."""
    torch.manual_seed(0)
    make, shape = DEPTHWISE[kind]
    module, x = make().eval(), audio.noise(*shape)
    assert prove(module, x)[0] >= LEAST_DB
    program = rewrite_program(torch.export.export(module, (x,), strict=False)).program
    called = [str(node.target) for node in program.graph.nodes if node.op == "call_function"]
    assert sum("conv" in name for name in called) == 1
    assert len(called) <= 12
    held = sum(value.nbytes for value in (*program.constants.values(), *program.state_dict.values()))
    assert held <= 2 * sum(parameter.nbytes for parameter in module.parameters())


@pytest.mark.parametrize("options", [{"stride": 2}, {"stride": 2, "padding": 1}], ids=_id)
def test_what_converters_do_well_stays(prove: Any, audio: SimpleNamespace, options: dict[str, Any]) -> None:
    assert prove(torch.nn.ConvTranspose1d(8, 12, 4, **options), audio.noise(1, 8, 50))[1] == ()


@pytest.mark.parametrize("size", [3, 4])
@pytest.mark.parametrize("dilation", [1, 4])
def test_padding_same(prove: Any, audio: SimpleNamespace, size: int, dilation: int) -> None:
    torch.manual_seed(0)
    module = torch.nn.Conv1d(4, 6, size, padding="same", dilation=dilation)
    for x in (audio.noise(2, 4, 50), audio.noise(4, 50)):
        snr_db, applied = prove(module, x)
        assert snr_db >= LEAST_DB
        assert applied == ("convolution",)


@pytest.mark.coreml
@pytest.mark.tflite
def test_both_formats(prove_both: Any, audio: SimpleNamespace) -> None:
    torch.manual_seed(0)

    class Decoder(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lines = torch.nn.ModuleList(torch.nn.ConvTranspose1d(8, 4, 4, **options) for options in GEOMETRIES)
            self.plane = torch.nn.ConvTranspose2d(8, 6, (3, 5), stride=(1, 2), padding=(1, 2), output_padding=(0, 1))
            self.same = torch.nn.Conv1d(8, 4, 4, padding="same")

        def forward(self, x: Any) -> Any:
            return [*(line(x) for line in self.lines), self.plane(x[:, :, None].expand(-1, -1, 5, -1)), self.same(x)]

    assert min(prove_both(Decoder(), audio.noise(1, 8, 20)).values()) >= LEAST_DB
