"""What is hoped of bundles that were not made or played, and that nothing is left out which would have been chosen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from evaluators.evaluation import Evaluation, VariantResult
from packager.formats.phones import carry, read_phone
from testpress.searching.board import Board
from testpress.searching.space import Option, list_options
from tests.reports.example_evaluation import lower, make_evaluation, ratio

PHONES = tuple(carry(read_phone(name), ()) for name in ("pixel-8", "galaxy-a14"))
OPTIONS = list_options(("tflite",), PHONES)
BY_NAME = {option.name: option for option in OPTIONS}
KINDS = sorted({option.arithmetic.kind for option in OPTIONS})


@dataclass(frozen=True)
class Truth:
    """What a bundle would be found to be."""

    times_ms: dict[str, float | None]
    size: float
    error: float
    drop: float = 0.0


@pytest.fixture(scope="module")
def pattern() -> Evaluation:
    evaluation = make_evaluation()
    return evaluation.model_copy(update={"variants": evaluation.variants[:1], "recipe": {}})


def _base(pattern: Evaluation, *budgets: dict[str, Any], minimise: str = "latency_p90_ms") -> Evaluation:
    recipe = {"budgets": list(budgets), "search": {"minimise": minimise}}
    return pattern.model_copy(update={"variants": (), "recipe": recipe})


def _row(pattern: Evaluation, option: Option, truth: Truth, *, played: bool) -> VariantResult:
    row = pattern.variants[0]
    devices = []
    for result in row.devices:
        time_ms = truth.times_ms[result.device]
        score = lower(time_ms, "ms", "predicted") if time_ms is not None else lower(None, "ms", "predicted", reason="?")
        devices.append(result.model_copy(update={"scores": {**result.scores, "latency_p90_ms": score}}))
    size = {"size_bytes": lower(truth.size, "bytes", "measured_host")}
    changed: dict[str, Any] = {
        "variant": option.name,
        "precision": option.variant.precision,
        "devices": tuple(devices),
        "scores": {**row.scores, **size} if played else size,
    }
    if played:
        error = lower(truth.error, "dimensionless")
        changed["parity"] = tuple(one.model_copy(update={"max_abs_error": error}) for one in row.parity)
        changed["differences"] = {**row.differences, "note_f1": ratio(-truth.drop, 0.005)}
    else:
        changed |= {"parity": (), "differences": {}, "clips": ()}
    return row.model_copy(update=changed)


def _search(base: Evaluation, pattern: Evaluation, truths: dict[str, Truth]) -> tuple[Board, set[str]]:
    """As `search.py` goes about it, with numbers that are there already; what was made."""
    board, made = Board(base, OPTIONS), set()
    while hoped := board.list_hopeful():
        ready = [name for name in hoped if name in board.screened]
        if ready:
            for name in ready:
                board.judge(_row(pattern, BY_NAME[name], truths[name], played=True))
            continue
        following = next(option for option in OPTIONS if option.name not in made)
        made.add(following.name)
        board.screen(_row(pattern, following, truths[following.name], played=False))
    return board, made


def _draw(random: np.random.Generator) -> dict[str, Truth]:
    """Bundles of which those of one kind take the same time, and are the smaller the fewer bits their weights have."""
    times = {kind: {phone.id: float(random.choice([5, 5.2, 8, 20, 40])) for phone in PHONES} for kind in KINDS}
    whole = float(random.uniform(1e5, 1e6))
    return {
        option.name: Truth(
            times_ms=dict(times[option.arithmetic.kind])
            if option.arithmetic.is_priced
            else dict.fromkeys(times[KINDS[0]]),
            size=whole * option.arithmetic.weight_bits / 32 + float(random.uniform(0, 1e4)),
            error=float(random.choice([0.001, 0.2])),
            drop=float(random.choice([0.0, 0.03])),
        )
        for option in OPTIONS
    }


@pytest.mark.parametrize("minimise", ["latency_p90_ms", "size_bytes", "memory_bytes"])
@pytest.mark.parametrize("seed", range(12))
def test_a_search_chooses_what_trying_everything_would(pattern: Evaluation, seed: int, minimise: str) -> None:
    random = np.random.default_rng(seed)
    truths = _draw(random)
    base = _base(
        pattern,
        {"metric": "max_abs_error", "max": 0.1},
        {"metric": "note_f1", "max_drop": 0.01},
        {"metric": "latency_p90_ms", "max": float(random.choice([6, 25, 100]))},
        {"metric": "size_bytes", "max": "2MB", "level": "warn"},
        minimise=minimise,
    )
    everything = Board(base, OPTIONS)
    for option in OPTIONS:
        everything.judge(_row(pattern, option, truths[option.name], played=True))
    board, _ = _search(base, pattern, truths)
    chosen = {(one.device, one.format): one.variant for one in everything.choose()}
    found = {(one.device, one.format): one.variant for one in board.choose()}
    assert {place: found.get(place) for place in chosen} == chosen


def test_what_could_not_be_chosen_is_neither_played_nor_made(pattern: Evaluation) -> None:
    times = {"dynamic": 5.0, "float": 20.0, "int8": 30.0}
    truths = {
        option.name: Truth(
            dict.fromkeys(("pixel-8", "galaxy-a14"), times.get(option.arithmetic.kind)),
            size=1000.0 * option.arithmetic.weight_bits,
            error=0.001,
        )
        for option in OPTIONS
    }
    board, made = _search(_base(pattern, {"metric": "max_abs_error", "max": 0.1}), pattern, truths)
    assert set(board.judged) == {"tflite-dynamic_wi4_afp32"}
    assert made == {"tflite-dynamic_wi4_afp32", "tflite-weight_only_wi8_afp32", "tflite-static_wi8_ai8"}  # one a kind


def test_a_metric_that_only_playing_tells_leaves_nothing_out(pattern: Evaluation) -> None:
    truths = _draw(np.random.default_rng(0))
    base = _base(pattern, {"metric": "size_bytes", "max": "1GB"}, minimise="max_abs_error")
    board, made = _search(base, pattern, truths)
    assert set(board.judged) == made == set(BY_NAME)
    errors = {name: truths[name].error for name in BY_NAME}
    assert all(errors[one.variant or ""] == min(errors.values()) for one in board.choose())


@pytest.mark.parametrize(
    ("difference", "error", "reason"),
    [
        (ratio(-0.02, 0.05), 0.01, None),  # all clips may yet show that nothing is lost
        (ratio(-0.2, 0.05), 0.01, "note_f1 at most 0.01 below the source model: "),
        (ratio(-0.02), 0.01, None),  # without an interval nothing is sure
        (ratio(0.0, 0.05), 0.2, "max_abs_error at most 0.1: "),  # more clips only make it larger
    ],
)
def test_what_cannot_hold_on_all_clips_is_seen_on_some(
    pattern: Evaluation, difference: Any, error: float, reason: str | None
) -> None:
    base = _base(pattern, {"metric": "max_abs_error", "max": 0.1}, {"metric": "note_f1", "max_drop": 0.01})
    option = OPTIONS[0]
    row = _row(pattern, option, Truth(dict.fromkeys(("pixel-8", "galaxy-a14"), 5.0), 1e5, error), played=True)
    row = row.model_copy(update={"differences": {**row.differences, "note_f1": difference}})
    part = base.model_copy(update={"variants": (row,)})
    fault = Board(base, OPTIONS).find_sure_fault(part, option.name)
    assert fault is None if reason is None else fault is not None and fault.startswith(reason)


def test_one_of_each_kind_is_made_first_and_what_no_phone_can_run_never() -> None:
    phones = [carry(read_phone(name), ()) for name in ("iphone-12", "iphone-15-pro")]
    options = list_options(("coreml",), phones)
    able = [option for option in options if option.devices]
    assert [option.name for option in able[:3]] == ["coreml-palettized_w4", "coreml-w8a8", "coreml-float32"]
    assert [option.name for option in options if not option.devices] == ["coreml-linear_w4_block32"]
    assert {option.name for option in options if "iphone-12" in option.devices} == {
        "coreml-float32",
        "coreml-float16",
        "coreml-mixed_float16",
    }
