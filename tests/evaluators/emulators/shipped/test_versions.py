"""Runtimes by name and version, as recipes write them, and what a refusal says of later ones."""

from __future__ import annotations

import pytest

from evaluators.core_records import TargetsSpec
from evaluators.emulators.shipped.versions import ShippedRuntime, find_runtime_of, parse_runtime
from evaluators.errors import EvaluationError
from evaluators.formats.tflite.refusals import tell_lowest
from evaluators.targets import get_player, target_names


@pytest.mark.parametrize(
    ("written", "title", "target", "asked"),
    [
        (
            "tflite-runtime 2.14.0",
            "tflite-runtime 2.14.0",
            "shipped_tflite_runtime_2_14_0",
            ("tflite-runtime==2.14.0", "numpy<2"),
        ),
        ("litert  1.0.1", "LiteRT 1.0.1", "shipped_litert_1_0_1", ("ai-edge-litert==1.0.1", "numpy<2")),
        ("LiteRT 1.2.0", "LiteRT 1.2.0", "shipped_litert_1_2_0", ("ai-edge-litert==1.2.0",)),
    ],
)
def test_a_name_and_a_version(written: str, title: str, target: str, asked: tuple[str, ...]) -> None:
    runtime = parse_runtime(written)
    assert (runtime.title, runtime.target, runtime.requirements) == (title, target, asked)
    assert find_runtime_of(target) == runtime
    assert get_player(target).find().version == title


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("LiteRT", "'LiteRT' is no runtime and version; right is, for example, 'tflite-runtime 2.14.0'"),
        ("LiteRT 1.2", "'LiteRT 1.2' is no runtime and version"),
        ("LiteRT 1.2.0 --index-url=x", "is no runtime and version"),
        ("LightRT 1.2.0", "no runtime 'LightRT'; did you mean 'LiteRT'"),
        ("onnx 1.2.0", "no runtime 'onnx'; known: LiteRT, tflite-runtime"),
    ],
)
def test_what_is_none_is_one_message(written: str, message: str) -> None:
    with pytest.raises(EvaluationError, match=message):
        parse_runtime(written)
    with pytest.raises(ValueError, match=message):
        TargetsSpec(runtimes=(written,))


def test_none_twice() -> None:
    with pytest.raises(ValueError, match="LiteRT"):
        TargetsSpec(runtimes=("LiteRT 1.2.0", "litert 1.2.0"))
    assert TargetsSpec(runtimes=("LiteRT 1.2.0",)).shipped == (ShippedRuntime("LiteRT", "1.2.0"),)


def test_no_other_target_has_such_a_name() -> None:
    assert not any(find_runtime_of(name) for name in target_names())


@pytest.mark.parametrize(
    ("message", "told"),
    [
        (
            "Didn't find op for builtin opcode 'FULLY_CONNECTED' version '13'. An older version of this builtin might",
            "FULLY_CONNECTED version 13 needs TFLite 2.18.0 or LiteRT 1.2",
        ),
        (
            "Didn't find op for builtin opcode 'ADD' version '90'.",
            "ADD version 90 is in no runtime that is known here",
        ),
        ("Encountered unresolved custom op: Mine.", ""),
    ],
)
def test_the_lowest_runtime_that_has_an_op(message: str, told: str) -> None:
    assert tell_lowest(message) == told
