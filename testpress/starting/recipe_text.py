"""A recipe as text, with comments: what was found filled in, and where nothing is known what could stand there."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from testpress.starting.draft import Draft, DraftOutput
from testpress.starting.features import StandIn

DEFAULT_DEVICES = ("pixel-8", "galaxy-a14", "iphone-15-pro", "iphone-12")
"""two phones of each platform, a newer and an older one"""
DEFAULT_DATASET = "data/clips.jsonl"
_TEMPLATES = Path(__file__).parent.parent / "templates"
_LONGEST_LINE = 116


def fill_template(template: str, values: Mapping[str, str]) -> str:
    """A template with its `@NAMES@` filled in."""
    text = (_TEMPLATES / template).read_text(encoding="utf-8")
    return re.sub("@([A-Z]+)@", lambda found: values[found[1]], text)


def quote(value: Any) -> str:
    """A string, list or table as TOML reads it; a string is one for YAML too."""
    if isinstance(value, Mapping):
        inner = ", ".join(f"{_key(str(key))} = {quote(one)}" for key, one in value.items())
        return f"{{ {inner} }}" if inner else "{}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(quote(one) for one in value) + "]"
    return json.dumps(value, ensure_ascii=False)


def write_recipe(
    name: str,
    *,
    file: str,
    source: str,
    draft: Draft | None = None,
    dataset: str = DEFAULT_DATASET,
    devices: Sequence[str] = DEFAULT_DEVICES,
) -> str:
    """The recipe's text.

    Args:
        name: Of the model, for people.
        file: The recipe's own name.
        source: The model, as the recipe names it.
        draft: What was found; None where nobody looked.
        dataset: As the recipe names it.
        devices: Phones by their ids.
    """
    values = {"FILE": file, "NAME": quote(name), "SOURCE": quote(source), "DEVICES": quote(list(devices))}
    return fill_template("testpress.toml", {**(_open_values() if draft is None else _values(draft, dataset)), **values})


def _open_values() -> dict[str, str]:
    return {
        "FOUND": "",
        "FRAMEWORK": '# framework = "torch"           # or "tensorflow", where it cannot be told from the source',
        "OUTPUTS": '# [model.outputs]\n# speech = { axes = ["frame"] }',
        "STATE": '# [model.state]\n# h = "h_out"',
        "RATE": "16000",
        "CHANNELS": "",
        "WINDOW": "16000",
        "FRONTEND": '# [frontend]\n# kind = "log_mel"     # or "mfcc", "spectrogram", "python:module:function"',
        "TASK": f'[task]\nkind = "parity"\ndataset = "{DEFAULT_DATASET}"',
        "SCORE": "",
        "LATENCY": '"100ms"',
    }


def _values(draft: Draft, dataset: str) -> dict[str, str]:
    given, task = _open_values(), draft.task
    told = "\n".join(f"# {line}" for one in draft.found for line in _wrap(one))
    values = {
        "FOUND": f"#\n# What `testpress init` found, and what it assumed:\n{told}\n" if draft.found else "",
        "FRAMEWORK": given["FRAMEWORK"] if draft.framework is None else f"framework = {quote(draft.framework)}",
        "OUTPUTS": "[model.outputs]\n" + "\n".join(map(_output, draft.outputs)),
        "RATE": str(draft.rate_hz),
        "CHANNELS": f"channels = {draft.channels}\n" if draft.channels > 1 else "",
        "WINDOW": str(draft.window_samples),
        "LATENCY": f'"{1000 * draft.window_samples / draft.rate_hz:.4g}ms"   # done before the next call is due',
        "TASK": f"[task]\nkind = {quote(task.kind)}\ndataset = {quote(dataset)}",
    }
    if draft.state:
        values["STATE"] = "[model.state]\n" + "\n".join(f"{_key(n)} = {quote(v)}" for n, v in draft.state.items())
    if draft.stand_in is not None:
        values["FRONTEND"] = _frontend(draft.stand_in, draft.rate_hz)
    if not task.labels:
        values["TASK"] += "\nlabels = false"
    if task.options:
        values["TASK"] += "\n\n[task.options]\n" + "\n".join(f"{n} = {quote(v)}" for n, v in task.options.items())
    if task.promise is not None:
        metric, limit, value = task.promise
        values["SCORE"] = (
            f"\n[[budgets]]\nmetric = {quote(metric)}\n"
            f"{limit} = {quote(value)}                 # against the source model, judged by its confidence interval\n"
        )
    return {**given, **values}


def _output(output: DraftOutput) -> str:
    pool = f", pool = {quote(output.pool)}" if output.pool else ""
    return f"{_key(output.name)} = {{ axes = {quote(output.axes)}, kind = {quote(output.kind)}{pool} }}"


def _frontend(stand_in: StandIn, rate_hz: int) -> str:
    facts = {
        "kind": "log_mel",
        "axes": stand_in.axes,
        "n_fft": stand_in.n_fft,
        "win_length": stand_in.n_fft,
        "hop_length": stand_in.hop_length,
        "window": "hann",
        "window_symmetry": "periodic",
        "edges": "snip",
        "power": 2,
        "log": "ln",
        "floor": 1e-6,
        "floor_how": "add",
        "n_mels": stand_in.mels,
        "f_min_hz": 0,
        "f_max_hz": rate_hz / 2,
        "mel_scale": "htk",
        "mel_norm": "none",
    }
    return "[frontend]\n" + "\n".join(f"{key} = {quote(value)}" for key, value in facts.items())


def _key(name: str) -> str:
    return name if re.fullmatch("[A-Za-z0-9_-]+", name) else quote(name)


def _wrap(text: str) -> list[str]:
    return textwrap.wrap("- " + " ".join(text.split()), _LONGEST_LINE, subsequent_indent="  ") or ["-"]
