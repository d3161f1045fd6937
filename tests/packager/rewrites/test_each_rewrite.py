"""One small case of every rewrite, without a converter: it is applied, and the program gives what the module gives.

The other files of this folder prove each rewrite at length and in both formats; this one is for the fast loop.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import packager.rewrites.torch as room

torch = pytest.importorskip("torch")
F = torch.nn.functional

pytestmark = pytest.mark.pytorch

LEAST_DB = 100
"""float32 keeps 144 dB; sums in another order, as of transforms by matrices, take some of it"""


def _masked(x: Any) -> Any:
    return x[x > 0].sum()


def _recurrent() -> Any:
    torch.manual_seed(3)
    gru = torch.nn.GRU(8, 4, batch_first=True)
    gru.flatten_parameters()
    return gru


def _folded(x: Any) -> Any:
    return x * torch.linspace(0, 1, 8).cos()


CASES: dict[str, tuple[Any, tuple[int, ...]]] = {
    "accumulation": (lambda x: torch.cummax(x, 1).values, (2, 8)),
    "activations": (lambda x: F.hardshrink(x), (2, 8)),
    "attention": (lambda x: F.scaled_dot_product_attention(x, x, x, torch.ones(5, 5).tril().bool()), (1, 2, 5, 4)),
    "complex_numbers": (lambda x: (torch.complex(x, -x) * torch.complex(x, x)).abs(), (2, 8)),
    "complex_shapes": (lambda x: torch.view_as_real(torch.complex(x, -x).mT @ torch.complex(x, x)), (2, 8)),
    "constant_folding": (_folded, (2, 8)),
    "convolution": (lambda x: F.conv1d(x, torch.ones(2, 2, 3), padding="same"), (1, 2, 8)),
    "counting": (lambda x: torch.histc(x, 4, -1.0, 1.0), (2, 8)),
    "decompositions": (lambda x: torch.diff(x), (2, 8)),
    "distances": (lambda x: torch.cdist(x, x.roll(1, -1)), (1, 3, 8)),
    "elementary": (lambda x: torch.hypot(x, x + 1), (2, 8)),
    "fft": (lambda x: torch.fft.rfft(x).abs(), (2, 16)),
    "framing": (lambda x: x.unfold(1, 4, 2) * 2, (2, 16)),
    "indexing": (lambda x: x[:, torch.arange(8) % 3 == 0] * 2, (2, 8)),
    "istft": (
        lambda x: torch.istft(
            torch.stft(x, 16, 4, window=torch.hann_window(16), return_complex=True), 16, 4, window=torch.hann_window(16)
        ),
        (1, 64),
    ),
    "linear_systems": (lambda x: torch.linalg.solve(x @ x.mT + torch.eye(4), x), (2, 4, 4)),
    "masked_values": (_masked, (2, 8)),
    "normalisation": (
        lambda x: F.instance_norm(x, torch.ones(2), torch.full((2,), 4.0), use_input_stats=False),
        (1, 2, 8),
    ),
    "ordering": (lambda x: torch.median(x, 1).values, (2, 7)),
    "padding": (lambda x: F.pad(x, (2, 1), mode="circular"), (1, 2, 8)),
    "pooling": (lambda x: F.adaptive_max_pool1d(x, 3), (1, 2, 8)),
    "powers": (lambda x: torch.pow(x, 3), (2, 8)),
    "products": (lambda x: torch.einsum("bii->bi", x), (2, 4, 4)),
    "quantizers": (lambda x: torch.fake_quantize_per_tensor_affine(x, 0.1, 0, -128, 127), (2, 8)),
    "recurrence": (_recurrent, (1, 5, 8)),
    "resizing": (lambda x: F.interpolate(x, 13, mode="nearest-exact"), (1, 2, 8)),
    "scattering": (lambda x: torch.zeros(2, 8).index_add(1, torch.tensor([0, 3]), x[:, :2]), (2, 8)),
    "statistics": (lambda x: x.std(), (2, 8)),
    "stft": (lambda x: torch.stft(x, 16, 4, window=torch.hann_window(16), return_complex=True).abs(), (1, 64)),
    "striding": (lambda x: torch.as_strided(x, (3, 4), (2, 1)) * 2, (1, 16)),
    "traced_convolution": (
        lambda x: torch.ops.aten._convolution(
            x, torch.ones(2, 2, 3), None, [1], [0], [1], False, [0], 1, False, False, False, False
        ),
        (1, 2, 8),
    ),
    "transposed_convolution": (lambda x: F.conv_transpose1d(x, torch.ones(2, 2, 3), stride=2, padding=1), (1, 2, 8)),
    "writing": (lambda x: F.one_hot((x > 0).long()[0], 3) * 2, (2, 8)),
}
"""by the rewrite's file: a formula that needs it, and the shape of its input"""


def _rewrites() -> dict[str, str]:
    """Names of all rewrites there are, by their files: those that replace ops, and those that say a name."""
    files = sorted(path.stem for path in Path(room.__file__).parent.glob("[a-z]*.py"))
    modules = {file: importlib.import_module(f"packager.rewrites.torch.{file}") for file in files}
    return {file: module.NAME for file, module in modules.items() if hasattr(module, "NAME")}


def test_every_rewrite_has_a_case() -> None:
    assert set(CASES) == set(_rewrites())


@pytest.mark.parametrize("file", CASES)
def test_a_rewrite_is_applied_and_changes_nothing(prove: Callable[..., Any], file: str) -> None:
    formula, shape = CASES[file]
    x = torch.randn(shape, generator=torch.Generator().manual_seed(5)) * 0.5
    snr_db, applied = prove(formula() if formula is _recurrent else formula, x)
    assert _rewrites()[file] in applied
    assert snr_db >= LEAST_DB
