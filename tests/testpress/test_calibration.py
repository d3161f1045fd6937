"""`testpress calibrate` and `testpress latency --calibration` on real TFLite files."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

pytest.importorskip("ai_edge_litert")
from device_profiles.profile import read_profile
from device_profiles.record import dump_json
from evaluators.costs.own_measurements import PhoneCalibration
from evaluators.costs.phone_model import tell_calibration
from evaluators.costs.placement import Compute
from evaluators.errors import EvaluationError
from evaluators.evaluation import DeviceResult
from evaluators.playing.predictions import Prediction, PredictionRequest, predict
from packager.bundle import AudioContract
from testpress.calibration import CalibrationReport, calibrate
from testpress.latency import as_text, predict_costs
from testpress.measured_models import Measurements
from testpress.model_file import locate_model
from testpress.recipe import RecipeError, read_recipe
from tests.specimens import run_command
from tests.testpress.tiny_tflite import write_bundle, write_chain, write_features, write_gain, write_two

pytestmark = pytest.mark.tflite

PHONE = read_profile("pixel-8")
COMPUTE = Compute("LiteRT", "cpu", "float32")
HEAD = "file,unit,threads,ms\n"


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Two models twice as slow as predicted, and one with a custom op."""
    write_chain(tmp_path / "chain.tflite", 12)
    write_features(tmp_path / "features.tflite")
    write_gain(tmp_path / "custom.tflite", custom="Mystery")
    path = tmp_path / "measured.csv"
    names = ("chain.tflite,cpu,1", "features.tflite,cpu,2", "custom.tflite,cpu,1")
    path.write_text(HEAD + "".join(f"{name},1\n" for name in names))
    before = [row.predicted_before_ms for row in measure(path).rows]
    measured = [1.0 if ms is None else 2 * ms for ms in before]
    path.write_text(HEAD + "".join(f"{name},{ms}\n" for name, ms in zip(names, measured, strict=True)))
    return path


def measure(*files: Path, models: tuple[str, ...] = ()) -> CalibrationReport:
    return calibrate(PHONE, Measurements(files, models))


def command(*arguments: object) -> tuple[int, str, str]:
    run = run_command([sys.executable, "-m", "testpress", *map(str, arguments)])
    return run.returncode, run.stdout, run.stderr


def test_rows_are_held_against_what_was_predicted(table: Path) -> None:
    report = measure(table)
    chain, features, custom = report.rows
    assert chain.compute == "LiteRT, cpu, float32"
    assert (chain.threads, features.threads) == (1, 2)
    for row in (chain, features):
        assert row.predicted_before_ms == pytest.approx(row.measured_ms / 2)
        assert row.predicted_after_ms == pytest.approx(row.measured_ms, rel=0.03)
        assert row.predicted_left_out_ms == pytest.approx(row.measured_ms, rel=0.3)
    assert custom.reason == "Mystery, a custom op whose cost is not in the file"
    assert custom.predicted_before_ms is custom.predicted_after_ms is custom.predicted_left_out_ms is None
    assert (report.summary.rows, report.summary.predicted_rows) == (3, 2)
    assert report.summary.before == pytest.approx(0.5)
    assert report.summary.after is not None and report.summary.left_out is not None
    assert report.summary.after < report.summary.left_out < 0.3


@pytest.mark.slow
def test_the_command_writes_what_latency_then_uses(table: Path, tmp_path: Path) -> None:
    out = tmp_path / "calibration.json"
    code, text, told = command("calibrate", "--device", "pixel-8", table, "-o", out)
    assert code == 0, told
    assert "custom.tflite: not predicted: Mystery, a custom op whose cost is not in the file" in text
    assert "mean error of 2 of 3 rows: 50.0% before" in text
    assert text.rstrip().endswith(f"calibration: {out}")

    latency = ("latency", tmp_path / "chain.tflite", "--device", "pixel-8")
    before = json.loads(command(*latency, "--json")[1])["phones"][0]
    after = json.loads(command(*latency, "--json", "--calibration", out)[1])["phones"][0]
    ratio = after["scores"]["latency_ms"]["value"] / before["scores"]["latency_ms"]["value"]
    assert ratio == pytest.approx(2, rel=0.05)
    assert after["scores"]["latency_ms"]["basis"] == "predicted"
    assert sum(op["predicted_ms"] for op in after["ops"]) + after["predicted_call_overhead_ms"] == pytest.approx(
        after["scores"]["latency_ms"]["value"]
    )
    assert (
        "Moved by 2 measured rows of LiteRT, cpu, float32 on this phone." in command(*latency, "--calibration", out)[1]
    )


