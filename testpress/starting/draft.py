"""From what was found to what a recipe says: outputs, states, the audio's contract, the task. Guesses are told."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from testpress.errors import RecipeError
from testpress.starting.facts import DataFacts, ModelFacts, TensorFacts
from testpress.starting.features import StandIn, draft_frontend
from testpress.starting.task_choice import ChosenTask


@dataclass(frozen=True)
class DraftOutput:
    """One output as the recipe says it."""

    name: str
    axes: tuple[str, ...]
    kind: str
    pool: str | None = None


@dataclass(frozen=True)
class Draft:
    """What a recipe is to say.

    Attributes:
        outputs: In the model's order.
        state: State input → output.
        rate_hz: Of the audio.
        channels: Of the audio.
        window_samples: Of one call.
        task: What is scored.
        framework: Where it must be said.
        stand_in: A front end for a model that takes features, chosen to fit their shape.
        found: What was found, and what was assumed: a line each.
    """

    outputs: tuple[DraftOutput, ...]
    state: dict[str, str]
    rate_hz: int
    channels: int
    window_samples: int
    task: ChosenTask
    framework: str | None = None
    stand_in: StandIn | None = None
    found: tuple[str, ...] = field(default=())


def find_input(model: ModelFacts) -> TensorFacts:
    """The one input that hears: audio where there is any, else features.

    Raises:
        RecipeError: None may be it.
    """
    heard = [one for one in model.inputs if one.sound is not None]
    shapes = [(one.shape, one.dtype) for one in model.outputs]
    free = [one for one in heard if (one.shape, one.dtype) not in shapes] or heard
    if not free:
        free = [one for one in model.inputs if (one.shape, one.dtype) not in shapes] or list(model.inputs[:1])
    if not free:
        raise RecipeError("--model: it takes no input; right is a model that takes audio, or features of it")
    return free[0]


def pair_states(model: ModelFacts, heard: TensorFacts) -> dict[str, str]:
    """State input → the output that it is fed from: every input beside the audio, by shape, then by name.

    Raises:
        RecipeError: An input has no output of its shape, so that it is no state.
    """
    pairs: dict[str, str] = {}
    for one in model.inputs:
        if one is heard:
            continue
        fitting = [
            out.name
            for out in model.outputs
            if (out.shape, out.dtype) == (one.shape, one.dtype) and out.name not in pairs.values()
        ]
        if not fitting:
            raise RecipeError(
                f"--model: input {one.name!r} of shape {list(one.shape)} is no audio, and no state either, since no "
                "output has its shape; testpress plays models of one input beside their states: let the function that "
                f"returns the model fix {one.name!r}"
            )
        pairs[one.name] = max(fitting, key=lambda name: difflib.SequenceMatcher(None, one.name, name).ratio())
    return pairs


def name_outputs(model: ModelFacts, state: dict[str, str], wanted: Sequence[str]) -> dict[str, str]:
    """The model's output names → the recipe's, in the model's order.

    Outputs without names are named in order; states come after them there, so that a tuple in which they do not is left
    as it is.

    Args:
        model: What it has.
        state: As `pair_states` gives it.
        wanted: What the task reads.
    """
    names = [one.name for one in model.outputs]
    plain = [name for name in names if name not in state.values()]
    same = {name: name for name in names}
    if not model.is_positional or names != [*plain, *state.values()]:
        return same
    if len(wanted) == len(plain):
        same |= dict(zip(plain, wanted, strict=True))
    elif len(plain) == 1 and plain[0].startswith("output_"):
        same[plain[0]] = "output"
    return same | {output: f"{input_}_out" for input_, output in state.items() if f"{input_}_out" not in names}


def describe_output(
    output: TensorFacts, name: str, window: tuple[int, int], *, has_frames: bool, kind: str
) -> DraftOutput:
    """Axes and kind of an output.

    Args:
        output: The model's.
        name: The recipe's name of it.
        window: Channels and samples of a call.
        has_frames: Whether its first axis is taken for time.
        kind: What a value or vector of a window is to be: "window", or "clip".
    """
    sizes = output.sizes
    several = [size for size in sizes if size != 1]
    if several and sorted(several) == sorted(size for size in window if size != 1) and output.dtype.startswith("float"):
        return DraftOutput(name, tuple("sample" if size == window[1] else "channel" for size in sizes), "audio")
    time = None if output.time_axis is None else output.time_axis - (len(output.shape) - len(sizes))
    if time == 0 or (time is None and has_frames and len(sizes) > 1):
        return DraftOutput(name, ("frame", *_word(len(sizes) - 1)), "frames")
    words = [*_word(len(sizes))]
    if time is not None and 0 <= time < len(words):
        words[time] = "frame"
    return DraftOutput(name, tuple(words), kind, "mean" if kind == "clip" else None)


def have_frames(model: ModelFacts, state: dict[str, str]) -> bool:
    """Whether outputs share their first axis, which is then time."""
    firsts = [one.sizes[0] for one in model.outputs if len(one.sizes) > 1 and one.name not in state.values()]
    return len(firsts) > 1 and len(set(firsts)) == 1 and firsts[0] > 1


def _word(count: int) -> tuple[str, ...]:
    return ("class",) if count == 1 else tuple(f"axis_{number}" for number in range(1, count + 1))


@dataclass(frozen=True)
class Rate:
    """A sample rate and who says it."""

    hz: int
    said_by: str


def find_data_rate(data: DataFacts | None) -> Rate | None:
    """The rate that most clips have."""
    if data is None or not data.rates_hz:
        return None
    hz = max(data.rates_hz, key=lambda rate: (data.rates_hz[rate], rate))
    share = f"all {data.looked_at} clips" if len(data.rates_hz) == 1 else f"most of {data.looked_at} clips"
    return Rate(hz, f"that of {share}; if the model expects another one, say --sample-rate")


def make_draft(model: ModelFacts, task: ChosenTask, rate: Rate, *, framework: str | None) -> Draft:
    """Put a recipe's contents together.

    Args:
        model: What was found of it.
        task: What is scored.
        rate: Of the audio.
        framework: Where the recipe must say it.

    Raises:
        RecipeError: The model cannot be played as it is.
    """
    heard = find_input(model)
    state = pair_states(model, heard)
    stand_in = None if heard.sound is not None else draft_frontend(heard, rate.hz)
    window = heard.sound or (1, stand_in.window_samples if stand_in else 0)
    names = name_outputs(model, state, task.required_outputs)
    frames = have_frames(model, state)
    listed = [one for one in model.outputs if one.name not in state.values()]
    if model.is_positional and [names[one.name] for one in model.outputs] == [one.name for one in model.outputs]:
        in_order = [one.name for one in model.outputs] == [*(one.name for one in listed), *state.values()]
        listed = listed if in_order else list(model.outputs)
    kind = "clip" if task.is_of_clips else "window"
    outputs = tuple(describe_output(one, names[one.name], window, has_frames=frames, kind=kind) for one in listed)
    found = [_tell_input(heard, model, window, rate), f"sample rate: {rate.hz} Hz, {rate.said_by}"]
    found += [f"front end: {stand_in.told}"] if stand_in else []
    found += [_tell_output(one, model) for one in outputs]
    found += [f"state: {input_} is fed from {names[output]}, of equal shape" for input_, output in state.items()]
    return Draft(
        outputs=outputs,
        state={input_: names[output] for input_, output in state.items()},
        rate_hz=rate.hz,
        channels=window[0],
        window_samples=window[1],
        task=task,
        framework=framework,
        stand_in=stand_in,
        found=(*found, *task.found),
    )


def _tell_input(heard: TensorFacts, model: ModelFacts, window: tuple[int, int], rate: Rate) -> str:
    if heard.sound is None:
        return f"input: {heard.name} {list(heard.shape)}, taken for features of audio"
    length = f"{window[1]} samples, {1000 * window[1] / rate.hz:.4g} ms"
    chosen = " (it takes any length: a second was chosen)" if model.assumed_window else ""
    channels = f" in {window[0]} channels" if window[0] > 1 else ""
    return f"input: {heard.name} {list(heard.shape)}, samples: {length} a call{channels}{chosen}"


def _tell_output(output: DraftOutput, model: ModelFacts) -> str:
    words: dict[str, str] = {
        "frames": "one value or vector a frame, the first axis is time",
        "window": "one value or vector a call",
        "clip": "one a clip, the mean over its calls",
        "audio": "samples, as many as it takes",
    }
    named = " (it has no name of its own)" if model.is_positional else ""
    return f'output: {output.name}{named}, axes {list(output.axes)}, kind "{output.kind}": {words[output.kind]}'


def as_data(draft: Draft) -> dict[str, Any]:
    """What `--json` tells of it."""
    return {"found": list(draft.found), "task": draft.task.kind, "sample_rate_hz": draft.rate_hz, "state": draft.state}
