"""Leave to compute in float16, written into files and read from them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from device_profiles.profile import read_profile
from evaluators.costs.latency import predict_latency
from evaluators.costs.memory import predict_memory
from evaluators.formats import name_precision, place, read_graph, read_metadata
from evaluators.targets import open_model
from packager.errors import PackagingError
from packager.formats import get_format, precisions, searched_precisions
from packager.formats.tflite.floor import tflite_floor
from packager.formats.tflite.reduced_precision import allow_float16, allows_float16

pytestmark = [pytest.mark.tensorflow, pytest.mark.tflite]

NAME = "float16_arithmetic"


@pytest.fixture(scope="module")
def plain(flatbuffers: Path) -> Path:
    return flatbuffers / "net.tflite"


@pytest.fixture(scope="module")
def allowed(plain: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("allowed") / "net.tflite"
    path.write_bytes(allow_float16(plain.read_bytes()))
    return path


@pytest.mark.parametrize(
    ("said", "allows"),
    [("fp16accfp16", True), ("fp16bf16accfp16", True), ("fp16accfp32", False), ("fp32accfp16", False), ("", False)],
)
def test_only_float16_sums_of_float16_products(said: str, allows: bool) -> None:
    assert allows_float16(said) == allows


@pytest.mark.slow
def test_nothing_but_the_metadata_changes(plain: Path, allowed: Path) -> None:
    call = {"audio": np.random.default_rng(0).normal(size=(1, 2048, 1)).astype(np.float32)}
    before, after = (open_model(path).run(call) for path in (plain, allowed))
    assert all(np.array_equal(before[name], after[name]) for name in before)  # as x86 computes it, and Arm does not
    assert tflite_floor(plain.read_bytes()) == tflite_floor(allowed.read_bytes())
    assert allow_float16(allowed.read_bytes()) == allowed.read_bytes()
    said = read_metadata(allowed).others["reduced precision"]
    assert said == "fp16accfp16, which allows float16 arithmetic where a core has it"
    assert "reduced precision" not in read_metadata(plain).others


@pytest.mark.slow
def test_a_strangers_file_is_told_by_its_metadata(plain: Path, allowed: Path) -> None:
    assert name_precision(read_graph(plain)) == "float32"
    assert name_precision(read_graph(allowed)) == NAME


@pytest.mark.slow
@pytest.mark.parametrize(("phone", "number"), [("pixel-8", "float16"), ("pixel-2", "float32")])
def test_no_time_is_known_of_cores_that_have_float16(allowed: Path, phone: str, number: str) -> None:
    graph, profile = read_graph(allowed), read_profile(phone)
    placement = place(graph, NAME, profile)
    time, memory = predict_latency(graph, placement, profile).latency_ms, predict_memory(graph, profile, placement)
    assert placement.compute.number == number
    if number == "float32":
        assert time.value is not None
        assert memory.value is not None
        return
    assert (time.value, time.reason) == (
        None,
        "XNNPACK's float16 arithmetic, of which no published time is at hand",
    )
    assert memory.value is None
    assert "float16" in str(memory.reason)


def test_a_search_leaves_out_what_this_machine_computes_otherwise() -> None:
    assert NAME in precisions("tflite")
    assert set(precisions("tflite")) - set(searched_precisions("tflite")) == {NAME}
    assert searched_precisions("coreml") == precisions("coreml")
    assert "float32" in get_format("tflite").caveat_of(NAME)


def test_damage_is_one_error() -> None:
    with pytest.raises(PackagingError, match=r"^the TFLite model cannot be taken apart: "):
        allow_float16(b"no model at all, but long enough to be read")
