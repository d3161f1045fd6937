"""Small audio models for the benchmarks: seeded torch modules, and how each becomes Core ML, TFLite and ONNX files.

    python -m benchmarks.audio_models MODEL FOLDER

writes `float32.mlpackage`, `float16.mlpackage`, `model.tflite` and, for Basic Pitch, `model.onnx`. Basic Pitch comes
from the basic-pitch wheel; the others have random weights: only their shapes matter here.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import shutil
import sys
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

MODELS = {
    "basic_pitch": "Basic Pitch: 2 s of samples, CQT as convolutions, small CNN",
    "keywords": "DS-CNN keyword spotter: log-mel 98 × 40, 5 depthwise-separable blocks of 128",
    "separator": "U-Net mask on a log-mel 128 × 128, 16 to 64 channels",
    "recurrent": "LSTM tagger: 2 × 128 over 256 frames of 64 bands",
    "gated": "GRU tagger: 64 over 100 frames of 40 bands; coremltools makes a loop of it",
    "transformer": "transformer encoder: 4 layers, d 128, 4 heads, 250 frames of 64 bands",
}
SHAPES = {
    "basic_pitch": (1, 43844, 1),
    "keywords": (1, 1, 98, 40),
    "separator": (1, 1, 128, 128),
    "recurrent": (1, 256, 64),
    "gated": (1, 100, 40),
    "transformer": (1, 250, 64),
}


def separable(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, inputs, 3, padding=1, groups=inputs, bias=False),
        nn.BatchNorm2d(inputs),
        nn.ReLU(),
        nn.Conv2d(inputs, outputs, 1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
    )


class Keywords(nn.Module):
    def __init__(self, channels: int = 128, classes: int = 12) -> None:
        super().__init__()
        first = nn.Conv2d(1, channels, (10, 4), stride=2, padding=(5, 1), bias=False)
        self.body = nn.Sequential(first, nn.BatchNorm2d(channels), nn.ReLU())
        for _ in range(5):
            self.body.append(separable(channels, channels))
        self.head = nn.Linear(channels, classes)

    def forward(self, x: Tensor) -> Tensor:
        return torch.softmax(self.head(self.body(x).mean((2, 3))), -1)


def double(inputs: int, outputs: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for size in (inputs, outputs):
        layers += [nn.Conv2d(size, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers)


class Separator(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.down = nn.ModuleList([double(1, 16), double(16, 32)])
        self.middle = double(32, 64)
        self.up = nn.ModuleList([nn.ConvTranspose2d(64, 32, 2, 2), nn.ConvTranspose2d(32, 16, 2, 2)])
        self.join = nn.ModuleList([double(64, 32), double(32, 16)])
        self.mask = nn.Conv2d(16, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        kept, y = [], x
        for layer in self.down:
            kept.append(layer(y))
            y = torch.max_pool2d(kept[-1], 2)
        y = self.middle(y)
        for up, join in zip(self.up, self.join, strict=True):
            y = join(torch.cat([up(y), kept.pop()], 1))
        mask: Tensor = torch.sigmoid(self.mask(y))
        return mask


class Recurrent(nn.Module):
    def __init__(self, bands: int = 64, width: int = 128, tags: int = 50) -> None:
        super().__init__()
        self.lstm = nn.LSTM(bands, width, num_layers=2, batch_first=True)
        self.head = nn.Linear(width, tags)

    def forward(self, x: Tensor) -> Tensor:
        return torch.sigmoid(self.head(self.lstm(x)[0]))


class Gated(nn.Module):
    def __init__(self, bands: int = 40, width: int = 64, tags: int = 50) -> None:
        super().__init__()
        self.gru = nn.GRU(bands, width, batch_first=True)
        self.head = nn.Linear(width, tags)

    def forward(self, x: Tensor) -> Tensor:
        return torch.sigmoid(self.head(self.gru(x)[0]))


class EncoderLayer(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.before, self.after = nn.LayerNorm(width), nn.LayerNorm(width)
        self.mix, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.feed = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x: Tensor) -> Tensor:
        batch, frames, width = x.shape
        parts = self.mix(self.before(x)).view(batch, frames, 3, self.heads, width // self.heads)
        query, key, value = parts.permute(2, 0, 3, 1, 4).unbind(0)
        attended = nn.functional.scaled_dot_product_attention(query, key, value)
        x = x + self.out(attended.transpose(1, 2).reshape(batch, frames, width))
        fed: Tensor = self.feed(self.after(x))
        return x + fed


class Transformer(nn.Module):
    def __init__(self, bands: int = 64, width: int = 128, layers: int = 4, frames: int = 250, tags: int = 50) -> None:
        super().__init__()
        self.embed = nn.Linear(bands, width)
        self.place = nn.Parameter(torch.randn(1, frames, width) * 0.02)
        self.layers = nn.ModuleList([EncoderLayer(width, 4) for _ in range(layers)])
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, tags)

    def forward(self, x: Tensor) -> Tensor:
        y = self.embed(x) + self.place
        for layer in self.layers:
            y = layer(y)
        return torch.sigmoid(self.head(self.norm(y)))


def make_module(model: str) -> nn.Module:
    """A torch model with the same random weights each time, so drawn that its outputs are spread over 0 to 1."""
    torch.manual_seed(1123)
    classes: dict[str, type[nn.Module]] = {
        "keywords": Keywords,
        "separator": Separator,
        "recurrent": Recurrent,
        "gated": Gated,
        "transformer": Transformer,
    }
    module = classes[model]()
    for part in module.modules():
        if isinstance(part, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(part.weight)
        if isinstance(part, nn.LSTM | nn.GRU):
            for weights in part.parameters():
                nn.init.normal_(weights, std=0.15)
        if isinstance(part, nn.BatchNorm2d):
            part.running_mean.normal_(std=0.2)  # type: ignore[union-attr]
            part.running_var.uniform_(0.5, 1.5)  # type: ignore[union-attr]
    return module.eval()


def make_input(model: str) -> Any:
    """The same input each time, float32: noise of 0.1 for samples, of 1 for log-mel features."""
    generator = torch.Generator().manual_seed(20)
    return (torch.randn(SHAPES[model], generator=generator) * (0.1 if model == "basic_pitch" else 1.0)).numpy()


def saved_models() -> Path:
    """The folder of Basic Pitch's files in the wheel."""
    spec = importlib.util.find_spec("basic_pitch")
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit("basic_pitch is needed: pip install --no-deps -r examples/basic_pitch/requirements.txt")
    return Path(spec.submodule_search_locations[0]) / "saved_models" / "icassp_2022"


