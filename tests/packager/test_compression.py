from __future__ import annotations

import importlib
from pathlib import Path

import pytest

import packager.formats
from packager.compression import Context
from packager.errors import PackagingError
from packager.formats import check_precision, format_names, get_format, pairs, precisions, prepare, tolerance
from packager.formats.tflite.compression import compress
from packager.package import tool_versions


def test_formats_are_the_folders() -> None:
    assert format_names() == ("coreml", "tflite")
    assert {format_: get_format(format_).model_file for format_ in format_names()} == {
        "coreml": "Model.mlpackage",
        "tflite": "model.tflite",
    }


@pytest.mark.parametrize("format_", format_names())
def test_float32_comes_first_and_no_precision_twice(format_: str) -> None:
    known = precisions(format_)
    assert known[0] == "float32"
    assert len(set(known)) == len(known)
    for precision in known:
        check_precision(format_, precision, where="x")


@pytest.mark.parametrize("format_", format_names())
def test_every_precision_promises_something_and_says_why(format_: str) -> None:
    promised = {precision: tolerance(format_, precision) for precision in precisions(format_)}
    assert promised["float32"] == 60 > promised["float16"] == 30
    assert min(promised.values()) > 0
    module = importlib.import_module(f"packager.formats.{format_}.compression")
    assert all(one.because for one in module.PRECISIONS.values())


def test_the_tolerance_of_an_unknown_precision_lists_the_known() -> None:
    with pytest.raises(PackagingError, match="tolerance: unknown precision 'int3'; known: float32, "):
        tolerance("coreml", "int3")


def test_converters_are_the_files() -> None:
    folder = Path(packager.formats.__file__).parent
    assert len(pairs()) == len(list(folder.glob("*/from_*.py")))
    assert ("tensorflow", "tflite") in pairs()
    assert ("tensorflow", "coreml") in pairs()


def test_a_pair_without_a_converter_lists_those_there_are() -> None:
    with pytest.raises(PackagingError) as caught:
        prepare("jax", "tflite", None, Context())  # type: ignore[arg-type]
    assert str(caught.value).startswith("no converter from jax to tflite; there are: ")
    assert "tensorflow to tflite" in str(caught.value)


def test_float32_is_the_converters_own_file() -> None:
    assert compress(b"any bytes", "float32", Context()) == b"any bytes"


def test_an_unknown_precision_lists_the_known() -> None:
    with pytest.raises(PackagingError) as caught:
        compress(b"", "int3", Context())
    assert str(caught.value) == f"unknown TFLite precision 'int3'; known: {', '.join(precisions('tflite'))}"


def test_tools_are_those_that_have_a_hand_in_it() -> None:
    assert {"numpy", "tensorflow", "tf-keras"} == set(tool_versions("tensorflow"))
    assert "coremltools" in tool_versions("tensorflow", "coreml")
    assert "ai-edge-quantizer" in tool_versions("tensorflow", "tflite")
    assert "tensorflow" not in tool_versions("torch", "coreml")
