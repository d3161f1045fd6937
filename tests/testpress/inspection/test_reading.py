from __future__ import annotations

import json
import random
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("ai_edge_litert")
from device_profiles.errors import TestpressError
from packager.attestation.verification import check_files
from packager.bundle import Bundle, read_bundle
from testpress.inspection.reading import Inspection, as_text, inspect_model, read_facts
from testpress.model_file import locate_model
from tests.testpress.model_metadata import add_metadata, make_metadata
from tests.testpress.tiny_tflite import (
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


def look(path: Path) -> Inspection:
    return inspect_model(locate_model(str(path)))


def bundle(folder: Path) -> Bundle:
    return read_bundle(write_bundle(folder))


def test_ops_are_counted_by_kind_with_their_share_of_multiply_adds(tmp_path: Path) -> None:
    found = look(write_features(tmp_path / "x.tflite"))
    fully_connected, mul = found.ops
    assert (fully_connected.kind, fully_connected.count, fully_connected.macs) == (
        "FULLY_CONNECTED", 1, WINDOW_SAMPLES * FEATURES,
    )  # fmt: skip
    assert (mul.kind, mul.count, mul.macs, mul.macs_share, mul.dtypes) == ("MUL", 1, 0, 0.0, ("float32",))
    assert fully_connected.macs_share == 1.0
    assert found.macs == WINDOW_SAMPLES * FEATURES
    assert found.weight_bytes == found.expanded_weight_bytes == 4 * (WINDOW_SAMPLES * FEATURES + 1)
    assert (found.precision, found.precision_from, found.manifest) == ("float32", "graph", None)
    assert found.size_bytes == (tmp_path / "x.tflite").stat().st_size


def test_a_model_without_multiply_adds_has_no_share_to_divide_by(tmp_path: Path) -> None:
    assert [op.macs_share for op in look(write_gain(tmp_path / "x.tflite")).ops] == [0.0]


def test_a_file_that_plays_here_names_its_runtime(tmp_path: Path) -> None:
    found = look(write_gain(tmp_path / "x.tflite"))
    assert found.runtime is not None and found.runtime.startswith("LiteRT ")
    assert found.not_playable is None


def test_a_file_without_a_signature_is_shown_and_plays(tmp_path: Path) -> None:
    found = look(write_gain(tmp_path / "x.tflite", signed=False))
    assert found.runtime is not None
    text = as_text(found)
    assert "no signature (tensor names)\n  in   audio_tensor" in text
    assert "plays here     yes, on LiteRT " in text


@pytest.mark.parametrize(
    ("name", "origin", "need"),
    [
        ("Beamformer", "custom", "custom ops     Beamformer: the app must bring their kernels"),
        ("FlexStft", "flex", "flex ops       FlexStft: the app must ship Select TF ops"),
    ],
)
def test_ops_beyond_the_plain_runtime_are_flagged(tmp_path: Path, name: str, origin: str, need: str) -> None:
    found = look(write_gain(tmp_path / "x.tflite", custom=name))
    assert [(op.kind, op.origin) for op in found.ops] == [(f"CUSTOM {name}", origin)]
    assert name in found.floor.because
    assert found.runtime is None
    assert need in as_text(found)


def test_hybrid_kernels_compute_on_integers(tmp_path: Path) -> None:
    w = Writer()
    x, y, z = w.tensor("x", (1, 8)), w.tensor("y", (1, 4)), w.tensor("z", (1, 4))
    weight = w.tensor("w", (4, 8), "INT8", values=np.ones((4, 8)), scale=0.5)
    w.op("FULLY_CONNECTED", [x, weight, -1], [y])
    w.op("ABS", [y], [z])
    found = read_facts(locate_model(str(w.write(tmp_path / "x.tflite", [x], [z]))))
    assert found.precision == "dynamic_wi8_afp32"
    assert [(op.kind, op.dtypes) for op in found.ops] == [("FULLY_CONNECTED", ("int8",)), ("ABS", ("float32",))]


def test_a_model_behind_another_is_told(tmp_path: Path) -> None:
    first, second = write_gain(tmp_path / "a.tflite"), write_gain(tmp_path / "b.tflite", custom="Beamformer")
    size = first.stat().st_size
    both = tmp_path / "both.tflite"
    both.write_bytes(first.read_bytes() + b"\0TFL3 is no model" + second.read_bytes())
    found = read_facts(locate_model(str(both)))
    begins = size + len(b"\0TFL3 is no model")
    assert found.appended == f"another TFLite model begins at byte {begins:,}: only the first is read and run"
    assert f"notice         {found.appended}" in as_text(found)
    assert [kind.kind for kind in found.ops] == ["MUL"]
    assert read_facts(locate_model(str(first))).appended is None


def framed(path: Path, *, open_batch: bool = False) -> Path:
    """A convolution of 80 taps over an open time."""
    w = Writer()
    x, y = w.tensor("x", (1, 1, 1, 1), open_=True), w.tensor("y", (1, 1, 1, 2), open_=True)
    x_tensor, y_tensor = w.graph.tensors[x], w.graph.tensors[y]
    batch = -1 if open_batch else 1
    x_tensor.shapeSignature, y_tensor.shapeSignature = [batch, 1, -1, 1], [batch, 1, -1, 2]
    options = schema.Conv2DOptionsT()
    options.padding, options.strideW, options.strideH = schema.Padding.VALID, 1, 1
    weight, bias = w.tensor("w", (2, 1, 80, 1), values=np.ones(160)), w.tensor("b", (2,), values=np.zeros(2))
    w.op("CONV_2D", [x, weight, bias], [y], options=options)
    return w.write(path, [x], [y])


@pytest.mark.parametrize("open_batch", [False, True])
def test_an_open_time_is_tried_with_a_second_of_audio(open_batch: bool, tmp_path: Path) -> None:
    found = look(framed(tmp_path / "x.tflite", open_batch=open_batch))
    assert found.runtime is not None
    assert found.played_with == "x [1, 1, 16000, 1]"
    text = as_text(found)
    assert ", with x [1, 1, 16000, 1]" in text
    assert "not counted" in text and "open dimensions, whose sizes are not in the file" in text


def test_a_model_none_of_whose_windows_fits_is_not_said_to_be_unplayable(tmp_path: Path) -> None:
    w = Writer()
    x, y = w.tensor("x", (1, 1), open_=True), w.tensor("y", (1, 12345))
    w.op("RESHAPE", [x, w.tensor("shape", (2,), "INT32", values=np.array([1, 12345]))], [y])
    found = look(w.write(tmp_path / "x.tflite", [x], [y]))
    assert found.not_playable is None
    assert (found.not_known or "").startswith("its window is open (x [open, open]), and none that was tried fits: ")


def test_a_size_that_is_an_input_is_tried_with_one(tmp_path: Path) -> None:
    w = Writer()
    values, k = w.tensor("values", (1, 8)), w.tensor("k", (), "INT32")
    top, places = w.tensor("top", (1, 1)), w.tensor("places", (1, 1), "INT32")
    w.op("TOPK_V2", [values, k], [top, places])
    assert look(w.write(tmp_path / "x.tflite", [values, k], [top, places])).runtime is not None


def test_what_looks_like_a_state_is_proposed(tmp_path: Path) -> None:
    w = Writer()
    audio, h_in, h_out = w.tensor("audio", (1, 64)), w.tensor("h_in", (1, 64)), w.tensor("h_out", (1, 64))
    w.op("ADD", [audio, h_in], [h_out])
    found = look(w.write(tmp_path / "x.tflite", [audio, h_in], [h_out]))
    assert found.state_pairs == {"h_in": "h_out"}
    assert 'looks like state  by names and shapes; in a recipe: [model.state] h_in = "h_out"' in as_text(found)


@pytest.mark.coreml
@pytest.mark.skipif(not find_spec("coremltools"), reason="needs coremltools' message classes")
def test_a_compiled_model_shows_its_interface_though_it_is_not_run(tmp_path: Path) -> None:
    folder = tmp_path / "x.mlmodelc"
    folder.mkdir()
    port = {"name": "audio", "type": "MultiArray", "dataType": "Float32", "shape": "[1, 16000]"}
    said = {"specificationVersion": 7, "license": "MIT", "inputSchema": [port], "outputSchema": []}
    (folder / "metadata.json").write_text(json.dumps([said]))
    found = inspect_model(locate_model(str(folder), to_run=False))
    assert found.kind == "compiled model"
    assert found.runtime is None and "what is run and counted here is an ML Program" in (found.not_playable or "")
    text = as_text(found)
    assert "in  audio  [1, 16000]  float32" in text
    assert "licence  MIT" in text
    assert "multiply-adds" not in text
    with pytest.raises(TestpressError, match="a compiled Core ML model; name the"):
        locate_model(str(folder))


def test_what_a_file_says_of_itself_is_shown(tmp_path: Path) -> None:
    labels = {"l.txt": "dog\ncat"}
    found = look(add_metadata(write_gain(tmp_path / "x.tflite"), make_metadata(labels="l.txt"), labels))
    text = as_text(found)
    for words in ("author                 Jo", "licence                Apache-2.0", "2 of scores (l.txt): dog, cat"):
        assert words in text
    assert "hears                  16000 Hz, 1 channel(s), as its metadata say" in text


def test_what_each_signature_costs_is_shown_beside_the_weights_of_all(tmp_path: Path) -> None:
    path = write_two(tmp_path / "x.tflite")
    found = look(path)
    assert [(cost.signature, cost.macs) for cost in found.costs] == [("encode", 1024), ("decode", 16)]
    assert (found.ops, found.macs) == ((), None)
    text = as_text(found)
    assert "weights     4.16 kB in the file\n" in text
    assert "ops of signature decode\n" in text
    one = inspect_model(locate_model(str(path)), signature="decode")
    assert [signature.name for signature in one.signatures] == ["decode"]
    assert one.macs == 16


def test_the_runtimes_own_custom_ops_need_nothing(tmp_path: Path) -> None:
    path = write_gain(tmp_path / "x.tflite", shape=(1, 4, 64), custom="AudioSpectrogram")
    found = read_facts(locate_model(str(path)))  # not run: LiteRT crashes where the op's options are missing
    assert [kind.origin for kind in found.ops] == ["runtime"]
    text = as_text(found)
    assert "AudioSpectrogram: custom by name; the runtime itself brings their kernels" in text
    assert "the app must bring" not in text


def test_open_dimensions_are_flagged(tmp_path: Path) -> None:
    found = look(write_gain(tmp_path / "x.tflite", open_=True))
    assert found.dynamic_ops == 1
    assert found.signatures[0].inputs[0].shape == (None, WINDOW_SAMPLES)
    assert "[open, 64]" in as_text(found)
    assert "counted        the batch is open and counted as 1: exact for one at a time" in as_text(found)
    assert "the batch is open" not in as_text(look(write_gain(tmp_path / "y.tflite")))


def test_a_whole_bundle_shows_its_manifest(tmp_path: Path) -> None:
    found = look(write_bundle(tmp_path / "b"))
    assert found.hash_faults == ()
    assert found.precision_from == "manifest"
    text = as_text(found)
    for line in (
        "model           gain 1, licence Apache-2.0",
        "audio           8000 Hz, 1 channel(s), windows of 64 samples every 64",
        "golden vectors  zeros (audio → scaled)",
        "hashes          all 3 files are as packaged",
    ):
        assert f"  {line}\n" in text
    assert Inspection.model_validate_json(found.model_dump_json()) == found


def change(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[0] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("file", "spoil", "message"),
    [
        ("golden/in.f32", change, "golden/in.f32: changed since it was packaged: SHA-256 "),
        ("golden/out.f32", Path.unlink, "golden/out.f32: missing, but in the manifest"),
        ("extra.txt", Path.touch, "extra.txt: not in the manifest"),
    ],
)
def test_a_file_that_is_not_what_the_manifest_says_is_named(
    tmp_path: Path, file: str, spoil: object, message: str
) -> None:
    made = bundle(tmp_path / "b")
    assert callable(spoil)
    spoil(made.path / file)
    (fault,) = check_files(made)
    assert fault.startswith(f"{made.path}/{message}")
    assert look(made.path).hash_faults == (fault,)
    assert f"hashes          BROKEN\n                  {fault}" in as_text(look(made.path))


def test_a_damaged_model_in_a_bundle_is_one_message_that_also_says_its_hash_is_wrong(tmp_path: Path) -> None:
    made = bundle(tmp_path / "b")
    made.model_path.write_bytes(made.model_path.read_bytes()[:200])
    with pytest.raises(
        TestpressError, match=r"damaged TFLite model[^\n]*\n.*model.tflite: changed since it was packaged"
    ):
        look(made.path)


def test_a_symbolic_link_in_a_bundle_is_refused(tmp_path: Path) -> None:
    made = bundle(tmp_path / "b")
    (made.path / "link").symlink_to(made.model_path)
    with pytest.raises(TestpressError, match="is a symbolic link"):
        look(made.path)


def test_a_link_to_a_bare_file_may_be_inspected(tmp_path: Path) -> None:
    real = write_gain(tmp_path / "x.tflite")
    (tmp_path / "link.tflite").symlink_to(real)
    assert look(tmp_path / "link.tflite").size_bytes == real.stat().st_size


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not a TFLite model: bytes 4 to 8 are b''"),
        (b"hello world", "not a TFLite model: bytes 4 to 8 are b'o wo'"),
        (b"\x18\0\0\0TFL3", "damaged TFLite model of 8 bytes"),
    ],
)
def test_a_file_that_is_no_model_is_one_message(tmp_path: Path, data: bytes, message: str) -> None:
    (tmp_path / "x.tflite").write_bytes(data)
    with pytest.raises(TestpressError) as caught:
        look(tmp_path / "x.tflite")
    assert message in str(caught.value)
    assert str(tmp_path / "x.tflite") in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("seed", range(20))
def test_damage_anywhere_is_shown_or_refused_with_the_files_name(tmp_path: Path, seed: int) -> None:
    path = write_features(tmp_path / "x.tflite")
    whole = path.read_bytes()
    generator = random.Random(seed)
    data = bytearray(whole[: generator.randrange(8, len(whole))])
    data[generator.randrange(8, len(data)) if len(data) > 8 else 0] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(TestpressError, match=r"x\.tflite"):
        look(path)


@pytest.mark.coreml
@pytest.mark.skipif(not (find_spec("basic_pitch") and find_spec("coremltools")), reason="needs both wheels")
def test_basic_pitchs_own_mlpackage() -> None:
    found = inspect_model(locate_model("pkg://basic_pitch/saved_models/icassp_2022/nmp.mlpackage"))
    (signature,) = found.signatures
    assert [(port.name, port.shape) for port in signature.outputs] == [
        ("Identity", (1, 172, 264)), ("Identity_1", (1, 172, 88)), ("Identity_2", (1, 172, 88)),
    ]  # fmt: skip
    assert found.floor.minimum_os == "iOS15"
    assert found.ops[0].kind == "conv"
    assert found.not_playable is None
