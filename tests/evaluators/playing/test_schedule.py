from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from device_profiles.profile import read_profile
from evaluators.costs.placement import NOTHING_ASKED
from evaluators.drift_records import Drift
from evaluators.playing.schedule import DriftPair, Outcome, TrialSetup, drift_all, play_all, predict_all, time_all
from evaluators.playing.trial import TrialEvent, TrialResult
from packager.bundle import Bundle
from packager.jobs.workers import Limits
from packager.seals import write_sealed_text
from tests.benches import make_bench, write_model

pytestmark = [pytest.mark.slow, pytest.mark.tflite]

NOTHING = Limits(time_s=0.0)
"""no worker survives it: what comes with it was stored"""


class Told:
    """Every event by row."""

    def __init__(self) -> None:
        self.events: list[tuple[str, TrialEvent | None]] = []

    def __call__(self, name: str, event: TrialEvent | None) -> None:
        self.events.append((name, event))

    def of(self, name: str) -> list[str]:
        return ["clip" if event and event.clip else "result" for row, event in self.events if row == name]


def _play(setup: TrialSetup, candidates: dict[str, Path | None]) -> tuple[dict[str, Outcome], Told]:
    told = Told()
    return play_all(candidates, setup, told), told


def _stored(setup: TrialSetup, verb: str) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in (setup.out / "cache" / verb).glob("*.json")}


@pytest.fixture
def setup(tmp_path: Path) -> TrialSetup:
    return make_bench(tmp_path)


def test_what_was_played_is_not_played_again(setup: TrialSetup, tmp_path: Path) -> None:
    candidates = {"source": None, "m": write_model(tmp_path / "m.tflite")}
    outcomes, told = _play(setup, candidates)
    assert [type(outcome.result) for outcome in outcomes.values()] == [TrialResult] * 2
    assert told.of("m") == ["clip", "clip", "result"]
    stored = _stored(setup, "play")
    assert len(stored) == 2
    again, told = _play(replace(setup, limits=NOTHING), candidates)
    assert again == outcomes
    assert told.events == [("source", None), ("m", None)]
    assert _stored(setup, "play") == stored


def test_a_result_is_kept_under_what_decides_it(setup: TrialSetup, tmp_path: Path) -> None:
    """Another row, another folder: the same. Another model, reference, dataset or contract: another."""
    model = write_model(tmp_path / "m.tflite")
    _play(setup, {"m": model})
    (tmp_path / "elsewhere").mkdir()
    same, _ = _play(replace(setup, limits=NOTHING), {"other": write_model(tmp_path / "elsewhere" / "m.tflite")})
    assert same["other"].result is not None
    louder = write_model(tmp_path / "louder.tflite", note=(0.5, 0.5))
    others = [
        (setup, louder),
        (replace(setup, dataset_sha256="0" * 64), model),
        (replace(setup, reference=setup.reference.rename(setup.reference.parent / "def")), model),
        (replace(setup, outputs={"note": setup.outputs["note"]}), model),
    ]
    for other, file in others:
        outcomes, _ = _play(replace(other, limits=NOTHING), {"m": file})
        assert outcomes["m"].result is None
        assert outcomes["m"].reason == "took longer than 0 s"


def _break(path: Path) -> None:
    path.write_text("{")


def _change_one_digit(path: Path) -> None:
    text = path.read_text()
    assert '"worst_window": 0' in text
    path.write_text(text.replace('"worst_window": 0', '"worst_window": 1'))


def _truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def _write_by_other_code(path: Path) -> None:
    write_sealed_text(path, '{"runtime": "old"}')


@pytest.mark.parametrize("damage", [_break, _change_one_digit, _truncate, _write_by_other_code])
def test_a_stored_result_that_is_not_as_it_was_is_made_again(
    damage: Callable[[Path], None], setup: TrialSetup, tmp_path: Path
) -> None:
    candidates: dict[str, Path | None] = {"m": write_model(tmp_path / "m.tflite")}
    outcomes, _ = _play(setup, candidates)
    (path,) = _stored(setup, "play")
    damage(path)
    again, told = _play(setup, candidates)
    assert again == outcomes
    assert told.of("m") == ["clip", "clip", "result"]


