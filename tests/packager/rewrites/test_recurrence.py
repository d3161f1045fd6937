"""Recurrent layers, whole stacks of every kind, in both formats: against torch, and as loops that do not grow."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evaluators.targets import open_model
from packager.compression import Context
from packager.errors import PackagingError
from packager.formats.coreml import from_torch as torch_to_coreml
from packager.formats.tflite import from_torch as torch_to_tflite
from packager.formats.tflite.compression import compress
from packager.rewrites.torch import rewrite_program
from packager.rewrites.torch.told_shapes import tell_shapes
from packager.sources import SourceTensor
from packager.sources.torch import TorchSource

torch = pytest.importorskip("torch")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.pytorch,
    pytest.mark.coreml,
    pytest.mark.tflite,
    pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN"),
]

BATCH, INPUTS, SIZE, PROJECTED = 3, 8, 6, 4
FRAMES = {"x": 11, "long": 53}
"""One loop is enough for the first; the second takes two, and its chunks of 8 frames overlap"""

FLOAT32_DB = 100.0
"""Single precision leaves about 140; a wrong gate or bias less than 40"""
FLOAT16_DB = 45.0
"""Core ML rounds each frame's state to 11 bits; about 60 in these few frames"""


@dataclass(frozen=True)
class Specimen:
    """A stack of layers, and how it is called."""

    kind: str
    layers: int
    bidirectional: bool
    batch_first: bool = False
    bias: bool = True
    given_states: bool = False
    projected: bool = False
    frames: str = "x"

    @property
    def name(self) -> str:
        ways = "both" if self.bidirectional else "forward"
        options = [o for o in ("batch_first", "given_states", "projected") if getattr(self, o)]
        return "_".join([self.kind, str(self.layers), ways, *options, *([] if self.bias else ["no_bias"]), self.frames])

    def build(self) -> Any:
        options = {"num_layers": self.layers, "bidirectional": self.bidirectional, "bias": self.bias, "dropout": 0.0}
        options |= {"batch_first": self.batch_first}
        if self.kind == "lstm":
            return torch.nn.LSTM(INPUTS, SIZE, **options, proj_size=PROJECTED if self.projected else 0)
        if self.kind == "gru":
            return torch.nn.GRU(INPUTS, SIZE, **options)
        return torch.nn.RNN(INPUTS, SIZE, **options, nonlinearity=self.kind.removeprefix("rnn_"))

    def call(self, module: Any, inputs: Mapping[str, Any]) -> list[Any]:
        """Outputs and last states."""
        count = self.layers * (2 if self.bidirectional else 1)
        x = inputs[self.frames].transpose(0, 1) if self.batch_first else inputs[self.frames]
        h = inputs["h"][:count, :, : PROJECTED if self.projected else SIZE]
        states = [h, inputs["c"][:count]] if self.kind == "lstm" else h
        y, last = module(x, states) if self.given_states else module(x)
        return [y, *(last if self.kind == "lstm" else [last])]


KINDS = ("lstm", "gru", "rnn_tanh", "rnn_relu")
SPECIMENS = [
    *(Specimen(kind, 1, bidirectional=False, batch_first=True, bias=False) for kind in KINDS),
    *(Specimen(kind, 1, bidirectional=True, given_states=True) for kind in KINDS),
    *(Specimen(kind, 2, bidirectional=False, given_states=True) for kind in KINDS),
    *(Specimen(kind, 2, bidirectional=True, batch_first=True, given_states=True, frames="long") for kind in KINDS),
    Specimen("lstm", 1, bidirectional=False, projected=True, bias=False),
    Specimen("lstm", 2, bidirectional=True, projected=True, given_states=True, frames="long"),
]


class Every(torch.nn.Module):
    """All specimens side by side, so that a format's converter runs once."""

    def __init__(self) -> None:
        super().__init__()
        self.stacks = torch.nn.ModuleList(specimen.build() for specimen in SPECIMENS)

    def forward(self, x: Any, long: Any, h: Any, c: Any) -> dict[str, Any]:
        inputs = {"x": x, "long": long, "h": h, "c": c}
        return {
            f"{specimen.name}_{index}": value
            for specimen, stack in zip(SPECIMENS, self.stacks, strict=True)
            for index, value in enumerate(specimen.call(stack, inputs))
        }


class Stack(torch.nn.Module):
    """One stack, its outputs only."""

    def __init__(self, stack: Any) -> None:
        super().__init__()
        self.stack = stack

    def forward(self, x: Any) -> dict[str, Any]:
        return {"y": self.stack(x)[0]}


def make_source(module: Any, inputs: Mapping[str, Any]) -> TorchSource:
    def describe(values: Mapping[str, Any]) -> dict[str, SourceTensor]:
        return {name: SourceTensor(tuple(value.shape), "float32") for name, value in values.items()}

    module.eval()
    with torch.no_grad():
        outputs = module(*inputs.values())
    return TorchSource(module, describe(inputs), describe(outputs), tuple(inputs.values()), "test")


