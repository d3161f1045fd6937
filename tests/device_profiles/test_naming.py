from __future__ import annotations

import time

import pytest

from device_profiles.naming import file_stem, marker_name, number_repeats
from tests.reports.example_evaluation import HOSTILE

NAMES = ("a/b", "../../etc/passwd", "..", "", ".hidden", HOSTILE, "n" * 4000, "a\x00b", "é", "\ud800", "C:\\x", "-->")


@pytest.mark.parametrize("name", NAMES)
def test_a_file_stem_is_a_plain_name(name: str) -> None:
    stem = file_stem(name)
    assert stem
    assert len(stem) < 100
    assert stem[0] not in ".-"
    assert set(stem) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")


def test_names_that_were_changed_stay_apart() -> None:
    assert file_stem("tflite-float16") == marker_name("tflite-float16") == "tflite-float16"
    assert len({file_stem(name) for name in NAMES}) == len({marker_name(name) for name in NAMES}) == len(NAMES)
    assert file_stem("a/b").startswith("a_b-")
    assert marker_name("a/b").startswith("a-b-")


@pytest.mark.parametrize("name", NAMES)
def test_a_marker_closes_no_comment(name: str) -> None:
    found = marker_name(name)
    assert found
    assert not set(found) & set("<>!&\n\r")
    assert "--" not in found


def test_repeats_are_numbered() -> None:
    assert number_repeats(["a", "b", "a", "a (2)", "a"]) == ["a", "b", "a (2)", "a (2) (2)", "a (3)"]
    assert number_repeats(["a", "A"], key=str.casefold) == ["a", "A (2)"]


def test_a_hundred_thousand_repeats_are_numbered_at_once() -> None:
    start = time.process_time()
    found = number_repeats(["a", "a (7)"] * 50_000)
    assert time.process_time() - start < 10
    assert len(set(found)) == len(found)
    assert found[:4] == ["a", "a (7)", "a (2)", "a (7) (2)"]
