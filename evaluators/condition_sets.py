"""Conditions by their names: those of the tree, of installed packages, presets of several, and what a recipe lists."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from device_profiles.plugins import Plugin, list_plugins
from device_profiles.record import parse_record, suggest
from evaluators.condition import Condition
from evaluators.condition_records import CLEAN, MAX_CONDITIONS, ConditionInfo, ConditionStep
from evaluators.errors import EvaluationError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._=+,-]{0,99}")
_RIGHT = 'right is a name, or a table with a kind: { kind = "noise", colour = "pink", snr_db = 10 }'

PRESETS: Mapping[str, tuple[dict[str, Any], ...]] = MappingProxyType(
    {
        "phone-call": (
            {"kind": "noise", "colour": "pink", "snr_db": 25},
            {"kind": "band_limit", "low_hz": 300, "high_hz": 3400},
            {"kind": "gsm"},
            {"kind": "packet_loss", "loss": 0.01},
        ),
        "living-room": (
            {"kind": "room", "t60_s": 0.4, "distance_m": 2},
            {"kind": "noise", "colour": "pink", "snr_db": 25},
        ),
        "far-field": (
            {"kind": "room", "t60_s": 0.6, "distance_m": 4},
            {"kind": "noise", "colour": "pink", "snr_db": 15},
            {"kind": "gain", "gain_db": -20},
        ),
        "street": (
            {"kind": "noise", "colour": "pink", "snr_db": 5},
            {"kind": "noise", "colour": "babble", "snr_db": 10},
            {"kind": "clipping", "overdrive_db": 3},
        ),
    }
)
"""what a name stands for, in the order in which it happens to the audio"""


def list_conditions() -> Mapping[str, Plugin]:
    """The conditions of the tree and of installed packages, by kind, sorted; none is imported."""
    return list_plugins("conditions", Path(__file__).parent / "conditions", "CONDITION")


def find_conditions(entries: Sequence[Any], sample_rate_hz: int) -> tuple[ConditionInfo, ...]:
    """What a recipe's `set` lists, checked, each with all that decides it.

    Args:
        entries: Names of presets, names of kinds with their defaults, and tables of a kind with its parameters or of
            `steps`, which are such tables; a table's `name` is optional. `clean` is what is compared with anyway.
        sample_rate_hz: Of the audio that they are to be of.

    Raises:
        EvaluationError: One line a fault: something is unknown or out of its range, or a name is there twice.
    """
    faults: list[str] = []
    found: dict[str, ConditionInfo] = {}
    if len(entries) > MAX_CONDITIONS:
        raise EvaluationError(f"set: {len(entries)} conditions are too many; right is {MAX_CONDITIONS} at most")
    for index, entry in enumerate(entries):
        where = f"set[{index}]"
        if entry == CLEAN:
            continue
        try:
            info = _read_entry(entry, where, sample_rate_hz)
        except EvaluationError as fault:
            faults += str(fault).split("\n")
            continue
        if info.name in found:
            faults.append(f'{where}: there is a condition {info.name!r} already; give this one another: name = "…"')
        found[info.name] = info
    if faults:
        raise EvaluationError("\n".join(faults))
    return tuple(found.values())


def open_step(step: ConditionStep) -> Condition:
    """The condition itself, set.

    Raises:
        EvaluationError: There is no such kind, or a parameter is not one that it takes.
    """
    return _open(step.kind, step.parameters, step.kind)


def list_code(condition: ConditionInfo) -> tuple[str, ...]:
    """The modules that a condition's work begins with, see `packager.jobs.code`."""
    return tuple(dict.fromkeys(list_conditions()[step.kind].module for step in condition.steps))


def list_libraries(condition: ConditionInfo) -> Mapping[str, str | None]:
    """The packages whose versions decide what a condition makes, sorted, with testpress's extra that brings each."""
    offered = [list_conditions()[step.kind].distribution for step in condition.steps]
    found: dict[str, str | None] = {"numpy": None, **{name: None for name in offered if name is not None}}
    for step in map(open_step, condition.steps):
        found.update(dict.fromkeys(step.libraries, step.extra))
    return dict(sorted(found.items()))


