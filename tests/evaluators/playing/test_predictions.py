from __future__ import annotations

import pytest

from device_profiles.profile import read_profile
from evaluators.costs.graph import Graph, Op
from evaluators.costs.placement import PlacementRequest
from evaluators.evaluation import DeviceResult
from evaluators.playing.predictions import ReadModel, predict_device
from packager.bundle import AudioContract, Floor, Format

AUDIO = AudioContract(sample_rate_hz=8000, window_samples=2048, hop_samples=800)
ANDROID = Floor(platform="android", minimum_os=None, minimum_runtime="TFLite 2.3.0", because="CONV_2D needs 2.3.0")


def _graph(format_: Format, ops: list[tuple[str, int]], *, held: int = 100, read: int = 100) -> Graph:
    made = tuple(Op(f"op{k}", "conv", macs, 10, 10, 10, dtype) for k, (dtype, macs) in enumerate(ops))
    return Graph(format_, made, held, read, 1000)


def _predict(macs: int, **changes: int) -> DeviceResult:
    audio = AUDIO.model_copy(update=changes)
    graph = _graph("tflite", [("float32", macs)])
    return predict_device(ReadModel(graph, ANDROID, "float32", audio), read_profile("pixel-8"))


def test_a_prediction_is_marked_and_has_an_interval() -> None:
    result = _predict(10**8)
    assert (result.device, result.runs) == ("pixel-8", True)
    assert set(result.scores) == {"latency_ms", "latency_p90_ms", "real_time_factor", "memory_bytes"}
    for name, score in result.scores.items():
        assert score.basis == "predicted", name
        assert score.direction == "lower"
        assert score.value is not None
        assert score.value > 0
    latency = result.scores["latency_ms"]
    assert latency.low is not None
    assert latency.high is not None
    assert latency.value is not None
    assert latency.low < latency.value < latency.high


def test_more_work_takes_longer() -> None:
    values = [_predict(macs).scores["latency_ms"].value or 0 for macs in (10**6, 10**8, 10**10)]
    assert values == sorted(values)
    assert values[0] < values[2]


@pytest.mark.parametrize("hop_samples", [200, 800, 2048])
def test_the_real_time_factor_is_latency_over_the_hop(hop_samples: int) -> None:
    """In closed form: ms of work over ms of audio by which one call advances."""
    scores = _predict(10**8, hop_samples=hop_samples).scores
    latency, factor = scores["latency_ms"], scores["real_time_factor"]
    hop_ms = 1000 * hop_samples / 8000
    for field in ("value", "low", "high"):
        assert getattr(factor, field) == pytest.approx(getattr(latency, field) / hop_ms)
    assert (factor.unit, factor.confidence) == ("ratio", latency.confidence)


def test_a_phone_too_old_is_said() -> None:
    profile = read_profile("iphone-12")
    floor = Floor(platform="ios", minimum_os="iOS99", minimum_runtime=None, because="an op of the future")
    graph = _graph("coreml", [("float16", 10**6)])
    result = predict_device(ReadModel(graph, floor, "float16", AUDIO), profile)
    assert not result.runs
    assert "an op of the future" in result.floor_reason or "iOS99" in result.floor_reason


def test_more_threads_are_told_and_change_the_time() -> None:
    graph, profile = _graph("tflite", [("float32", 10**9)]), read_profile("pixel-8")
    found = [
        predict_device(ReadModel(graph, ANDROID, "float32", AUDIO), profile, PlacementRequest(threads=n))
        for n in (1, 4)
    ]
    assert [(one.compute_unit, one.threads, one.runtime) for one in found] == [
        ("cpu", 1, "LiteRT"),
        ("cpu", 4, "LiteRT"),
    ]
    alone, together = (one.scores["latency_ms"].value for one in found)
    assert alone is not None and together is not None and alone > together


def test_a_unit_that_cannot_compute_a_bundle_leaves_words_and_no_number() -> None:
    """The phone's other bundles, and this bundle's other phones, are predicted all the same."""
    graph = _graph("coreml", [("float32", 10**6)])
    asked, phone = PlacementRequest(unit="ane"), read_profile("iphone-12")
    floor = Floor(platform="ios", minimum_os="iOS15", minimum_runtime=None, because="ML Programs")
    result = predict_device(ReadModel(graph, floor, "float32", AUDIO), phone, asked)
    assert result.runs
    assert {score.value for score in result.scores.values()} == {None}
    assert {score.reason for score in result.scores.values()} == {
        "iphone-12's Neural Engine computes in float16; this model has no float16 op"
    }
