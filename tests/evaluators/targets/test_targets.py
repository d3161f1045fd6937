"""Which targets there are, who plays what, and what one cannot do, as data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from device_profiles.profile import DeviceProfile, read_profile
from evaluators.errors import EvaluationError
from evaluators.target_records import Refusal, Target
from evaluators.targets import (
    RefusedError,
    choose_targets,
    default_target,
    find_players,
    find_refusal,
    get_player,
    open_model,
    stand_in,
    target_names,
)
from packager.formats import format_names
from packager.formats.phones import carry
from tests.testpress.tiny_tflite import write_gain

pytestmark = pytest.mark.tflite


def phone(runtime: str, version: str) -> DeviceProfile:
    profile = read_profile("pixel-8")
    first = profile.runtimes[0]
    release = first.version.model_copy(update={"value": version})
    return profile.model_copy(update={"runtimes": (first.model_copy(update={"name": runtime, "version": release}),)})


def test_every_format_has_a_target_and_every_target_a_format() -> None:
    assert {"litert", "tflite_runtime", "coreml"} <= set(target_names())
    assert {get_player(name).format for name in target_names()} == set(format_names())
    assert [name for name, _ in find_players("tflite")] == ["litert", "tflite_runtime"]


def test_bulk_numbers_of_tflite_are_litert(tmp_path: Path) -> None:
    target = default_target("tflite")
    assert (target.name, target.runtime, target.unit, target.core) == ("litert", "LiteRT", "cpu", None)
    emulator = open_model(write_gain(tmp_path / "m.tflite"), target)
    assert emulator.runtime == target.version
    emulator.close()
    with pytest.raises(TypeError):
        emulator.run({})


def test_an_unknown_target_names_those_there_are() -> None:
    with pytest.raises(EvaluationError, match="no target 'litertt'; did you mean 'litert'"):
        get_player("litertt")


def test_a_target_of_another_format_refuses_the_file(tmp_path: Path) -> None:
    target = Target(name="coreml", runtime="Core ML", version="any")
    with pytest.raises(RefusedError) as caught:
        open_model(write_gain(tmp_path / "m.tflite"), target)
    assert caught.value.refusal == Refusal(reason="Core ML does not play TFLite models")


def test_an_op_that_a_runtime_does_not_hold_is_named(tmp_path: Path) -> None:
    path, target = write_gain(tmp_path / "m.tflite", custom="Mine"), default_target("tflite")
    with pytest.raises(EvaluationError) as caught:
        emulator = open_model(path, target)
        emulator.run({name: np.zeros(one.shape, one.dtype) for name, one in emulator.inputs.items()})
    refusal = find_refusal(caught.value, target)
    assert refusal is not None
    assert refusal.op == "Mine"
    assert "custom op" in refusal.reason


@pytest.mark.parametrize(
    ("message", "op", "reason"),
    [
        ("Didn't find op for builtin opcode 'FULLY_CONNECTED' version '12'. An older version of it might be supported.",
         "FULLY_CONNECTED", "Didn't find op for builtin opcode 'FULLY_CONNECTED' version '12'"),
        ("tensorflow/lite/kernels/conv.cc:354 bias type != input type\nNode number 3 (CONV_2D) failed to prepare.",
         "CONV_2D", "tensorflow/lite/kernels/conv.cc:354 bias type != input type"),
    ],
)  # fmt: skip
def test_a_runtimes_message_becomes_op_and_reason(message: str, op: str, reason: str) -> None:
    assert get_player("litert").explain(message) == Refusal(op=op, reason=reason)
    assert get_player("litert").explain("no such file") is None


def test_core_mls_message_becomes_op_and_reason() -> None:
    explain = get_player("coreml").explain
    assert explain("m.mlpackage: the emulator does not know op 'foo' of opset CoreML7 (iOS 17)") == Refusal(
        op="foo", reason="the emulator does not know op 'foo' of opset CoreML7 (iOS 17)"
    )
    assert explain("m: op conv (x_1): weight has 3 channels") == Refusal(op="conv", reason="weight has 3 channels")


def test_phones_whose_apps_carry_one_runtime_share_a_target() -> None:
    phones = [read_profile("pixel-8"), read_profile("pixel-4"), read_profile("galaxy-a14")]
    assert [target.name for target in choose_targets("tflite", phones)] == ["litert"]


def test_a_runtime_that_is_not_here_is_told_of_its_phone() -> None:
    old = phone("TFLite", "2.14.0")
    targets = choose_targets("tflite", [old])
    target, words = stand_in(old, "tflite", targets[:1])
    assert target == targets[0]
    if len(targets) == 1:
        assert words == f"played on {targets[0].version}: TFLite 2.14.0 is not installed here"


def test_another_version_of_the_phones_runtime_is_told() -> None:
    targets = (Target(name="litert", runtime="LiteRT", version="LiteRT 2.3.0"),)
    assert stand_in(phone("LiteRT", "2.3.0"), "tflite", targets) == (targets[0], "")
    _, words = stand_in(phone("LiteRT", "1.4.2"), "tflite", targets)
    assert words == "played on LiteRT 2.3.0, where the phone's apps carry 1.4.2"


def test_a_phone_that_plays_no_such_format_has_no_target() -> None:
    targets = choose_targets("coreml", [])
    assert stand_in(read_profile("pixel-8"), "coreml", targets) == (None, "")
    assert stand_in(carry(read_profile("iphone-12"), []), "tflite", choose_targets("tflite", [])) == (None, "")
