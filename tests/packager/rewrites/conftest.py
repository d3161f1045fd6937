"""How every rewrite of torch is proven: the rewritten program against the module itself, on audio."""

from __future__ import annotations

import gc
import logging
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from packager.errors import PackagingError

torch = pytest.importorskip("torch")

SECONDS, SAMPLE_RATE_HZ = 0.25, 16000


class Formula(torch.nn.Module):
    """A module that computes a formula; its buffers and submodules come by name and are handed to it."""

    def __init__(self, formula: Callable[..., Any], **held: Any) -> None:
        super().__init__()
        self.formula = formula
        self.names = tuple(held)
        for name, value in held.items():
            if isinstance(value, torch.Tensor) and not isinstance(value, torch.nn.Parameter):
                self.register_buffer(name, value)
            else:
                setattr(self, name, value)

    def forward(self, *tensors: Any) -> Any:
        return self.formula(*tensors, **{name: getattr(self, name) for name in self.names})


def chirp() -> Any:
    """A sweep from 50 Hz to 7 kHz that fades, (1, 4000)."""
    time_s = torch.arange(int(SECONDS * SAMPLE_RATE_HZ), dtype=torch.float64) / SAMPLE_RATE_HZ
    phase = 2 * torch.pi * (50 * time_s + (7000 - 50) / (2 * SECONDS) * time_s**2)
    return (0.8 * torch.exp(-3 * time_s) * torch.sin(phase)).float()[None]


def noise(*shape: int, seed: int = 0) -> Any:
    """White noise."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def voice(batch: int = 2) -> Any:
    """Harmonics of 120 Hz with a tremolo over faint noise, then silence, (batch, 4000)."""
    time_s = torch.arange(int(SECONDS * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    tone = sum(torch.sin(2 * torch.pi * 120 * k * time_s) / k for k in range(1, 20))
    signal = 0.2 * tone * (1 + 0.5 * torch.sin(2 * torch.pi * 6 * time_s)) + 1e-3 * noise(len(time_s), seed=1)
    signal[3000:] = 0
    return torch.stack([signal * (0.5 + index) for index in range(batch)])


def real(value: Any) -> Any:
    """Complex tensors with a last dimension of 2."""
    return torch.view_as_real(value.resolve_conj()) if value.is_complex() else value


def snr_db(expected: Any, found: Any) -> float:
    """Signal over difference; infinite where there is none. Where the signal is 0, 0 dB is a difference of 1."""
    a, b = (np.asarray(real(torch.as_tensor(v)).detach(), dtype=np.float64) for v in (expected, found))
    assert a.shape == b.shape
    error, signal = float(((a - b) ** 2).sum()), float((a**2).sum())
    return np.inf if error == 0 else 10 * np.log10((signal or 1.0) / error)


@pytest.fixture
def audio() -> SimpleNamespace:
    """Test signals."""
    return SimpleNamespace(chirp=chirp, noise=noise, voice=voice)


@pytest.fixture
def prove() -> Callable[..., tuple[float, tuple[str, ...]]]:
    """Run a formula or module as it is and rewritten; gives the worst output's SNR in dB and what was applied."""
    from packager.rewrites.torch import rewrite_program

    def run(formula: Any, *tensors: Any, **held: Any) -> tuple[float, tuple[str, ...]]:
        module = formula if isinstance(formula, torch.nn.Module) else Formula(formula, **held)
        module.eval()
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's own, of export
            expected = torch.utils._pytree.tree_leaves(module(*tensors))
            rewritten = rewrite_program(torch.export.export(module, tensors, strict=False))
            found = torch.utils._pytree.tree_leaves(rewritten.program.module()(*map(real, tensors)))
        assert len(expected) == len(found)
        assert not _is_complex(rewritten.program)
        return min(snr_db(a, b) for a, b in zip(expected, found, strict=True)), rewritten.applied

    return run


@pytest.fixture
def rewrite() -> Callable[..., list[Any]]:
    """What a formula gives when it is rewritten."""
    from packager.rewrites.torch import rewrite_program

    def run(formula: Any, *tensors: Any, **held: Any) -> list[Any]:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's own, of export
            rewritten = rewrite_program(torch.export.export(Formula(formula, **held).eval(), tensors, strict=False))
            return list(torch.utils._pytree.tree_leaves(rewritten.program.module()(*tensors)))

    return run


def _is_complex(program: Any) -> bool:
    values = [node.meta.get("val") for node in program.graph.nodes]
    return any(isinstance(value, torch.Tensor) and value.is_complex() for value in values)


@pytest.fixture
def prove_both(tmp_path: Path) -> Callable[..., dict[str, float]]:
    """Convert a formula or module to both formats and run them; gives each one's worst SNR in dB."""

    def run(formula: Any, *tensors: Any, **held: Any) -> dict[str, float]:
        module = formula if isinstance(formula, torch.nn.Module) else Formula(formula, **held)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the converters' own
            found = {format_: _convert(module.eval(), tensors, format_, tmp_path) for format_ in ("tflite", "coreml")}
            gc.collect()  # coremltools' temporary folders, which warn when they are found lying around later
        return found

    return run


class _Named(torch.nn.Module):
    def __init__(self, inner: Any) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, *tensors: Any) -> dict[str, Any]:
        leaves = torch.utils._pytree.tree_leaves(self.inner(*tensors))
        return {f"y{index}": leaf for index, leaf in enumerate(leaves)}


def _convert(module: Any, tensors: Sequence[Any], format_: str, folder: Path) -> float:
    from evaluators.targets import open_model
    from packager.compression import Context
    from packager.formats import prepare
    from packager.sources import SourceTensor
    from packager.sources.torch import TorchSource

    logging.getLogger().setLevel(logging.ERROR)
    named = _Named(module)
    with torch.no_grad():
        expected = {name: real(value) for name, value in named(*tensors).items()}

    def describe(values: dict[str, Any]) -> dict[str, SourceTensor]:
        return {name: SourceTensor(tuple(v.shape), str(v.dtype).removeprefix("torch.")) for name, v in values.items()}

    inputs = {f"x{index}": tensor for index, tensor in enumerate(tensors)}
    source = TorchSource(named, describe(inputs), describe(expected), tuple(tensors), "test")
    path = folder / ("model.tflite" if format_ == "tflite" else "model.mlpackage")
    prepare("torch", format_, source, Context())("float32", path)
    found = open_model(path).run({name: tensor.numpy() for name, tensor in inputs.items()})
    return min(snr_db(expected[name], found[name].reshape(expected[name].shape)) for name in expected)


@pytest.fixture
def refusal() -> Callable[..., str]:
    """What `rewrite_program` says of a formula that it refuses."""
    from packager.rewrites.torch import rewrite_program

    def run(formula: Any, *tensors: Any) -> str:
        module = formula if isinstance(formula, torch.nn.Module) else Formula(formula)
        program = torch.export.export(module, tensors, strict=False)
        with pytest.raises(PackagingError) as caught:
            rewrite_program(program)
        return str(caught.value)

    return run