def random_tensors(**shapes: tuple[int, ...]) -> dict[str, Any]:
    generator = torch.Generator().manual_seed(4)
    return {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}


def write(converter: Any, source: TorchSource, precision: str, path: Path) -> Path:
    logging.getLogger().setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the converters' own
        with tell_shapes():
            _ = source.program
        assert converter.prepare(source, Context())(precision, path) == ("constant_folding", "recurrence")
    return path


def snr_db(expected: Any, found: Any) -> float:
    assert expected.shape == found.shape
    error = float(np.square(expected - found, dtype=np.float64).sum())
    return np.inf if error == 0 else 10 * float(np.log10(np.square(expected, dtype=np.float64).sum() / error))


def run(path: Path, inputs: Mapping[str, Any]) -> dict[str, Any]:
    return open_model(path).run({name: tensor.numpy() for name, tensor in inputs.items()})


@dataclass(frozen=True)
class Converted:
    """What all specimens gave, by model and output."""

    source: dict[str, Any]
    models: Mapping[str, dict[str, Any]]


@pytest.fixture(scope="module")
def every() -> tuple[Any, dict[str, Any]]:
    """All specimens, and what they are called with."""
    torch.manual_seed(1)
    states = (4, BATCH, SIZE)
    inputs = random_tensors(**{name: (n, BATCH, INPUTS) for name, n in FRAMES.items()}, h=states, c=states)
    return Every().eval(), inputs


