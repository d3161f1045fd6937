"""What PyTorch models may be beside plain float32 modules, and what is said of those that have no fixed form."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pytest

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402
from torch.nn.utils.rnn import pack_padded_sequence  # noqa: E402

from packager.errors import PackagingError  # noqa: E402
from packager.rewrites.torch import rewrite_program  # noqa: E402

pytestmark = [
    pytest.mark.pytorch,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # torch's, of TorchScript
]


class Cast(nn.Module):
    """A body of 16 bits, which `forward` casts to by name, by method and by what a table has."""

    def __init__(self, half: Any, how: str) -> None:
        super().__init__()
        self.front, self.body, self.how = nn.Linear(8, 6), nn.Linear(6, 4).to(half), how
        self.register_buffer("table", torch.linspace(0, 1, 6, dtype=torch.float64))
        self.half = half

    def forward(self, x: Any) -> Any:
        x = self.front(x) * self.table
        if self.how == "to":
            x = x.to(self.half)
        elif self.how == "method":
            x = x.bfloat16() if self.half is torch.bfloat16 else x.half()
        else:
            x = x.float() + torch.ones(6, dtype=self.half)
            x = x.to(dtype=self.half)
        return torch.softmax(self.body(x).float(), -1)


class Whole(nn.Module):
    """All weights of 16 bits, and an input cast to them."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Linear(8, 4).half()

    def forward(self, x: Any) -> Any:
        return self.body(x.half()).float()


@pytest.mark.parametrize("how", ["to", "method", "factory"])
@pytest.mark.parametrize("half", ["bfloat16", "float16"])
def test_casts_to_16_bits_follow_the_weights(load_model: Any, same_when_exported: Any, half: str, how: str) -> None:
    source = load_model(Cast(getattr(torch, half), how).eval(), torch.randn(3, 8))
    assert {tensor.dtype for tensor in source.module.parameters()} == {torch.float32}
    same_when_exported(source)


def test_a_model_that_is_half_throughout_is_widened_too(load_model: Any, same_when_exported: Any) -> None:
    same_when_exported(load_model(Whole().eval(), torch.randn(3, 8)))


class Passage(nn.Module):
    """Computes a part in another type than float32."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how, self.body = how, nn.Linear(8, 8)

    def forward(self, x: Any) -> Any:
        if self.how == "autocast":
            with torch.autocast("cpu", dtype=torch.bfloat16):
                y = self.body(x).relu()
            return y.float()
        if self.how == "autocast off":
            with torch.autocast("cpu", enabled=False):
                return self.body(x.float())
        if self.how == "float64":
            return ((x.double() + 1e4) - 1e4).float()
        return self.body(x.to(getattr(torch, self.how)).float())


PASSAGES = {"autocast": (30.0, 60.0), "bfloat16": (30.0, 70.0), "float16": (60.0, 90.0), "float64": (50.0, 90.0)}


@pytest.mark.parametrize("how", PASSAGES)
def test_passages_in_other_types_are_computed_in_float32_and_the_loss_is_told(
    load_model: Any, same_when_exported: Any, how: str
) -> None:
    torch.manual_seed(0)
    module, x = Passage(how).eval(), torch.randn(64, 8)
    with torch.no_grad():
        own = module(x)
    source = load_model(module, x)
    found = torch.from_numpy(source.run({"x": x.numpy()})["output"])
    snr_db = float(10 * torch.log10(own.square().sum() / (own - found).square().sum()))
    least, most = PASSAGES[how]
    assert least < snr_db < most
    assert source.types is not None
    assert source.types.endswith(f"its outputs change by that: {snr_db:.1f} dB SNR")
    assert {"autocast": "bfloat16"}.get(how, how) in source.types
    same_when_exported(source)


def test_what_is_float32_throughout_is_left_alone(load_model: Any, same_when_exported: Any) -> None:
    module = Passage("autocast off").eval()
    source = load_model(module, torch.randn(3, 8))
    assert source.types is None
    same_when_exported(source)


def test_a_trial_in_a_models_own_types_leaves_no_trace(load_model: Any) -> None:
    class Remembering(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("level", torch.zeros(8))
            self.calls: list[int] = []

        def forward(self, x: Any) -> Any:
            self.level.add_(1)
            self.calls.append(1)
            self.seen = x
            return x.half().float() + len(self.calls) + self.level

    module = Remembering()
    with pytest.raises(PackagingError, match=r"forward writes (calls|level)"):
        load_model(module, torch.randn(1, 8))
    assert int(module.level[0]) == len(module.calls) == 2  # the loader's own two calls


class Plain(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(8, 8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.linear(x))


def _swish(x: torch.Tensor) -> torch.Tensor:
    return x * torch.sigmoid(x)


class Swish(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.swish = torch.jit.script(_swish)

    def forward(self, x: Any) -> Any:
        return self.swish(x)


SCRIPTED: dict[str, Callable[[], Any]] = {
    "scripted": lambda: torch.jit.script(Plain().eval()),
    "traced": lambda: torch.jit.trace(Plain().eval(), torch.randn(1, 8)),
    "with a scripted part": lambda: nn.Sequential(torch.jit.script(Plain()), nn.Linear(8, 3)),
    "with a scripted part deep within": lambda: nn.Sequential(nn.Sequential(Plain(), torch.jit.script(Plain()))),
    "with a traced part": lambda: nn.Sequential(torch.jit.trace(Plain(), torch.randn(1, 8)), nn.Linear(8, 3)),
    "with a scripted function": Swish,
}


@pytest.mark.parametrize("kind", SCRIPTED)
def test_scripted_models_are_exported(load_model: Any, same_when_exported: Any, kind: str) -> None:
    same_when_exported(load_model(SCRIPTED[kind]().eval(), torch.randn(1, 8)))


def test_numbers_without_dimensions_are_given_as_one_value(load_model: Any, same_when_exported: Any) -> None:
    class Gain(nn.Module):
        def forward(self, x: Any, gain: Any, count: Any) -> Any:
            return x * gain + count.reshape(1, 1) if gain.ndim == 0 else None

    source = load_model(Gain(), torch.randn(1, 8), torch.tensor(0.5), torch.tensor(3))
    assert [tensor.shape for tensor in source.inputs.values()] == [(1, 8), (1,), (1,)]
    same_when_exported(source)


class Level(nn.Module):
    """Remembers in one of several ways."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how = how
        self.register_buffer("level", torch.zeros(1))
        self.last = torch.zeros(1)
        self.calls = 0

    def forward(self, x: Any) -> Any:
        mean = x.abs().mean()[None]
        if self.how == "written":
            self.level.mul_(0.9).add_(0.1 * mean)
        elif self.how == "replaced":
            self.level = 0.9 * self.level + 0.1 * mean
        elif self.how == "attribute":
            self.last = self.last + mean
        elif self.how == "kept for later":
            self.last = mean  # as attention maps are, for a look at them
        elif self.how == "counted":
            self.calls += 1
        return x / (self.level + self.calls + self.last * (self.how != "kept for later") + 0.1)


