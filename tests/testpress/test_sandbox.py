"""A stranger's model is read and run in a worker: what it does ends there, and what was learned before is shown."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

pytest.importorskip("ai_edge_litert")
from ai_edge_litert import schema_py_generated as schema

from device_profiles.errors import TestpressError
from testpress.limits import LimitsSpec
from testpress.sandbox import Found, inspect_file, play_file, predict_file
from tests.testpress.tiny_tflite import WINDOW_SAMPLES, Writer, write_bundle, write_gain, write_loop

pytestmark = [pytest.mark.tflite, pytest.mark.slow]

NO_LIMITS = LimitsSpec()


def write_endless(path: Path, *, signed: bool = True) -> Path:
    """A loop whose condition is a constant: it never ends."""
    w = Writer()
    audio, out = w.tensor("audio", (WINDOW_SAMPLES,)), w.tensor("out", (WINDOW_SAMPLES,))
    w.op("WHILE", [audio], [out])
    options = schema.WhileOptionsT()
    options.condSubgraphIndex, options.bodySubgraphIndex = 1, 2
    operator = w.graph.operators[0]
    operator.builtinOptionsType, operator.builtinOptions = schema.BuiltinOptions.WhileOptions, options
    if signed:
        w.sign("serving_default", {"audio": audio}, {"out": out})
    main = w.graph
    for kind in ("cond", "body"):
        w.graph = schema.SubGraphT()
        w.graph.name, w.graph.tensors, w.graph.operators = kind, [], []
        x = w.tensor("x", (WINDOW_SAMPLES,))
        y = w.tensor("y", (1,), "BOOL") if kind == "cond" else w.tensor("y", (WINDOW_SAMPLES,))
        first = w.tensor("first", (1,))
        if kind == "cond":
            begin = w.tensor("begin", (1,), "INT32", values=np.zeros(1))
            size = w.tensor("size", (1,), "INT32", values=np.ones(1))
            w.op("SLICE", [x, begin, size], [first])
            w.op("EQUAL", [first, first], [y])
        else:
            w.op("ABS", [x], [y])
        w.graph.inputs, w.graph.outputs = [x], [y]
        w.model.subgraphs.append(w.graph)
    w.graph = main
    return w.write(path, [audio], [out])


def look(path: Path, limits: LimitsSpec = NO_LIMITS) -> Found:
    return inspect_file(str(path), limits)


def test_a_good_file_is_as_this_process_would_find_it(tmp_path: Path) -> None:
    from testpress.inspection.reading import as_text, inspect_model
    from testpress.model_file import locate_model

    path = write_gain(tmp_path / "x.tflite")
    found, here = look(path), inspect_model(locate_model(str(path)))
    assert (found.data, found.text, found.fault) == (json.loads(here.model_dump_json()), as_text(here), None)


@pytest.mark.parametrize(
    ("make", "limits", "fault"),
    [
        (write_endless, LimitsSpec(time_s=3), "one call on zeros: did not end in time; --limit-time allows more"),
        (
            lambda path: write_endless(path, signed=False),
            LimitsSpec(time_s=1),
            "one call on zeros: did not end in time; --limit-time allows more",
        ),
        (
            lambda path: write_loop(path, 1, on_data=True),
            LimitsSpec(time_s=1),
            "one call on zeros: did not end in time; --limit-time allows more",
        ),
        (
            lambda path: write_gain(path, shape=(1, 2**30)),
            LimitsSpec(memory="1GiB"),
            "one call on zeros: needed more than 1 GiB of memory; --limit-memory allows more",
        ),
    ],
    ids=[
        "a loop without end",
        "a loop without end, without a signature",
        "a loop that waits for loud audio",
        "4 GiB of a small file",
    ],
)
def test_what_was_read_is_shown_though_the_call_ends_the_worker(
    make: Any, limits: LimitsSpec, fault: str, tmp_path: Path
) -> None:
    path = make(tmp_path / "x.tflite")
    began = time.monotonic()
    found = look(path, limits)
    assert time.monotonic() - began < 30
    assert found.fault == f"{path}: {fault}"
    assert "signature" in found.text
    assert "plays here     not known: one call on zeros did not come to its end" in found.text
    assert found.data["ops"]


def test_a_damaged_file_is_one_message(tmp_path: Path) -> None:
    path = tmp_path / "x.tflite"
    path.write_bytes(b"\x18\0\0\0TFL3")
    with pytest.raises(TestpressError, match=r"^\S*x\.tflite: damaged TFLite model of 8 bytes"):
        look(path)


def test_a_changed_bundle_is_shown_with_its_fault(tmp_path: Path) -> None:
    folder = write_bundle(tmp_path / "b")
    (folder / "golden" / "in.f32").unlink()
    found = look(folder)
    assert found.fault == f"{folder}: 1 files are not what the manifest says"
    assert "BROKEN" in found.text


@pytest.mark.parametrize("place", ["model.tflite", "golden/in.f32"])
def test_a_link_in_a_bundle_is_refused_before_anything_is_loaded(place: str, tmp_path: Path) -> None:
    folder = write_bundle(tmp_path / "b")
    (tmp_path / "elsewhere").write_bytes((folder / place).read_bytes())
    (folder / place).unlink()
    (folder / place).symlink_to(tmp_path / "elsewhere")
    for verb in (look, lambda path: predict_file(str(path), {"devices": ["pixel-8"], "show_all": False}, NO_LIMITS)):
        with pytest.raises(TestpressError, match="is a symbolic link"):
            verb(folder)


def test_a_recording_is_played_in_a_worker(tmp_path: Path) -> None:
    samples = np.random.default_rng(3).normal(scale=0.1, size=200).astype(np.float32)
    soundfile.write(tmp_path / "x.wav", samples, 8000, subtype="FLOAT")
    options = {"audio": tmp_path / "x.wav", "recipe": None, "sample_rate": 8000, "notes": False}
    out, steps = tmp_path / "o.npz", []
    path = str(write_gain(tmp_path / "x.tflite"))
    found = play_file(path, {**options, "out": out}, NO_LIMITS, lambda done, total: steps.append((done, total)))
    assert found.data["windows"] == 4
    assert steps == [(1, 4), (2, 4), (3, 4), (4, 4)]
    with np.load(out) as archive:
        np.testing.assert_allclose(archive["scaled"], samples / 2, rtol=1e-6)
    endless = {**options, "out": tmp_path / "never.npz"}
    with pytest.raises(TestpressError, match=r"took longer than 3 s; --limit-time allows more"):
        play_file(str(write_endless(tmp_path / "e.tflite")), endless, LimitsSpec(time_s=3), lambda *_: None)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["e.tflite", "o.npz", "x.tflite", "x.wav"]