def write_files(model: str, folder: Path) -> None:
    """Convert a model to all formats; parts of an earlier, broken attempt are replaced."""
    shutil.rmtree(folder, ignore_errors=True)
    begun = folder.with_name(folder.name + ".begun")
    shutil.rmtree(begun, ignore_errors=True)
    begun.mkdir(parents=True)
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    logging.disable(logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        (write_basic_pitch if model == "basic_pitch" else write_converted)(model, begun)
    begun.rename(folder)


def write_basic_pitch(_model: str, folder: Path) -> None:
    """The wheel's files; float16, which it has not, from its SavedModel by the same converter."""
    source = saved_models()
    shutil.copytree(source / "nmp.mlpackage", folder / "float32.mlpackage")
    shutil.copy(source / "nmp.tflite", folder / "model.tflite")
    shutil.copy(source / "nmp.onnx", folder / "model.onnx")
    os.environ["TF_USE_LEGACY_KERAS"] = "1"
    import coremltools as ct

    converted = ct.convert(
        str(source / "nmp"),
        source="tensorflow",
        convert_to="mlprogram",
        inputs=[ct.TensorType(shape=SHAPES["basic_pitch"])],
        compute_precision=ct.precision.FLOAT16,
        skip_model_load=True,
    )
    converted.save(str(folder / "float16.mlpackage"))


def write_converted(model: str, folder: Path) -> None:
    import coremltools as ct
    import litert_torch

    module, example = make_module(model), torch.from_numpy(make_input(model))
    traced = torch.jit.trace(module, example)  # type: ignore[no-untyped-call]
    for precision in ("float32", "float16"):
        converted = ct.convert(
            traced,
            convert_to="mlprogram",
            inputs=[ct.TensorType(name="x", shape=SHAPES[model])],
            compute_precision=getattr(ct.precision, precision.upper()),
            skip_model_load=True,
        )
        converted.save(str(folder / f"{precision}.mlpackage"))
    litert_torch.convert(module, (example,)).export(str(folder / "model.tflite"))


if __name__ == "__main__":
    write_files(sys.argv[1], Path(sys.argv[2]))