def list_recordings(conditions: Iterable[ConditionInfo]) -> tuple[str, ...]:
    """What the conditions need beside the clips, each once: see `Condition.list_recordings`."""
    steps = (step for condition in conditions for step in condition.steps)
    return tuple(dict.fromkeys(name for step in steps for name in open_step(step).list_recordings()))


def _read_entry(entry: Any, where: str, rate_hz: int) -> ConditionInfo:
    if isinstance(entry, str):
        if entry in PRESETS:
            return _build(entry, PRESETS[entry], where, rate_hz)
        return _build(entry, ({"kind": entry},), where, rate_hz)
    if not isinstance(entry, dict) or ("kind" in entry) == ("steps" in entry):
        raise EvaluationError(f"{where}: {_show(entry)} is no condition; {_RIGHT}, or one with steps, a list of such")
    name = entry.get("name", CLEAN)
    if "name" in entry and (not isinstance(name, str) or not _NAME.fullmatch(name) or name == CLEAN):
        raise EvaluationError(
            f"{where}.name: {_show(name)} cannot name a condition; right are 1 to 100 letters, digits, spaces and "
            f"._=+,- other than {CLEAN!r}"
        )
    rest = {key: value for key, value in entry.items() if key != "name"}
    if "kind" in rest:
        return _build(name if "name" in entry else _name(rest), (rest,), where, rate_hz)
    strange = sorted(set(rest) - {"steps"})
    if strange or not isinstance(rest["steps"], list) or not 0 < len(rest["steps"]) <= MAX_CONDITIONS:
        fault = f"{strange[0]!r} does not go with steps" if strange else "steps must be a list of tables, not empty"
        raise EvaluationError(f"{where}: {fault}; {_RIGHT}")
    if "name" not in entry:
        raise EvaluationError(f'{where}: a condition of several steps needs a name: name = "…"')
    return _build(name, rest["steps"], where, rate_hz)


def _build(name: str, steps: Sequence[Any], where: str, rate_hz: int) -> ConditionInfo:
    faults, built = [], []
    for index, step in enumerate(steps):
        place = f"{where}.steps[{index}]" if len(steps) > 1 else where
        try:
            built.append(_build_step(step, place, rate_hz))
        except EvaluationError as fault:
            faults += str(fault).split("\n")
    if faults:
        raise EvaluationError("\n".join(faults))
    return ConditionInfo(name=name, steps=tuple(built))


def _build_step(step: Any, where: str, rate_hz: int) -> ConditionStep:
    if not isinstance(step, dict) or not isinstance(step.get("kind"), str):
        raise EvaluationError(f"{where}: {_show(step)} is no step; {_RIGHT}")
    kind = step["kind"]
    condition = _open(kind, {key: value for key, value in step.items() if key != "kind"}, where)
    try:
        condition.check_rate(rate_hz)
    except EvaluationError as fault:
        raise EvaluationError(f"{where}: {kind}: {fault}") from None
    return ConditionStep(kind=kind, parameters=condition.parameters.model_dump(mode="json"))


def _open(kind: str, parameters: Mapping[str, Any], where: str) -> Condition:
    known = list_conditions()
    if kind not in known:
        names = (*PRESETS, *known)
        hint = suggest(kind, names) or f"; known: {', '.join((CLEAN, *names))}"
        raise EvaluationError(f"{where}: no condition {_show(kind)}{hint}")
    found = known[kind].load()
    if not (isinstance(found, type) and issubclass(found, Condition)):
        raise EvaluationError(
            f"{where}: {kind!r} is no condition; right is a subclass of evaluators.condition.Condition"
        )
    return found(parse_record(dict(parameters), found.Parameters, where=where, error=EvaluationError))


def _name(step: Mapping[str, Any]) -> str:
    """A step's kind and parameters in one line, for example `noise colour=pink snr_db=10`."""
    words = [str(step["kind"]), *(f"{key}={value}" for key, value in sorted(step.items()) if key != "kind")]
    return " ".join(words)[:100]


def _show(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:60] + "…"
