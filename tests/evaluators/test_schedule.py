from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from benches import make_bench, write_model

from device_profiles.profile import read_profile
from evaluators.evaluation import Drift
from evaluators.schedule import Bench, Outcome, drift_all, play_all, predict_all, time_all
from evaluators.trial import TrialEvent, TrialResult
from packager.bundle import Bundle
from packager.seals import write_sealed_text
from packager.workers import Limits

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


def _play(bench: Bench, subjects: dict[str, Path | None]) -> tuple[dict[str, Outcome], Told]:
    told = Told()
    return play_all(subjects, bench, told, parallel=2), told


def _stored(bench: Bench, verb: str) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in (bench.out / "cache" / verb).glob("*.json")}


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return make_bench(tmp_path)


def test_what_was_played_is_not_played_again(bench: Bench, tmp_path: Path) -> None:
    subjects = {"source": None, "m": write_model(tmp_path / "m.tflite")}
    outcomes, told = _play(bench, subjects)
    assert [type(outcome.result) for outcome in outcomes.values()] == [TrialResult] * 2
    assert told.of("m") == ["clip", "clip", "result"]
    stored = _stored(bench, "play")
    assert len(stored) == 2
    again, told = _play(replace(bench, limits=NOTHING), subjects)
    assert again == outcomes
    assert told.events == [("source", None), ("m", None)]
    assert _stored(bench, "play") == stored


def test_a_result_is_kept_under_what_decides_it(bench: Bench, tmp_path: Path) -> None:
    """Another row, another folder: the same. Another model, reference, dataset or contract: another."""
    model = write_model(tmp_path / "m.tflite")
    _play(bench, {"m": model})
    (tmp_path / "elsewhere").mkdir()
    same, _ = _play(replace(bench, limits=NOTHING), {"other": write_model(tmp_path / "elsewhere" / "m.tflite")})
    assert same["other"].result is not None
    louder = write_model(tmp_path / "louder.tflite", note=(0.5, 0.5))
    others = [
        (bench, louder),
        (replace(bench, dataset_sha256="0" * 64), model),
        (replace(bench, reference=bench.reference.rename(bench.reference.parent / "def")), model),
        (replace(bench, outputs={"note": bench.outputs["note"]}), model),
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
    damage: Callable[[Path], None], bench: Bench, tmp_path: Path
) -> None:
    subjects: dict[str, Path | None] = {"m": write_model(tmp_path / "m.tflite")}
    outcomes, _ = _play(bench, subjects)
    (path,) = _stored(bench, "play")
    damage(path)
    again, told = _play(bench, subjects)
    assert again == outcomes
    assert told.of("m") == ["clip", "clip", "result"]


def test_one_that_fails_is_one_outcome(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "bad.tflite").write_bytes(b"not a model at all")
    outcomes, _ = _play(
        bench, {"bad": tmp_path / "bad.tflite", "m": write_model(tmp_path / "m.tflite"), "source": None}
    )
    bad = outcomes["bad"]
    assert bad.result is None
    assert bad.reason == f"{tmp_path / 'bad.tflite'}: not a TFLite model: bytes 4 to 8 are b'a mo', should be b'TFL3'"
    assert bad.log == bench.out / "logs" / "play-bad.log"
    assert bad.log.is_file()
    assert outcomes["m"].result is not None
    assert outcomes["source"].result is not None
    assert len(_stored(bench, "play")) == 2


def test_times_are_kept_too(bench: Bench, tmp_path: Path) -> None:
    subjects = {"m": write_model(tmp_path / "m.tflite")}
    first = time_all(subjects, bench, Told())
    assert len(first["m"].result.samples_ns) > 1
    assert time_all(subjects, replace(bench, limits=NOTHING), Told()) == first


@pytest.mark.parametrize(
    ("bad", "workers"),
    [((), ["a"]), (("a",), ["a", "b"]), (("b",), ["a", "c"]), (("c",), ["a"]), (("a", "b", "c"), [*"abc"])],
)
def test_one_worker_predicts_all_until_one_ends_it(
    bad: tuple[str, ...], workers: list[str], bench: Bench, tmp_path: Path
) -> None:
    subjects = {}
    for name in "abc":
        model = write_model(tmp_path / f"{name}.tflite")
        if name in bad:
            model.write_bytes(b"not a model at all")
        subjects[name] = (model, None, [read_profile("pixel-8")])
    outcomes = predict_all(subjects, bench, Told())
    assert {name for name, outcome in outcomes.items() if outcome.result is None} == set(bad)
    for name in bad:
        assert str(outcomes[name].reason).startswith(f"{tmp_path / name}.tflite: ")
    assert sorted(path.name for path in (bench.out / "logs").iterdir()) == [f"predict-{name}.log" for name in workers]
    again = predict_all(subjects, replace(bench, limits=NOTHING), Told())
    assert {name: each for name, each in again.items() if name not in bad} == {
        name: each for name, each in outcomes.items() if name not in bad
    }


@pytest.mark.tensorflow
@pytest.mark.coreml
def test_drift_is_located_and_kept(bench: Bench, gain_bundles: dict[str, Bundle], tmp_path: Path) -> None:
    import numpy as np
    from specimens import GAIN_AUDIO

    folder = bench.out / "cache" / "windows" / "gain"
    folder.mkdir()
    np.save(folder / "windows.npy", np.random.default_rng(1123).uniform(-1, 1, (2, 1, 2048)).astype(np.float32))
    windows = replace(bench.windows, path=folder / "windows.npy", spans=((0, 2, 4096),))
    bench = replace(bench, audio=GAIN_AUDIO, windows=windows)
    pairs = {
        "coreml-float16": (gain_bundles["coreml-float32"].model_path, gain_bundles["coreml-float16"].model_path, 1)
    }
    first = drift_all(pairs, bench, Told(), parallel=2)
    drift = first["coreml-float16"].result
    assert isinstance(drift, Drift), first
    assert drift.reference == "coreml-float32"
    assert 0 < drift.output_error < 1e-3  # a float16 near 0.75 is 2**-12 off at most; three roundings
    assert drift_all(pairs, replace(bench, limits=NOTHING), Told(), parallel=2) == first