@pytest.mark.slow
def test_the_same_rows_make_the_same_file(table: Path, tmp_path: Path) -> None:
    command("calibrate", "--device", "pixel-8", table, "-o", tmp_path / "a.json")
    found = json.loads(command("calibrate", "--device", "pixel-8", table, "--json")[1])
    assert json.loads((tmp_path / "a.json").read_text()) == found["calibration"]
    assert (tmp_path / "a.json").read_text() == dump_json(measure(table).calibration)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,unit,threads\na.tflite,cpu,1\n", "measured.csv: line 1: has no column ms; right is"),
        (HEAD + "a.tflite,cpu,1,-1\n", "measured.csv: line 2: ms is '-1'; right is"),
        (HEAD + "a.tflite,tpu,1,1\n", "measured.csv: line 2: unit is 'tpu'; right is cpu, gpu, npu, ane"),
        (HEAD + "gone.tflite,cpu,1,1\n", "gone.tflite: no such file or folder; right is a bundle folder"),
        (HEAD + "measured.csv,cpu,1,1\n", "not a model that phones run"),
        ("<html>", "measured.csv: line 1: has no column file"),
        (None, "measured.csv: no such file"),
    ],
)
def test_what_is_wrong_is_one_message(tmp_path: Path, text: str | None, message: str) -> None:
    if text is not None:
        (tmp_path / "measured.csv").write_text(text)
    with pytest.raises(EvaluationError) as fault:
        measure(tmp_path / "measured.csv")
    assert message in str(fault.value)
    assert len(str(fault.value).splitlines()) == 1


@pytest.mark.slow
def test_the_command_ends_with_one_message(tmp_path: Path) -> None:
    (tmp_path / "measured.csv").write_text(HEAD + "gone.tflite,cpu,1,-1\n")
    code, shown, told = command("calibrate", "--device", "pixel-8", tmp_path / "measured.csv")
    assert (code, shown) == (1, "")
    assert told == (
        f"testpress: {tmp_path}/measured.csv: line 2: ms is '-1'; right is a number above 0, at most 1e+07\n"
    )


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    write_two(tmp_path / "two.tflite")
    write_gain(tmp_path / "gain.tflite")
    path = tmp_path / "m.csv"
    path.write_text(
        "file,unit,threads,ms,runtime,signature\n"
        "gone.tflite,cpu,1,1,,\ntwo.tflite,cpu,1,1,,\ngain.tflite,cpu,1,1,ONNX,\ngain.tflite,cpu,1,1,,other\n"
    )
    with pytest.raises(Exception) as fault:
        measure(path)
    gone, two, runtime, signature = str(fault.value).split("\n")
    assert gone.startswith(f"{path}: line 2: {tmp_path}/gone.tflite: no such file")
    assert "line 3" in two and "say in the row which was called" in two
    assert runtime == f"{path}: line 4: apps on pixel-8 can carry LiteRT; found ONNX"
    assert "line 5" in signature and "other" in signature


def test_what_the_phone_cannot_do_is_a_row_with_words(tmp_path: Path) -> None:
    write_gain(tmp_path / "gain.tflite")
    (tmp_path / "m.csv").write_text(HEAD + "gain.tflite,npu,,1\ngain.tflite,cpu,33,1\ngain.tflite,cpu,1,1\n")
    npu, many, good = measure(tmp_path / "m.csv").rows
    assert npu.reason is not None and "npu" in npu.reason
    assert many.reason is not None and "33 threads" in many.reason
    assert good.reason is None


