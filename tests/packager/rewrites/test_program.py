"""The rewriting itself: what is folded, kept, named, and said."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from packager.rewrites.torch import rewrite_program

torch = pytest.importorskip("torch")

pytestmark = [pytest.mark.slow, pytest.mark.pytorch]


class Net(torch.nn.Module):
    """Inputs by name and in a dictionary, outputs in one; a parameter in a submodule, a buffer, a region."""

    def __init__(self) -> None:
        super().__init__()
        self.head = torch.nn.Linear(33, 4)
        self.register_buffer("window", torch.hann_window(64), persistent=False)

    def forward(self, samples: Any, options: dict[str, Any], *, gain: Any) -> dict[str, Any]:
        with torch.no_grad():
            spectrum = torch.stft(samples * gain, 64, 16, window=self.window, return_complex=True)
        return {"logits": self.head(spectrum.abs().transpose(1, 2)) + options["offset"], "spectrum": spectrum}


def _net() -> tuple[Any, tuple[Any, ...], dict[str, Any]]:
    torch.manual_seed(0)
    return Net().eval(), (torch.randn(1, 256), {"offset": torch.randn(4)}), {"gain": torch.tensor([2.0])}


def test_names_weights_and_structure_stay() -> None:
    net, arguments, keywords = _net()
    rewritten = rewrite_program(torch.export.export(net, arguments, keywords, strict=False))
    program = rewritten.program
    assert rewritten.applied == ("complex_numbers", "constant_folding", "stft")
    assert program.graph_signature.user_inputs == ("samples", "options_offset", "gain")
    assert set(program.graph_signature.parameters) == {"head.weight", "head.bias"}
    assert program.state_dict["head.weight"].data_ptr() == net.head.weight.data_ptr()
    expected, found = net(*arguments, **keywords), program.module()(*arguments, **keywords)
    torch.testing.assert_close(found["logits"], expected["logits"], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(found["spectrum"], torch.view_as_real(expected["spectrum"]), atol=1e-5, rtol=1e-5)


def test_nodes_know_the_users_line() -> None:
    net, arguments, keywords = _net()
    program = rewrite_program(torch.export.export(net, arguments, keywords, strict=False)).program
    (product,) = (node for node in program.graph.nodes if node.target is torch.ops.aten.linear.default)
    assert 'self.head(spectrum.abs().transpose(1, 2)) + options["offset"]' in product.stack_trace
    frames = [node for node in program.graph.nodes if node.target is torch.ops.aten.cat.default]
    assert frames
    assert all("spectrum = torch.stft(samples * gain" in node.stack_trace for node in frames)


def test_what_needs_nothing_is_the_same_program() -> None:
    net = torch.nn.Sequential(torch.nn.Conv1d(4, 4, 3), torch.nn.ReLU(inplace=True)).eval()
    program = torch.export.export(net, (torch.randn(1, 4, 20),), strict=False)
    rewritten = rewrite_program(program)
    assert rewritten.program is program
    assert rewritten.applied == ()


def test_the_given_program_is_not_changed() -> None:
    net, arguments, keywords = _net()
    program = torch.export.export(net, arguments, keywords, strict=False)
    before = str(program)
    rewrite_program(program)
    assert str(program) == before


def test_an_unknown_op_on_complex_numbers_is_named_with_its_line(refusal: Any, audio: SimpleNamespace) -> None:
    class Rank(torch.nn.Module):
        def forward(self, x: Any) -> Any:
            spectrum = torch.fft.rfft(x)
            return torch.linalg.svdvals(spectrum.reshape(3, 17))

    message = refusal(Rank(), audio.noise(100))
    assert "linalg_svdvals" in message
    assert "torch.linalg.svdvals(spectrum.reshape(3, 17))" in message
    assert "test_program.py" in message


def _folds(module: Any, *tensors: Any) -> Any:
    return rewrite_program(torch.export.export(module.eval(), tensors, strict=False)).program


def _ops(program: Any) -> list[str]:
    return [str(node.target).split(".")[1] for node in program.graph.nodes if node.op == "call_function"]


def test_constants_are_computed_once(audio: SimpleNamespace) -> None:
    class Windowed(torch.nn.Module):
        def forward(self, x: Any) -> Any:
            mask = torch.ones(16, 16).tril()
            mask[3] = 0  # written to in place, and known all the same
            return (x * torch.hann_window(16) + torch.linspace(0, 1, 16)) @ mask

    program = _folds(Windowed(), audio.noise(2, 16))
    assert _ops(program) == ["mul", "add", "matmul"]
    torch.testing.assert_close(program.module()(audio.noise(2, 16)), Windowed()(audio.noise(2, 16)))


def test_weights_are_computed_once(audio: SimpleNamespace) -> None:
    module = torch.nn.utils.parametrizations.weight_norm(torch.nn.Conv1d(8, 8, 3))
    program = _folds(module, audio.noise(1, 8, 20))
    assert _ops(program) == ["conv1d"]
    assert sorted(program.state_dict) == ["bias"]  # what the weight was computed from is gone
    torch.testing.assert_close(program.module()(audio.noise(1, 8, 20)), module(audio.noise(1, 8, 20)))


def test_shapes_computed_by_tensors_are_numbers(audio: SimpleNamespace) -> None:
    """As in EnCodec, whose padding comes from a tensor of the length."""

    class Padded(torch.nn.Module):
        def forward(self, x: Any) -> Any:
            frames = torch.ceil(torch.tensor((x.shape[-1] - 7) / 5 + 1)).to(torch.int64)
            extra = int((frames - 1) * 5 + 7) - x.shape[-1]
            return torch.nn.functional.pad(x, (2, 3 + extra), mode="reflect")

    program = _folds(Padded(), audio.noise(1, 2, 33))
    assert not {"item", "_local_scalar_dense", "ceil"} & set(_ops(program))
    torch.testing.assert_close(program.module()(audio.noise(1, 2, 33)), Padded()(audio.noise(1, 2, 33)))


def test_state_and_noise_are_no_constants(audio: SimpleNamespace) -> None:
    class Stateful(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("last", torch.zeros(1, 4))

        def forward(self, x: Any) -> Any:
            y = torch.cat([torch.sin(self.last), x], -1) + 0 * torch.rand(1)
            self.last.copy_(x[:, -4:])
            return torch.fft.rfft(y).abs()

    program = _folds(Stateful(), audio.noise(1, 16))
    assert {"sin", "rand"} <= set(_ops(program))
    run = program.module()
    first, second = run(audio.noise(1, 16)), run(audio.noise(1, 16))
    assert not torch.allclose(first, second)


def test_large_tables_are_not_spread(audio: SimpleNamespace) -> None:
    class Biased(torch.nn.Module):
        def forward(self, x: Any) -> Any:
            return x + torch.arange(1000).float().sqrt()[None].expand(1000, 1000)

    program = _folds(Biased(), audio.noise(1000, 1000))
    assert sum(value.numel() for value in program.constants.values()) == 1000


def test_open_dimensions_stay_open(audio: SimpleNamespace) -> None:
    class Turned(torch.nn.Module):
        def forward(self, x: Any) -> Any:
            return torch.view_as_real(torch.view_as_complex(x.reshape(x.shape[0], -1, 2)) * 2j)

    batch = torch.export.Dim("batch", min=2, max=64)
    program = torch.export.export(Turned(), (audio.noise(3, 8),), dynamic_shapes={"x": {0: batch}}, strict=False)
    found = rewrite_program(program).program.module()(audio.noise(5, 8))
    torch.testing.assert_close(found, Turned()(audio.noise(5, 8)))
