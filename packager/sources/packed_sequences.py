"""Packed sequences as padded frames: export of recurrences over clips of several lengths.

`pack_padded_sequence` lays the frames of all clips side by side, and how many there are depends on the lengths. Here
all frames stay where they are, also those behind a clip's end, and the recurrence runs over all of them. What it gives
at a clip's frames does not depend on those behind; the backward direction takes each clip's frames in reverse, by an
index; the last state is the one at a clip's last frame; and `pad_packed_sequence` puts its padding where no frame is.

Outputs are as long as the input's frames, as they are where the longest clip fills them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

NAME = "packed_sequences"

KINDS = ("lstm", "gru", "rnn_tanh", "rnn_relu")

SHUT = 1e4
"""what holds a gate open or shut for good: its sigmoid is 1 or 0 in float32"""


@dataclass(frozen=True)
class _Clips:
    """What was packed.

    Attributes:
        lengths: (batch,), of whole numbers.
        frames: Of the padded input.
        token: What stands for torch's `batch_sizes`; who calls with it means these clips.
    """

    lengths: Any
    frames: int
    token: Any

    @property
    def batch(self) -> int:
        return int(self.lengths.shape[0])

    def unfold(self, rows: Any) -> Any:
        """(frame · batch, …) as (frame, batch, …)."""
        return rows.reshape(self.frames, self.batch, *rows.shape[1:])

    def counts(self) -> Any:
        """(frame, batch): whether a clip has the frame."""
        import torch

        return torch.arange(self.frames)[:, None] < self.lengths[None]

    def reverse(self, x: Any) -> Any:
        """Each clip's frames backwards, those behind its end as they are; it undoes itself."""
        import torch

        at = torch.arange(self.frames)[:, None]
        return self._take(x, torch.where(at < self.lengths[None], self.lengths[None] - 1 - at, at))

    def last(self, x: Any) -> Any:
        """What stands at each clip's last frame, (1, batch, …)."""
        return self._take(x, (self.lengths - 1)[None])

    def _take(self, x: Any, frames: Any) -> Any:
        import torch

        rows = (frames * self.batch + torch.arange(self.batch)[None]).reshape(-1)
        return x.reshape(-1, *x.shape[2:]).index_select(0, rows).reshape(*frames.shape, *x.shape[2:])


@contextlib.contextmanager
def padded_frames() -> Iterator[None]:
    """While inside, what torch does with packed sequences it does with padded frames."""
    with _make_mode():
        yield


def _make_mode() -> Any:
    import torch
    from torch.overrides import TorchFunctionMode

    clips: dict[int, _Clips] = {}
    functions = torch._C._VariableFunctions
    kinds = {getattr(functions, kind): kind for kind in KINDS}

    def pack(x: Any, lengths: Any, batch_first: bool) -> tuple[Any, Any]:
        frames = x.transpose(0, 1) if batch_first else x
        # torch asks it for the batch and for how many frames there are, both of which are known.
        with _outside():
            token = torch.full((frames.shape[0],), frames.shape[1])
        clips[id(token)] = _Clips(lengths, frames.shape[0], token)
        return frames.reshape(-1, *frames.shape[2:]), token

    def pad(rows: Any, token: Any, batch_first: bool, value: float, length: int) -> tuple[Any, Any]:
        held = clips[id(token)]
        frames = held.unfold(rows)
        counts = held.counts().reshape(held.frames, held.batch, *[1] * (frames.ndim - 2))
        frames = torch.where(counts, frames, torch.full((), value, dtype=frames.dtype))
        if length > held.frames:
            more = torch.full((length - held.frames, *frames.shape[1:]), value, dtype=frames.dtype)
            frames = torch.cat([frames, more])
        return (frames.transpose(0, 1) if batch_first else frames), held.lengths

    class Padded(TorchFunctionMode):
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            del types
            kwargs = kwargs or {}
            if func is functions._pack_padded_sequence:
                return pack(*args, **kwargs)
            if func is functions._pad_packed_sequence:
                return pad(*args, **kwargs)
            if func in kinds and isinstance(args[1], torch.Tensor) and id(args[1]) in clips:
                return _run_stack(kinds[func], clips[id(args[1])], args[0], args[2], *args[3:])
            return func(*args, **kwargs)

    return Padded()


def _outside() -> Any:
    from torch.utils._python_dispatch import _disable_current_modes

    return _disable_current_modes()


def _run_stack(kind: str, clips: _Clips, rows: Any, first: Any, weights: Sequence[Any], *options: Any) -> Any:
    """A stack of layers over padded frames; arguments and results as of torch's op for packed ones."""
    import torch

    has_biases, num_layers, _, _, bidirectional = options
    states = list(first) if isinstance(first, list | tuple) else [first]
    directions = 2 if bidirectional else 1
    share = len(weights) // (num_layers * directions)
    frames, last = clips.unfold(rows), []
    for layer in range(num_layers):
        given = []
        for direction in range(directions):
            number = layer * directions + direction
            own = [state[number : number + 1] for state in states]
            x = clips.reverse(frames) if direction else frames
            part = _Layer(kind, weights[number * share : (number + 1) * share], has_biases)
            y, after = part.run(x, own, clips)
            given.append(clips.reverse(y) if direction else y)
            last.append(after)
        frames = torch.cat(given, -1) if directions > 1 else given[0]
    joined = (torch.cat(parts) for parts in zip(*last, strict=True))
    return frames.reshape(-1, frames.shape[-1]), *joined


@dataclass(frozen=True)
class _Layer:
    """One layer in one direction: weights in torch's order."""

    kind: str
    weights: Sequence[Any]
    has_biases: bool

    def run(self, x: Any, states: list[Any], clips: _Clips) -> tuple[Any, list[Any]]:
        """What it gives at all frames, and its states at each clip's last one, (1, batch, size)."""
        y = self._call(x, states, self.weights)[0]
        after = [clips.last(y)]
        if self.kind == "lstm":
            after.append(self._last_cell(x, states, clips))
        return y, after

    def _call(self, x: Any, states: list[Any], weights: Sequence[Any]) -> Any:
        import torch

        op: Callable[..., Any] = getattr(torch, self.kind)
        first = states if self.kind == "lstm" else states[0]
        return op(x, first, list(weights), self.has_biases, 1, 0.0, False, False, False)

    def _last_cell(self, x: Any, states: list[Any], clips: _Clips) -> Any:
        """An LSTM's cells after each clip: behind its end one more input holds them as they are.

        Where no one asks for them, no one computes them: exported programs drop what is not used.
        """
        import torch

        w_ih, *others = self.weights
        size = w_ih.shape[0] // 4
        shut = torch.cat([torch.full((size,), -SHUT), torch.full((size,), SHUT), torch.zeros(2 * size)])
        behind = (~clips.counts()).to(x.dtype)[..., None]
        return self._call(torch.cat([x, behind], -1), states, [torch.cat([w_ih, shut[:, None]], 1), *others])[2]
