"""Ops are kept in float32 by the names that they have in a file, whatever the frontend calls them."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evaluators.comparing.model_runner import EmulatorRunner
from evaluators.targets import open_model
from packager.compression import Context
from packager.formats.coreml.compression.mixed import keeping
from packager.formats.coreml.compression.programs import share_frontend
from packager.formats.coreml.mlpackage import import_coremltools
from tests.packager.compression.tiny_programs import operations, save

pytestmark = [
    pytest.mark.slow,
    pytest.mark.coreml,
    pytest.mark.filterwarnings("ignore:Implicitly cleaning up:ResourceWarning"),  # of coremltools' converter
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


def _numbered(builder: Any, x: Any) -> Any:
    """As PyTorch's frontend names ops, and TensorFlow's; the second is renamed to what the third is named."""
    x = builder.sin(x=x, name="12")
    x = builder.cos(x=x, name="model/layer:0")
    x = builder.tanh(x=x, name="var_12")
    x = builder.exp(x=x, name="bool")
    return builder.sigmoid(x=x, name="Identity")


def _looped(builder: Any, x: Any) -> Any:
    def body(step: Any, value: Any) -> Any:
        return builder.add(x=step, y=1), builder.tanh(x=value, name="7")

    looped = builder.while_loop(
        _cond=lambda step, _: builder.less(x=step, y=3), _body=body, loop_vars=(0, x), name="31"
    )[1]
    return builder.exp(x=looped, name="Identity")


def _convert(network: Callable[[Any, Any], Any]) -> Callable[[Any], Any]:
    from coremltools.converters.mil import Builder as mb

    ct = import_coremltools()

    def start(**options: Any) -> Any:
        @mb.program(input_specs=[mb.TensorSpec(shape=(1, 8))], opset_version=options["minimum_deployment_target"])
        def program(x: Any) -> Any:
            return network(mb, x)

        return ct.convert(program, skip_model_load=True, **options)

    shared = share_frontend(start, "somewhere==1.0", {"Identity": "scores"})
    return lambda precision: shared(precision, ct.target.iOS15)


def _types(path: Path) -> dict[str, str]:
    """By kind of op: the element type of what it gives; casts and constants left out."""
    return {
        op.kind: op.outputs[0].type.dtype.name
        for op in operations(path)
        if op.kind not in ("const", "cast") and hasattr(op.outputs[0].type, "dtype")
    }


def test_every_op_is_kept_by_its_name_in_the_file(tmp_path: Path) -> None:
    ct, convert = import_coremltools(), _convert(_numbered)
    exact = save(convert(ct.precision.FLOAT32), tmp_path / "exact.mlpackage")
    names = {op.kind: op.outputs[0].name for op in operations(exact) if op.kind != "const"}
    assert names["sigmoid"] == "scores"
    assert len(set(names.values())) == 5
    for kind, name in names.items():
        found = _types(save(convert(keeping({name})), tmp_path / f"{kind}.mlpackage"))
        assert [one for one, dtype in found.items() if dtype == "float32"] == [kind]


def test_a_loop_of_numbered_ops_is_kept(tmp_path: Path) -> None:
    ct, convert = import_coremltools(), _convert(_looped)
    exact = save(convert(ct.precision.FLOAT32), tmp_path / "exact.mlpackage")
    (name,) = (op.outputs[-1].name for op in operations(exact) if op.kind == "while_loop")
    call = {"x": np.linspace(-2, 2, 8, dtype=np.float32)[None]}
    kept = save(convert(keeping({name, "scores"})), tmp_path / "kept.mlpackage")
    half = save(convert(ct.precision.FLOAT16), tmp_path / "half.mlpackage")
    expected, found, rounded = (open_model(path).run(call)["scores"] for path in (exact, kept, half))
    np.testing.assert_array_equal(found, expected)
    assert np.abs(rounded - expected).max() > 1e-4


def _mel(torch: Any, x: Any, bank: Any) -> Any:
    """A power spectrum of samples as whole numbers of 16 bits: up to 1e13, far above float16's 65504."""
    spectrum = torch.stft(x * 32768, 200, 80, window=torch.hann_window(200), center=False, return_complex=True)
    return torch.log((bank @ spectrum.abs() ** 2).clamp(min=1.0))


def _log_mel_network(torch: Any) -> Any:
    class Network(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("bank", torch.rand(20, 101))
            self.body = torch.nn.Sequential(torch.nn.Conv1d(20, 32, 5), torch.nn.ReLU(), torch.nn.Conv1d(32, 10, 1))

        def forward(self, wave: Any) -> Any:
            return self.body((_mel(torch, wave, self.bank) - 15) / 4)

    return Network()


def _mel_loudness(torch: Any) -> Any:
    """Nothing but a front, whose last op is too large for float16 and whose frames go through a loop."""

    class Network(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("bank", torch.rand(20, 101))
            self.body = torch.nn.GRU(20, 6, batch_first=True)

        def forward(self, wave: Any) -> dict[str, Any]:
            mel = _mel(torch, wave, self.bank)
            return {"scores": self.body(mel.transpose(1, 2) / 30)[0], "power": mel.exp()}

    return Network()


@pytest.mark.pytorch
@pytest.mark.parametrize("make", [_log_mel_network, _mel_loudness])
def test_a_pytorch_model_whose_front_overflows_holds_in_mixed_float16(
    tmp_path: Path, make: Callable[[Any], Any]
) -> None:
    torch = pytest.importorskip("torch")
    from packager.formats.coreml.from_torch import prepare
    from packager.sources import SourceTensor
    from packager.sources.torch import TorchSource

    torch.manual_seed(3)
    module = make(torch).eval()
    flat = module if make is _mel_loudness else _named(torch, module)
    wave = torch.randn(1, 2000) * 0.1
    with torch.no_grad():
        expected = {name: value.numpy() for name, value in flat(wave).items()}

    def describe(values: Mapping[str, Any]) -> dict[str, SourceTensor]:
        return {name: SourceTensor(tuple(value.shape), "float32") for name, value in values.items()}

    source = TorchSource(flat, describe({"wave": wave}), describe(expected), (wave,), "test")
    calls = [{"wave": wave.numpy()}]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's, of export, and coremltools', of constants that overflow float16
        prepare(source, Context("iOS15", calls, EmulatorRunner(), [expected]))(
            "mixed_float16", tmp_path / "mixed.mlpackage"
        )
        gc.collect()  # coremltools' temporary folders, which warn when they are found lying around later
    found = open_model(tmp_path / "mixed.mlpackage").run(calls[0])
    for name, value in expected.items():
        noise = float(((found[name] - value).astype(np.float64) ** 2).sum())
        assert 10 * np.log10(float((value.astype(np.float64) ** 2).sum()) / noise) >= 40, name
    assert "float16" in _types(tmp_path / "mixed.mlpackage").values()


def _named(torch: Any, module: Any) -> Any:
    class Named(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = module

        def forward(self, wave: Any) -> dict[str, Any]:
            return {"scores": self.inner(wave)}

    return Named()