def test_one_that_fails_is_one_outcome(setup: TrialSetup, tmp_path: Path) -> None:
    (tmp_path / "bad.tflite").write_bytes(b"not a model at all")
    outcomes, _ = _play(
        setup, {"bad": tmp_path / "bad.tflite", "m": write_model(tmp_path / "m.tflite"), "source": None}
    )
    bad = outcomes["bad"]
    assert bad.result is None
    assert bad.reason == f"{tmp_path / 'bad.tflite'}: not a TFLite model: bytes 4 to 8 are b'a mo', should be b'TFL3'"
    assert bad.log == setup.out / "logs" / "play-bad.log"
    assert bad.log.is_file()
    assert outcomes["m"].result is not None
    assert outcomes["source"].result is not None
    assert len(_stored(setup, "play")) == 2


def test_times_are_kept_too(setup: TrialSetup, tmp_path: Path) -> None:
    candidates = {"m": write_model(tmp_path / "m.tflite")}
    first = time_all(candidates, setup, Told())
    assert len(first["m"].result.samples_ns) > 1
    assert time_all(candidates, replace(setup, limits=NOTHING), Told()) == first


@pytest.mark.parametrize(
    ("bad", "workers"),
    [((), ["a"]), (("a",), ["a", "b"]), (("b",), ["a", "c"]), (("c",), ["a"]), (("a", "b", "c"), [*"abc"])],
)
def test_one_worker_predicts_all_until_one_ends_it(
    bad: tuple[str, ...], workers: list[str], setup: TrialSetup, tmp_path: Path
) -> None:
    candidates = {}
    for name in "abc":
        model = write_model(tmp_path / f"{name}.tflite")
        if name in bad:
            model.write_bytes(b"not a model at all")
        candidates[name] = (model, None, [read_profile("pixel-8")])
    outcomes = predict_all(candidates, NOTHING_ASKED, setup, Told())
    assert {name for name, outcome in outcomes.items() if outcome.result is None} == set(bad)
    for name in bad:
        assert str(outcomes[name].reason).startswith(f"{tmp_path / name}.tflite: ")
    assert sorted(path.name for path in (setup.out / "logs").glob("predict-*")) == [
        f"predict-{name}.log" for name in workers
    ]
    again = predict_all(candidates, NOTHING_ASKED, replace(setup, limits=NOTHING), Told())
    assert {name: each for name, each in again.items() if name not in bad} == {
        name: each for name, each in outcomes.items() if name not in bad
    }


@pytest.mark.tensorflow
@pytest.mark.coreml
def test_drift_is_located_and_kept(setup: TrialSetup, gain_bundles: dict[str, Bundle], tmp_path: Path) -> None:
    import numpy as np

    from tests.specimens import GAIN_AUDIO

    folder = setup.out / "cache" / "windows" / "gain"
    folder.mkdir()
    np.save(folder / "windows.npy", np.random.default_rng(1123).uniform(-1, 1, (2, 1, 2048)).astype(np.float32))
    windows = replace(setup.windows, path=folder / "windows.npy", spans=((0, 2, 4096),))
    setup = replace(setup, audio=GAIN_AUDIO, windows=windows)
    exact, candidate = (gain_bundles[f"coreml-{precision}"].model_path for precision in ("float32", "float16"))
    pairs = {"coreml-float16": DriftPair("coreml-float32", exact, candidate, 1)}
    first = drift_all(pairs, setup, Told())
    drift = first["coreml-float16"].result
    assert isinstance(drift, Drift), first
    assert drift.reference == "coreml-float32"
    assert 0 < drift.output_error < 1e-3  # a float16 near 0.75 is 2**-12 off at most; three roundings
    assert drift_all(pairs, replace(setup, limits=NOTHING), Told()) == first
