from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("ai_edge_litert")
from device_profiles.errors import TestpressError
from device_profiles.profile import CATALOG, read_profile
from testpress.latency import CostPrediction, as_text, predict_costs, read_phones, read_request
from testpress.model_file import locate_model
from tests.testpress.tiny_tflite import (
    AUDIO,
    FEATURES,
    WINDOW_SAMPLES,
    Writer,
    schema,
    write_bundle,
    write_features,
    write_gain,
    write_two,
)

pytestmark = pytest.mark.tflite


def predict(path: Path, *devices: str) -> CostPrediction:
    return predict_costs(locate_model(str(path)), read_phones(devices or ("pixel-8",)))


def test_ops_and_the_calls_own_cost_add_up_to_the_latency(tmp_path: Path) -> None:
    prediction = predict(write_features(tmp_path / "x.tflite"))
    (phone,) = prediction.phones
    latency_ms = phone.scores["latency_ms"].value
    assert latency_ms is not None and phone.predicted_call_overhead_ms is not None
    assert sum(op.predicted_ms for op in phone.ops) + phone.predicted_call_overhead_ms == pytest.approx(latency_ms)
    assert [op.predicted_share for op in phone.ops] == [pytest.approx(op.predicted_ms / latency_ms) for op in phone.ops]
    assert [op.kind for op in phone.ops] == ["FULLY_CONNECTED", "MUL"]
    assert prediction.macs == WINDOW_SAMPLES * FEATURES


def test_every_score_is_predicted_and_its_interval_holds_it(tmp_path: Path) -> None:
    (phone,) = predict(write_bundle(tmp_path / "b")).phones
    cold = phone.scores["cold_start_ms"]
    assert (cold.value, cold.reason) == (None, "no public measurement of load times is known for this runtime")
    warm = {name: score for name, score in phone.scores.items() if score is not cold}
    assert set(warm) == {"latency_ms", "latency_p90_ms", "memory_bytes", "real_time_factor"}
    for score in warm.values():
        assert score.basis == "predicted"
        assert score.low is not None and score.value is not None and score.high is not None
        assert score.low <= score.value <= score.high