@pytest.fixture(scope="module")
def converted(every: tuple[Any, dict[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> Converted:
    module, inputs = every
    source, folder = make_source(module, inputs), tmp_path_factory.mktemp("recurrence")
    tflite = write(torch_to_tflite, source, "float32", folder / "model.tflite")
    coreml = {name: folder / f"{name}.mlpackage" for name in ("float32", "float16")}
    for precision, path in coreml.items():
        write(torch_to_coreml, source, precision, path)
    return Converted(
        source.run({name: tensor.numpy() for name, tensor in inputs.items()}),
        {"tflite": run(tflite, inputs)} | {f"coreml-{name}": run(path, inputs) for name, path in coreml.items()},
    )


@pytest.mark.parametrize(
    ("model", "least_db"), [("tflite", FLOAT32_DB), ("coreml-float32", FLOAT32_DB), ("coreml-float16", FLOAT16_DB)]
)
@pytest.mark.parametrize("specimen", SPECIMENS, ids=lambda specimen: specimen.name)
def test_every_stack_is_torchs(converted: Converted, specimen: Specimen, model: str, least_db: float) -> None:
    names = [name for name in converted.source if name.rpartition("_")[0] == specimen.name]
    assert len(names) == (3 if specimen.kind == "lstm" else 2)
    found = {name: snr_db(converted.source[name], converted.models[model][name]) for name in names}
    assert min(found.values()) >= least_db, found


@pytest.fixture(scope="module")
def bilstms(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """A two-layer bidirectional LSTM as TFLite files, by the number of frames."""
    torch.manual_seed(2)
    stack, folder = Stack(torch.nn.LSTM(64, 32, 2, bidirectional=True)), tmp_path_factory.mktemp("bilstms")
    sources = {frames: make_source(stack, random_tensors(x=(frames, 1, 64))) for frames in (64, 1024)}
    return {frames: write(torch_to_tflite, s, "float32", folder / f"{frames}.tflite") for frames, s in sources.items()}


WEIGHT_BYTES = 4 * (2 * (128 * 64 + 128 * 32) + 2 * (128 * 64 + 128 * 32) + 4 * 256)


def test_a_file_is_hardly_larger_than_its_weights(bilstms: dict[int, Path]) -> None:
    assert len(bilstms) > 1
    for path in bilstms.values():
        assert path.stat().st_size <= 1.3 * WEIGHT_BYTES


def test_a_file_does_not_grow_with_the_frames(bilstms: dict[int, Path]) -> None:
    short, long = (path.stat().st_size for path in bilstms.values())
    assert long <= short + 1024  # shapes and row numbers of the longer chunks


def test_a_call_does_not_start_where_the_one_before_ended(bilstms: dict[int, Path]) -> None:
    model = open_model(bilstms[64])
    first, second = np.random.default_rng(0).standard_normal((2, 64, 1, 64)).astype(np.float32)
    alone = model.run({"x": first})["y"]
    model.run({"x": second})
    np.testing.assert_array_equal(model.run({"x": first})["y"], alone)


# The quantizer rounds the weights only, the runtime also what it multiplies by them; states stay float32.
@pytest.mark.parametrize(
    ("precision", "least_db", "most_bytes"),
    [("float16", 60.0, 0.8), ("dynamic_wi8_afp32", 30.0, 0.6), ("weight_only_wi8_afp32", 30.0, 0.6)],
)
def test_quantized_loops_run(
    bilstms: dict[int, Path], tmp_path: Path, precision: str, least_db: float, most_bytes: float
) -> None:
    float32 = bilstms[1024]
    path = tmp_path / f"{precision}.tflite"
    path.write_bytes(compress(float32.read_bytes(), precision, Context()))
    inputs = random_tensors(x=(1024, 1, 64))
    assert snr_db(run(float32, inputs)["y"], run(path, inputs)["y"]) >= least_db
    assert path.stat().st_size <= most_bytes * WEIGHT_BYTES


class Modulated(torch.nn.Module):
    """A GRU whose weights hang on the input."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = torch.nn.GRU(INPUTS, SIZE)

    def forward(self, x: Any) -> dict[str, Any]:
        weights = [weight * x.mean() for weight in self.inner._flat_weights]
        h = torch.zeros(1, x.shape[1], SIZE)
        return {"y": torch.gru(x, h, weights, True, 1, 0.0, False, False, False)[0]}


def test_weights_may_be_computed_in_tflite(tmp_path: Path) -> None:
    inputs = random_tensors(x=(50, 2, INPUTS))
    source = make_source(Modulated(), inputs)
    found = run(write(torch_to_tflite, source, "float32", tmp_path / "model.tflite"), inputs)
    expected = source.run({name: tensor.numpy() for name, tensor in inputs.items()})
    assert snr_db(expected["y"], found["y"]) >= FLOAT32_DB


@pytest.mark.filterwarnings("ignore:Implicitly cleaning up:ResourceWarning")  # coremltools' own, when it fails
def test_computed_weights_are_refused_for_coreml(tmp_path: Path) -> None:
    source = make_source(Modulated(), random_tensors(x=(5, 2, INPUTS)))
    with pytest.raises(PackagingError, match="weights depend on the model's input; Core ML takes them as constants"):
        write(torch_to_coreml, source, "float32", tmp_path / "model.mlpackage")


def export(module: Any, inputs: Mapping[str, Any]) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own
        return torch.export.export(module, tuple(inputs.values()), strict=False)


def test_the_rewritten_program_computes_what_torch_does(every: tuple[Any, dict[str, Any]]) -> None:
    module, inputs = every
    with tell_shapes(), torch.no_grad():
        rewritten = rewrite_program(export(module, inputs))
        expected, found = module(*inputs.values()), rewritten.program.module()(*inputs.values())
    assert rewritten.applied == ("constant_folding", "recurrence")
    for name, value in expected.items():  # not bit by bit: torch takes kernels of the processor's own for some layers
        torch.testing.assert_close(found[name], value, rtol=1e-5, atol=1e-6)


def test_shapes_told_at_once_are_those_found_frame_by_frame(every: tuple[Any, dict[str, Any]]) -> None:
    """Layout in memory included: whether a later `view` is allowed hangs on it."""
    module, inputs = every[0], {name: value[:5] if name in FRAMES else value for name, value in every[1].items()}
    plain = export(module, inputs)
    with tell_shapes():
        told = export(module, inputs)
    assert str(told.graph) == str(plain.graph)
    assert [_layout(node) for node in told.graph.nodes] == [_layout(node) for node in plain.graph.nodes]
    real = {name: value.stride() for name, value in module(*inputs.values()).items()}
    (output,) = (node for node in told.graph.nodes if node.op == "output")
    assert [node.meta["val"].stride() for node in output.args[0]] == list(real.values())


def _layout(node: Any) -> list[Any]:
    values = torch.utils._pytree.tree_leaves(node.meta.get("val"))
    return [(value.shape, value.stride(), value.dtype) for value in values if isinstance(value, torch.Tensor)]


def test_the_export_of_a_constant_computes_while_shapes_are_told() -> None:
    stack = torch.nn.GRU(INPUTS, SIZE)
    x = random_tensors(x=(5, 2, INPUTS))["x"]
    with tell_shapes():
        inside = stack(x)[0]
    assert torch.equal(inside, stack(x)[0])


def test_dropout_in_training_is_refused() -> None:
    program = export(torch.nn.GRU(INPUTS, SIZE, 2, dropout=0.5).train(), random_tensors(x=(5, 1, INPUTS)))
    with pytest.raises(PackagingError, match=r"dropout of 0\.5 is active; call eval\(\)"):
        rewrite_program(program)


def test_a_number_of_frames_that_varies_is_refused_for_tflite() -> None:
    module, x = Stack(torch.nn.GRU(INPUTS, SIZE)).eval(), torch.zeros(5, 1, INPUTS)
    with warnings.catch_warnings(), tell_shapes():
        warnings.simplefilter("ignore")  # torch's own
        shapes = ({0: torch.export.Dim("frames", min=2, max=50)},)
        program = torch.export.export(module, (x,), dynamic_shapes=shapes, strict=False)
        with pytest.raises(PackagingError, match="a recurrent layer in TFLite needs a fixed number of frames"):
            torch_to_tflite.lower(rewrite_program(program).program, ("x",))
