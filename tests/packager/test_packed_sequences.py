"""Packed sequences as padded frames, against torch's own, also for other lengths than the example's."""

from __future__ import annotations

import warnings
from typing import Any

import pytest

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence  # noqa: E402

from packager.errors import PackagingError  # noqa: E402
from packager.rewrites.torch import rewrite_program  # noqa: E402

pytestmark = [pytest.mark.pytorch, pytest.mark.filterwarnings("ignore::UserWarning")]  # torch's own, of export

FRAMES = 12
LENGTHS = ([12, 7], [5, 9], [12, 1], [3, 3])


class Encoder(nn.Module):
    """A recurrence over packed clips; its frames, all its last states, and lengths."""

    def __init__(self, kind: str, *, sort: bool = False, total: bool = True, **options: Any) -> None:
        super().__init__()
        self.body = getattr(nn, kind)(6, 5, **options)
        self.sort, self.total, self.first = sort, total, bool(options.get("batch_first"))

    def forward(self, x: Any, lengths: Any) -> Any:
        x = x if self.first else x.transpose(0, 1)
        packed = pack_padded_sequence(x, lengths, batch_first=self.first, enforce_sorted=self.sort)
        packed = PackedSequence(packed.data * 2, *packed[1:])
        y, last = self.body(packed)
        total = FRAMES if self.total else None
        y, counts = pad_packed_sequence(y, batch_first=self.first, padding_value=-1.0, total_length=total)
        return {"y": y if self.first else y.transpose(0, 1), "counts": counts, **_name(last)}


def _name(last: Any) -> dict[str, Any]:
    return {f"last_{number}": one for number, one in enumerate(last if isinstance(last, tuple) else [last])}


ENCODERS = {
    "LSTM": Encoder("LSTM", batch_first=True),
    "two layers, both directions": Encoder("LSTM", num_layers=2, bidirectional=True, batch_first=True),
    "projected": Encoder("LSTM", proj_size=3, bidirectional=True, batch_first=True),
    "GRU, frames first": Encoder("GRU", num_layers=2, bidirectional=True),
    "RNN without biases": Encoder("RNN", bias=False, batch_first=True),
    "no length said": Encoder("LSTM", batch_first=True, total=False),
}


def _call(lengths: list[int], seed: int = 0) -> tuple[Any, Any]:
    return torch.randn(2, FRAMES, 6, generator=torch.Generator().manual_seed(seed)), torch.tensor(lengths)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ENCODERS)
def test_other_lengths_are_torchs_too(load_model: Any, kind: str) -> None:
    torch.manual_seed(0)
    model = ENCODERS[kind].eval()
    source = load_model(model, *_call(LENGTHS[0]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own, of export
        rewritten = rewrite_program(source.program)
    assert "packed_sequences" in rewritten.applied
    for seed, lengths in enumerate(LENGTHS):
        x, counts = _call(lengths, seed)
        expected, found = model(x, counts), rewritten.program.module()(x, counts.to(torch.int32))
        for name, one in expected.items():
            other = found[name][:, : one.shape[1]] if name == "y" else found[name]
            torch.testing.assert_close(other.to(one.dtype), one, rtol=1e-5, atol=1e-6)


def test_frames_in_order_of_their_lengths(load_model: Any) -> None:
    model = Encoder("GRU", sort=True, batch_first=True).eval()
    source = load_model(model, *_call([12, 7]))
    x, counts = _call([9, 4], 3)
    found = source.program.module()(x, counts.to(torch.int32))
    torch.testing.assert_close(found["y"], model(x, counts)["y"], rtol=1e-5, atol=1e-6)


def test_a_length_that_no_clip_of_the_example_has_is_one_message(load_model: Any) -> None:
    source = load_model(Encoder("LSTM", batch_first=True, total=False).eval(), *_call([10, 7]))
    with pytest.raises(PackagingError, match=r"output y has the shape \[2, 10, 5\].*say total_length"):
        _ = source.program


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["two layers, both directions", "GRU, frames first"])
def test_both_formats_take_lengths(load_model: Any, tmp_path: Any, kind: str) -> None:
    import gc
    import logging

    from evaluators.targets import open_model
    from packager.compression import Context
    from packager.formats import prepare

    logging.getLogger().setLevel(logging.ERROR)
    model = ENCODERS[kind].eval()
    source = load_model(model, *_call(LENGTHS[0]))
    for format_, file in (("tflite", "m.tflite"), ("coreml", "m.mlpackage")):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the converters' own
            prepare("torch", format_, source, Context())("float32", tmp_path / file)
            gc.collect()  # coremltools' temporary folders, which warn when they are found lying around later
        for seed, lengths in enumerate(LENGTHS):
            x, counts = _call(lengths, seed)
            found = open_model(tmp_path / file).run({"x": x.numpy(), "lengths": counts.to(torch.int32).numpy()})
            for name, one in model(x, counts).items():
                other = torch.from_numpy(found[name]).to(one.dtype)
                torch.testing.assert_close(other, one, rtol=1e-5, atol=1e-5)