def test_the_real_time_factor_of_a_bundle_is_latency_over_its_hop(tmp_path: Path) -> None:
    overlapping = AUDIO.model_copy(update={"hop_samples": WINDOW_SAMPLES // 4})
    (phone,) = predict(write_bundle(tmp_path / "b", audio=overlapping)).phones
    latency_ms, factor = phone.scores["latency_ms"].value, phone.scores["real_time_factor"].value
    assert latency_ms is not None
    assert factor == pytest.approx(latency_ms / (1000 * WINDOW_SAMPLES / 4 / 8000))


def test_a_bare_file_has_no_hop_and_so_no_real_time_factor(tmp_path: Path) -> None:
    (phone,) = predict(write_features(tmp_path / "x.tflite")).phones
    assert "real_time_factor" not in phone.scores


def test_phones_come_in_the_order_asked_for_and_once(tmp_path: Path) -> None:
    prediction = predict(write_gain(tmp_path / "x.tflite"), "pixel-8", "galaxy-a14", "pixel-8")
    assert [phone.device for phone in prediction.phones] == ["pixel-8", "galaxy-a14"]
    slow, fast = (phone.scores["latency_ms"].value for phone in reversed(prediction.phones))
    assert slow is not None and fast is not None and slow > fast


def test_an_iphone_runs_it_in_litert_at_a_speed_nobody_published(tmp_path: Path) -> None:
    _, iphone = predict(write_gain(tmp_path / "x.tflite"), "pixel-8", "iphone-12").phones
    latency = iphone.scores["latency_ms"]
    assert latency.value is None
    assert latency.reason is not None
    assert "no published time" in latency.reason


def test_open_dimensions_and_broken_bundles_are_said(tmp_path: Path) -> None:
    (notice,) = predict(write_gain(tmp_path / "x.tflite", open_=True)).notices
    assert notice == "the batch is open and counted as 1: exact for one at a time"
    bundle = write_bundle(tmp_path / "b")
    assert predict(bundle).notices == ()
    (bundle / "extra").touch()
    assert predict(bundle).notices == (f"{bundle}/extra: not in the manifest",)


def test_an_open_length_is_priced_at_a_window_alone(tmp_path: Path) -> None:
    path = write_gain(tmp_path / "x.tflite", shape=(1,), open_=True)
    without = predict(path)
    assert without.phones[0].scores["latency_ms"].value is None
    assert without.notices[-1].endswith("whose sizes are not in the file; --window SAMPLES says how long an input is")
    at = predict_costs(locate_model(str(path)), [read_profile("pixel-8")], window=16000)
    assert at.phones[0].scores["latency_ms"].value is not None
    assert at.notices == ("open dimensions are counted at a window of 16000: audio_tensor [16000]",)


def test_the_text_calls_every_number_predicted(tmp_path: Path) -> None:
    text = as_text(predict(write_bundle(tmp_path / "b")))
    for label in ("latency of one call", "latency, 90 % stay below", "real-time factor", "peak memory"):
        assert re.search(rf"^  {re.escape(label)} +\S+( \S+)? predicted \(80 %: \S+ to [^)]+\)$", text, re.MULTILINE)
    assert "predicted ms" in text
    assert "Inferred: XNNPACK" in text
    assert "\n  cold start                not predicted: no public measurement of load times is known" in text


@pytest.mark.parametrize(
    ("top", "kinds", "rest"), [(1, 1, "1 more ops (--all lists them)"), (2, 2, None), (None, 2, None)]
)
def test_the_dearest_ops_are_listed_and_the_rest_is_summed(
    tmp_path: Path, top: int | None, kinds: int, rest: str | None
) -> None:
    text = as_text(predict(write_features(tmp_path / "x.tflite")), top=top)
    assert sum(kind in text for kind in ("FULLY_CONNECTED", " MUL ")) == kinds
    assert ("more ops" in text) == (rest is not None)
    assert rest is None or rest in text
    shares = [float(share) for share in re.findall(r"(\d+\.\d)%", text)]
    assert sum(shares) == pytest.approx(100, abs=0.2)  # each is rounded to a tenth


def test_a_phone_without_the_numbers_a_prediction_needs_says_which(tmp_path: Path) -> None:
    profile = read_profile("pixel-8").model_copy(update={"bandwidth_gb_s": None})
    prediction = predict_costs(locate_model(str(write_gain(tmp_path / "x.tflite"))), [profile])
    (phone,) = prediction.phones
    assert phone.ops == () and phone.predicted_call_overhead_ms is None
    assert "not predicted: pixel-8: the profile gives no bandwidth_gb_s" in as_text(prediction)


def test_every_signature_is_predicted_by_its_name(tmp_path: Path) -> None:
    path = write_two(tmp_path / "x.tflite")
    prediction = predict(path)
    assert prediction.macs is None
    assert [(phone.signature, phone.macs) for phone in prediction.phones] == [("encode", 1024), ("decode", 16)]
    text = as_text(prediction)
    assert "x.tflite: tflite float32, several signatures" in text
    assert "Pixel 8 (pixel-8), signature encode: 1.02 thousand multiply-adds a call" in text
    one = predict_costs(locate_model(str(path)), [read_profile("pixel-8")], signature="decode")
    assert (one.macs, [phone.signature for phone in one.phones]) == (16, ["decode"])


def test_a_model_in_an_op_of_another_chip_neither_runs_nor_has_a_time(tmp_path: Path) -> None:
    prediction = predict(write_gain(tmp_path / "x.tflite", custom="edgetpu-custom-op"))
    (phone,) = prediction.phones
    assert not phone.runs
    assert {score.value for score in phone.scores.values()} == {None}
    text = as_text(prediction)
    assert "  runs                      NO: only with the kernel of edgetpu-custom-op (an Edge TPU)" in text
    assert "not predicted: edgetpu-custom-op, a custom op whose cost is not in the file" in text


def test_a_branch_that_data_decides_is_told(tmp_path: Path) -> None:
    w = Writer()
    flag, x, y = w.tensor("flag", (), "BOOL"), w.tensor("x", (1, 4)), w.tensor("y", (1, 4))
    options = schema.IfOptionsT()
    options.thenSubgraphIndex, options.elseSubgraphIndex = 1, 1
    w.op("IF", [flag, x], [y], options=options)
    w.begin_subgraph([flag, x], [y])
    x, y = w.tensor("x", (1, 4)), w.tensor("y", (1, 4))
    w.op("ABS", [x], [y])
    found = predict(w.write(tmp_path / "x.tflite", [x], [y])).notices
    assert found == ("data decides which branch of 1 op runs: the dearest is counted",)


def test_small_times_and_factors_are_not_shown_as_0(tmp_path: Path) -> None:
    prediction = predict(write_bundle(tmp_path / "b"))
    (phone,) = prediction.phones
    quick = tuple(op.model_copy(update={"predicted_ms": 0.000188}) for op in phone.ops)
    factor = phone.scores["real_time_factor"].model_copy(update={"value": 2e-4, "low": 1e-4, "high": 4e-4})
    scores = {**phone.scores, "real_time_factor": factor}
    shown = as_text(
        prediction.model_copy(update={"phones": (phone.model_copy(update={"ops": quick, "scores": scores}),)})
    )
    assert " 0.000188 " in shown
    assert "0.000200 predicted (80 %: 0.000100 to 0.000400)" in shown


def test_a_count_that_is_a_lower_bound_says_at_least(tmp_path: Path) -> None:
    open_, fixed = write_gain(tmp_path / "o.tflite", shape=(1, 1), open_=True), write_gain(tmp_path / "f.tflite")
    assert "at least 0 multiply-adds a call" in as_text(predict(open_))
    assert ", 0 multiply-adds a call" in as_text(predict(fixed))


def test_weights_without_their_zeros_are_told(tmp_path: Path) -> None:
    b = Writer()
    x, y = b.tensor("x", (1, 4)), b.tensor("y", (1, 2))
    weight = b.tensor("w", (2, 4), values=np.ones(3))
    sparsity = schema.SparsityParametersT()
    sparsity.traversalOrder = [0, 1]
    b.graph.tensors[weight].sparsity = sparsity
    b.op("FULLY_CONNECTED", [x, weight, -1], [y])
    found = predict(b.write(tmp_path / "m.tflite", [x], [y]))
    assert (found.macs, found.notices) == (
        8, ("1 weight is held without zeros, with which multiply-adds are counted all the same",),
    )  # fmt: skip


def test_a_profile_of_ones_own_is_a_phone(tmp_path: Path) -> None:
    built_in = (CATALOG / "pixel-8.toml").read_text(encoding="utf-8")
    (tmp_path / "mine.toml").write_text(built_in.replace('id = "pixel-8"', 'id = "mine"'), encoding="utf-8")
    both = read_phones(["pixel-8", str(tmp_path / "mine.toml")])
    found = predict_costs(locate_model(str(write_gain(tmp_path / "x.tflite"))), both)
    first, second = (phone.scores["latency_ms"].value for phone in found.phones)
    assert [phone.device for phone in found.phones] == ["pixel-8", "mine"]
    assert first == second is not None


def test_two_profiles_of_one_identifier_are_refused(tmp_path: Path) -> None:
    changed = (CATALOG / "pixel-8.toml").read_text(encoding="utf-8").replace("Pixel 8", "Pixel 8 of mine", 1)
    path = tmp_path / "pixel-8.toml"
    path.write_text(changed, encoding="utf-8")
    with pytest.raises(TestpressError) as caught:
        read_phones(["pixel-8", str(path)])
    assert str(caught.value) == f"{path}: another profile is named 'pixel-8' too; right is one of them"


def test_a_profile_too_large_for_one_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    with path.open("wb") as file:
        file.truncate(2**30)
    with pytest.raises(TestpressError, match=r"x\.toml: holds more than \d+ bytes, which is no such file"):
        read_phones([str(path)])


def test_a_runtime_is_one_of_those_the_profile_lists() -> None:
    (phone,) = read_phones(["iphone-12"], "TFLite")
    assert [runtime.name for runtime in phone.runtimes] == ["TFLite"]
    with pytest.raises(TestpressError) as caught:
        read_phones(["iphone-12"], "ONNX")
    assert str(caught.value) == "apps on iphone-12 can carry Core ML, TFLite; found ONNX"


def test_threads_are_told_beside_the_unit(tmp_path: Path) -> None:
    path = write_features(tmp_path / "x.tflite")
    found = predict_costs(locate_model(str(path)), read_phones(["pixel-8"]), read_request("cpu", 2))
    (phone,) = found.phones
    assert (phone.runtime, phone.compute_unit, phone.threads) == ("LiteRT", "cpu", 2)
    assert "  placement                 LiteRT, CPU, 2 threads. Inferred: the app asked for the CPU; " in as_text(found)


def test_ops_of_which_only_the_bytes_are_counted_are_named(tmp_path: Path) -> None:
    w = Writer()
    x, count = w.tensor("x", (1, 64)), w.tensor("k", (), "INT32", values=np.array(3))
    values, places = w.tensor("values", (1, 3)), w.tensor("places", (1, 3), "INT32")
    w.op("TOPK_V2", [x, count], [values, places])
    found = predict(w.write(tmp_path / "x.tflite", [x], [values, places]))
    assert found.notices == (
        "counted by the bytes they move alone, since what they compute is not known here: TOPK_V2",
    )
