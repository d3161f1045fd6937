"""Inside the evaluation worker: a bundle on an emulated type of core, on a few windows.

The bundle plays whole clips on this machine, which is fast. What went into each chosen call, states among it, goes into
the same call there, so that what differs is that call's arithmetic and nothing that came before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from device_profiles.record import Record
from evaluators.comparing.flips import FlipCounter
from evaluators.core_records import Flips, NotFinite
from evaluators.datasets.outputs import combine_outputs
from evaluators.errors import EvaluationError
from evaluators.formats import read_signatures
from evaluators.parity import ParityMeter
from evaluators.playing.core_store import CoreStore
from evaluators.playing.host_calls import Arrays, CoreRequest, HostCalls
from evaluators.target_records import OutputParity
from evaluators.task import Task
from evaluators.task_loading import open_task
from packager.bounds import Count
from packager.jobs.results import Made


class CoreTrial(Record):
    """What a play found."""

    windows: tuple[Count, ...]
    """that were played, ascending"""
    keeps_state: bool
    """whether the bundle keeps state by itself, so that only windows with which clips begin were played"""
    parity: tuple[OutputParity, ...]
    not_finite: tuple[NotFinite, ...]
    flips: Flips | None
    flips_reason: str
    worst_window: int
    """on which most values are not finite there, else the one with the largest error"""


def play_on_core(request: dict[str, Any], folder: Path) -> Iterator[dict[str, Any] | Made]:
    """Play the chosen windows; yields a `Made` and `{"clip": …}` a window, and `{"result": …}` at the end."""
    parsed = CoreRequest.model_validate(request, strict=False)
    store = CoreStore(Path(parsed.model), parsed.target, Path(parsed.kept), folder)
    trial = _Trial(parsed, store)
    try:
        for clip, span in zip(parsed.clips, parsed.spans, strict=True):
            for made in trial.play_clip(clip, span):
                if made is not None:
                    yield Made(made=made)
                yield {"clip": clip}
        yield {"result": trial.result().model_dump(mode="json")}
    finally:
        store.close()


class _Trial:
    """One bundle on one core."""

    def __init__(self, parsed: CoreRequest, store: CoreStore) -> None:
        self._parsed, self._store = parsed, store
        self._task: Task = open_task(parsed.task)
        self._here = HostCalls(parsed)
        self._keeps = any(signature.states for signature in read_signatures(Path(parsed.model)))
        # What a model keeps by itself cannot be handed over; where a clip begins there is nothing of it yet.
        self._chosen = frozenset(span[0] for span in parsed.spans) if self._keeps else frozenset(parsed.chosen)
        self._meter, self._flips = ParityMeter(), FlipCounter()
        self._broken: dict[str, tuple[int, int]] = {}
        self._flips_reason = ""
        self._worst = (0, 0.0, -min(self._chosen))

    def play_clip(self, clip: str, span: tuple[int, int, int]) -> Iterator[str | None]:
        """A clip here, its chosen windows there; yields the name of what was newly made for each of them."""
        first, _, n_samples = span
        here: list[Arrays] = []
        there: dict[int, Arrays] = {}
        for index, (inputs, outputs) in enumerate(self._here.play(span), start=first):
            here.append(outputs)
            if index in self._chosen:
                values, made = self._store.play(inputs, afresh=self._keeps)
                there[index - first] = self._here.read(values)
                self._hold(here[-1], there[index - first], index, clip)
                yield made
        self._compare_decisions(clip, here, there, n_samples)

    def _hold(self, here: Arrays, there: Arrays, index: int, clip: str) -> None:
        for name, value in here.items():
            other = there[name]
            strange = int((~np.isfinite(other)).sum()) if other.dtype.kind == "f" else 0
            error = 0.0 if strange else float(np.abs(np.subtract(value, other, dtype=np.float64)).max(initial=0.0))
            self._worst = max(self._worst, (strange, error, -index))
            if strange and np.isfinite(value).all():
                windows, values = self._broken.get(name, (0, 0))
                self._broken[name] = windows + 1, values + strange
            elif not strange:
                self._meter.add(name, value, other, clip=clip)

    def _compare_decisions(self, clip: str, here: list[Arrays], there: Mapping[int, Arrays], n_samples: int) -> None:
        if self._flips_reason:
            return
        mixed = [there.get(place, outputs) for place, outputs in enumerate(here)]
        try:
            before, after = (self._decide(each, n_samples) for each in (here, mixed))
        except EvaluationError as fault:
            self._flips_reason = f"clip {clip}: {fault}"
            return
        if before is None or after is None:
            self._flips_reason = "the task takes no decisions that could flip"
            return
        self._flips.add(clip, before, after)

    def _decide(self, outputs: list[Arrays], n_samples: int) -> tuple[str, ...] | None:
        parsed, required = self._parsed, self._task.required_outputs
        stacked = {name: np.stack([each[name] for each in outputs]) for name in outputs[0]}
        stitched, _ = combine_outputs(stacked, parsed.outputs, parsed.audio, n_samples, required=required)
        return self._task.decide(self._task.decode(stitched))

    def result(self) -> CoreTrial:
        """What was found."""
        broken = (NotFinite(output=name, windows=one[0], values=one[1]) for name, one in self._broken.items())
        return CoreTrial(
            windows=tuple(sorted(self._chosen)),
            keeps_state=self._keeps,
            parity=tuple(one for one in self._meter.results() if one.output not in self._broken),
            not_finite=tuple(broken),
            flips=None if self._flips_reason else self._flips.result(),
            flips_reason=self._flips_reason,
            worst_window=-self._worst[2],
        )