@pytest.mark.parametrize(
    ("how", "name"), [("written", "level"), ("replaced", "level"), ("attribute", "last"), ("counted", "calls")]
)
def test_what_forward_keeps_from_call_to_call_is_named(load_model: Any, how: str, name: str) -> None:
    with pytest.raises(PackagingError) as caught:
        load_model(nn.Sequential(Level(how)), torch.randn(1, 8))
    said = str(caught.value)
    assert said.startswith(f"given.py:build: forward writes 0.{name}, which the module keeps from call to call")
    assert said.endswith("bind them in [model.state]")


def test_what_is_written_and_changes_nothing_is_let_pass(load_model: Any, same_when_exported: Any) -> None:
    same_when_exported(load_model(Level("kept for later"), torch.randn(1, 8)))


def test_tensors_of_any_kind_may_be_held(load_model: Any) -> None:
    class Holding(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            with torch.inference_mode():
                self.register_buffer("made", torch.ones(8))
            self.sparse = torch.eye(3).to_sparse()
            self.table = {"a": [torch.ones(2)], "b": None}

        def forward(self, x: Any) -> Any:
            return x + 1

    source = load_model(Holding(), torch.randn(1, 8))
    assert list(source.outputs) == ["output"]


class Loud(nn.Module):
    def forward(self, x: Any) -> Any:
        while x.abs().max() > 1.0:
            x = x / 2
        return x


class Counted(nn.Module):
    def forward(self, x: Any) -> Any:
        return x[:, : int(x.abs().max())]


class Packed(nn.Module):
    """Looks into what is packed, whose size depends on the lengths."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(8, 4, batch_first=True)

    def forward(self, x: Any, lengths: Any) -> Any:
        packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        return self.lstm(packed)[0].data[: int(lengths.sum())]


class Masked(nn.Module):
    def forward(self, x: Any) -> Any:
        return x[x > 0]


class Repeated(nn.Module):
    def forward(self, x: Any) -> Any:
        return torch.repeat_interleave(x[0], (x[0, :, 0].abs() + 1).long(), dim=0)


UNFOLLOWED: list[tuple[Any, tuple[Any, ...], tuple[str, ...]]] = [
    (Loud(), (torch.randn(1, 8),), ("how often forward repeats", "(at test_torch_models.py:", "torch.where")),
    (Counted(), (torch.randn(1, 8) * 3,), ("depends on the data", "x[:, : int(x.abs().max())]", "leave it a tensor")),
    (Packed(), (torch.randn(2, 5, 8), torch.tensor([5, 3])), ("packed sequences have no fixed shape", "self.lstm(pac")),
    (Masked(), (torch.randn(1, 8),), ("depends on the data", "x[x > 0]", "multiply with the mask")),
    (Repeated(), (torch.randn(1, 5, 8),), ("depends on the data", "repeat_interleave", "say output_size")),
]


@pytest.mark.slow
@pytest.mark.parametrize(("module", "tensors", "words"), UNFOLLOWED, ids=lambda one: type(one).__name__)
def test_what_has_no_fixed_form_is_told_with_what_to_write(
    load_model: Any, module: Any, tensors: tuple[Any, ...], words: tuple[str, ...]
) -> None:
    source = load_model(module.eval(), *tensors)
    with pytest.raises(PackagingError) as caught, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        rewrite_program(source.program)
    said = str(caught.value)
    assert all(word in said for word in words), said
    assert "\n" not in said


def test_repeats_of_a_known_length_are_a_gather(load_model: Any, same_when_exported: Any) -> None:
    class Regulated(nn.Module):
        def forward(self, x: Any) -> Any:
            counts = (x[0, :, 0].abs() * 0).long() + torch.tensor([2, 0, 3, 1, 1])
            return torch.repeat_interleave(x[0], counts, dim=0, output_size=7)

    same_when_exported(load_model(Regulated(), torch.randn(1, 5, 8)))