def test_rows_without_any_prediction_make_no_calibration(tmp_path: Path) -> None:
    write_gain(tmp_path / "custom.tflite", custom="Mystery")
    (tmp_path / "m.csv").write_text(HEAD + "custom.tflite,cpu,1,1\n")
    with pytest.raises(Exception, match="line 2: cannot be predicted: Mystery, a custom op"):
        measure(tmp_path / "m.csv")


def test_a_bundle_is_a_model_too(tmp_path: Path) -> None:
    write_bundle(tmp_path / "b")
    (tmp_path / "m.csv").write_text(HEAD + "b,cpu,1,1\n")
    (row,) = measure(tmp_path / "m.csv").rows
    assert row.predicted_after_ms is not None


def test_a_recipe_uses_a_calibration_beside_it(table: Path, tmp_path: Path) -> None:
    (tmp_path / "c.json").write_text(dump_json(measure(table).calibration))
    recipe = tmp_path / "testpress.toml"
    head = '[model]\nname = "m"\nversion = "1"\nlicense = "MIT"\nsource = "m.pt2"\n[devices]\nids = ["pixel-8"]\n'
    recipe.write_text(head + 'calibration = "c.json"\n')
    (found,) = read_recipe(recipe).calibrations
    assert found.device == "pixel-8"
    assert read_recipe(recipe, devices=("galaxy-a14",)).calibrations == ()  # not the phone that was measured
    recipe.write_text(head + 'calibration = ["c.json", "gone.json"]\n')
    with pytest.raises(RecipeError, match=r"devices\.calibration: .*gone\.json: no such file"):
        read_recipe(recipe)
    recipe.write_text(head.replace("pixel-8", "galaxy-a14") + 'calibration = "c.json"\n')
    with pytest.raises(RecipeError, match="is of pixel-8; the phones asked for are galaxy-a14"):
        read_recipe(recipe)


def test_a_model_that_was_measured_shows_its_time_beside_the_prediction(table: Path, tmp_path: Path) -> None:
    table.write_text(table.read_text().replace("chain.tflite,cpu,1", "chain.tflite,cpu,4"))
    known = {"pixel-8": measure(table).calibration}

    def find(model: Path) -> tuple[float | None, str]:
        prediction = predict_costs(locate_model(str(model)), [PHONE], calibrations=known)
        score = prediction.phones[0].scores.get("measured_latency_ms")
        assert score is None or score.basis == "measured_device"
        return None if score is None else score.value, as_text(prediction)

    renamed = write_chain(tmp_path / "renamed.tflite", 12)
    assert find(renamed)[0] == known["pixel-8"].rows[0].measured_ms
    assert "measured on a phone" in find(renamed)[1]
    assert find(tmp_path / "features.tflite")[0] is None  # measured in two threads, and an app takes four
    assert find(write_chain(tmp_path / "chain.tflite", 13))[0] is None  # its name, and other ops


def test_an_evaluation_s_phones_have_both_numbers(table: Path, tmp_path: Path) -> None:
    table.write_text(table.read_text().replace("chain.tflite,cpu,1", "chain.tflite,cpu,4"))
    calibration = measure(table).calibration
    audio = AudioContract(sample_rate_hz=8000, window_samples=64, hop_samples=64)
    phones = (PHONE, read_profile("galaxy-a14"))

    def ask(*known: PhoneCalibration) -> tuple[DeviceResult, ...]:
        request = PredictionRequest(
            model=str(tmp_path / "chain.tflite"), precision=None, audio=audio, devices=phones, calibrations=known
        )
        (event,) = predict({"requests": [request.model_dump(mode="json")]})
        return Prediction.model_validate(event["result"], strict=False).devices

    (pixel, galaxy), (plain, same) = ask(calibration), ask()
    measured = pixel.scores["measured_latency_ms"]
    assert (measured.value, measured.basis) == (calibration.rows[0].measured_ms, "measured_device")
    assert pixel.scores["latency_ms"].value == pytest.approx(measured.value, rel=0.1)
    assert (plain.scores["latency_ms"].value or 0) < 0.7 * (measured.value or 0)
    assert pixel.placement_reason == f"{plain.placement_reason} {tell_calibration(calibration, COMPUTE)}"
    assert galaxy == same  # another phone
