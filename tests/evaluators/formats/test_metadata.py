"""What files say of themselves, and that damaged or hostile metadata is no more than a word about it."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("ai_edge_litert")
from evaluators.formats import read_metadata
from evaluators.formats.metadata import ModelMetadata, TensorText
from tests.testpress.model_metadata import add_metadata, make_metadata
from tests.testpress.tiny_tflite import write_gain

pytestmark = pytest.mark.tflite


def test_every_field_is_read_and_labels_are_counted(tmp_path: Path) -> None:
    labels = {"labels.txt": "\n".join(f"class {k}" for k in range(521))}
    path = write_gain(tmp_path / "m.tflite")
    found = read_metadata(add_metadata(path, make_metadata(labels="labels.txt", channels=2), labels))
    assert (found.name, found.description, found.version) == ("hearer", "It hears.", "v1")
    assert (found.author, found.license) == ("Jo", "Apache-2.0")
    assert (found.sample_rate_hz, found.rate_from, found.channels) == (16000, "properties", 2)
    assert found.tensors == (
        TensorText(role="in", name="waveform", text="a clip"),
        TensorText(role="out", name="scores", text="one a class"),
    )
    (label,) = found.labels
    assert (label.output, label.count, label.first[:2]) == ("scores (labels.txt)", 521, ("class 0", "class 1"))
    assert found.others == {"least metadata parser": "1.3.0"}


def test_a_file_without_metadata_says_nothing(tmp_path: Path) -> None:
    assert read_metadata(write_gain(tmp_path / "m.tflite")) == ModelMetadata()


@pytest.mark.parametrize(
    ("text", "rate_hz"),
    [
        ("audio clip (16 kHz float32 waveform)", 16000),
        ("mono at 44.1kHz", 44100),
        ("sampled at 22050 Hz", 22050),
        ("44.1 kHz, resampled to 16 kHz inside", None),  # one of two is a guess
        ("notes up to 880 Hz, tuned to 440 Hz", None),
        ("a clip", None),
    ],
)
def test_a_rate_is_taken_from_words_if_they_name_one(text: str, rate_hz: int | None, tmp_path: Path) -> None:
    path = add_metadata(write_gain(tmp_path / "m.tflite"), make_metadata(rate_hz=None, text=text))
    found = read_metadata(path)
    assert (found.sample_rate_hz, found.rate_from) == (rate_hz, None if rate_hz is None else "words")


def test_long_texts_are_cut_and_made_harmless(tmp_path: Path) -> None:
    author = "\x1b[2J" + "x" * 10_000
    found = read_metadata(add_metadata(write_gain(tmp_path / "m.tflite"), make_metadata(author=author)))
    assert len(found.author) <= 400 and "\x1b" not in found.author


@pytest.mark.parametrize("damage", ["cut", "identifier", "noise"])
def test_damaged_metadata_is_told_and_no_more(damage: str, tmp_path: Path) -> None:
    whole = make_metadata()
    data = {"cut": whole[:40], "identifier": whole[:4] + b"M999" + whole[8:], "noise": whole[:8] + b"\xff" * 64}[damage]
    found = read_metadata(add_metadata(write_gain(tmp_path / "m.tflite"), data))
    assert found.fault is not None and found.fault.startswith("its metadata cannot be read (")
    assert found.sample_rate_hz is None


def test_a_file_that_lacks_what_the_reader_needs_is_no_reason_to_fail(tmp_path: Path) -> None:
    path = tmp_path / "m.tflite"
    path.write_bytes(b"\x18\0\0\0TFL3")
    assert read_metadata(path).fault is not None


def test_labels_that_are_not_packed_are_left_out(tmp_path: Path) -> None:
    path = write_gain(tmp_path / "m.tflite")
    assert read_metadata(add_metadata(path, make_metadata(labels="gone.txt"), {"other.txt": "a"})).labels == ()


@pytest.mark.coreml
@pytest.mark.skipif(not find_spec("coremltools"), reason="needs coremltools' message classes")
class TestCoreML:
    @staticmethod
    def write(
        path: Path, *, text: str = "", user: dict[str, str] | None = None, labels: list[str] | None = None
    ) -> Path:
        from evaluators.emulators.coreml.protobuf import load_schema

        model: Any = load_schema().model.Model()
        model.specificationVersion = 4
        said = model.description.metadata
        said.shortDescription, said.author, said.license, said.versionString = "It hears.", "Jo", "MIT", "2"
        said.userDefined.update(user or {})
        feature = model.description.input.add()
        feature.name, feature.shortDescription = "audio", text
        if labels:
            model.description.predictedFeatureName = "class"
            model.neuralNetworkClassifier.stringClassLabels.vector.extend(labels)
        path.write_bytes(model.SerializeToString())
        return path

    def test_xcodes_fields_are_read(self, tmp_path: Path) -> None:
        found = read_metadata(self.write(tmp_path / "m.mlmodel", text="mono, 16 kHz", labels=["dog", "cat"]))
        assert (found.description, found.author, found.license, found.version) == ("It hears.", "Jo", "MIT", "2")
        assert (found.sample_rate_hz, found.rate_from) == (16000, "words")
        assert [(one.output, one.count, one.first) for one in found.labels] == [("class", 2, ("dog", "cat"))]

    @pytest.mark.parametrize(("key", "rate_hz"), [("sample_rate", 24000), ("samplingRate", 24000), ("batch", None)])
    def test_a_rate_may_be_a_field_of_the_authors_own(self, key: str, rate_hz: int | None, tmp_path: Path) -> None:
        found = read_metadata(self.write(tmp_path / "m.mlmodel", user={key: "24000"}))
        assert found.sample_rate_hz == rate_hz
        assert found.others == {key: "24000"}

    @pytest.mark.parametrize("inline", [True, False])
    def test_a_programs_classes_are_its_labels(self, inline: bool, tmp_path: Path) -> None:
        from evaluators.emulators.coreml.protobuf import load_schema

        model: Any = load_schema().model.Model()
        model.description.predictedFeatureName = "class"
        block = model.mlProgram.functions["main"].block_specializations["CoreML6"]
        constant, classify = block.operations.add(), block.operations.add()
        constant.type, classify.type = "const", "classify"
        constant.outputs.add().name = "names"
        argument = classify.inputs["classes"].arguments.add()
        if inline:
            value = argument.value
        else:
            argument.name, value = "names", constant.attributes["val"]
        for name in ("dog", "cat", "cow"):
            value.immediateValue.list.values.add().immediateValue.tensor.strings.values.append(name)
        path = tmp_path / "m.mlmodel"
        path.write_bytes(model.SerializeToString())
        (labels,) = read_metadata(path).labels
        assert (labels.output, labels.count, labels.first) == ("class", 3, ("dog", "cat", "cow"))
