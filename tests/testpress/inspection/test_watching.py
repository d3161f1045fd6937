from __future__ import annotations

import itertools
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from device_profiles.errors import TestpressError
from evaluators.emulators.coreml.observations import OpRange
from packager.bundle import Bundle
from testpress.inspection.observation import PartingFound, RangesFound, as_text
from testpress.inspection.stimuli import MOST_WINDOWS, SEED
from testpress.inspection.watching import make_request, watch
from tests.evaluators.emulators.coreml.programs import Op, Program, Text, write_package
from tests.specimens import tone
from tests.testpress.tiny_tflite import Writer, write_double, write_features, write_loop

WINDOW = 64
SHAPE = (1, WINDOW)
INPUTS = {"audio": ("float32", SHAPE)}


def write(folder: Path, *ops: Op, name: str = "a", **changes: Any) -> Path:
    outputs = {ops[-1].output: ("float32", ops[-1].shape)}
    return write_package(folder, Program(ops, outputs, **{"inputs": INPUTS, **changes}), name=f"{name}.mlpackage")


def scale(before: str, factor: float, name: str, dtype: str = "float32") -> Op:
    return Op("mul", {"x": before, "y": np.dtype(dtype).type(factor)}, name, dtype, SHAPE)


def cast(before: str, dtype: str, name: str) -> Op:
    return Op("cast", {"x": before, "dtype": [Text(dtype)]}, name, {"fp16": "float16", "fp32": "float32"}[dtype], SHAPE)


def write_wholes(folder: Path) -> Path:
    """`y = (audio · 10⁶) · 10⁻⁶`: 10⁶ is more than float16 holds."""
    return write(folder, scale("audio", 1e6, "loud"), scale("loud", 1e-6, "y"))


def write_halves(folder: Path) -> Path:
    ops = [
        cast("audio", "fp16", "audio_to_fp16"),
        scale("audio_to_fp16", 1e3, "middle", "float16"),
        scale("middle", 1e3, "loud_cast_fp16", "float16"),
        scale("loud_cast_fp16", 1e-6, "y_cast_fp16", "float16"),
        cast("y_cast_fp16", "fp32", "y"),
    ]
    return write(folder, *ops, name="b")


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    soundfile.write(tmp_path / "clip.wav", tone(1.0), 8000, subtype="FLOAT")
    return tmp_path / "clip.wav"


def ranges_of(path: Path, **options: Any) -> tuple[RangesFound, dict[str, OpRange]]:
    found = watch(make_request(str(path), **options))
    assert isinstance(found, RangesFound)
    return found, {op.op: op for op in found.ops}


def parting_of(path: Path, against: Path, **options: Any) -> PartingFound:
    found = watch(make_request(str(path), against=str(against), **options))
    assert isinstance(found, PartingFound)
    return found


def test_without_audio_the_same_random_values_are_run(tmp_path: Path) -> None:
    path = write_wholes(tmp_path)
    found, ops = ranges_of(path)
    assert (found.inputs, found.file) == (1, str(path))
    assert found.inputs_from == f"random values between -1 and 1 (integers: 0 or 1), seed {SEED}"
    assert ops["y"].elements == WINDOW
    assert -1 <= (ops["y"].minimum or 0) < -0.5 < 0.5 < (ops["y"].maximum or 0) <= 1
    assert ranges_of(path)[0] == found


def test_integer_inputs_are_drawn_too(tmp_path: Path) -> None:
    ops = [
        Op("cast", {"x": "ids", "dtype": [Text("fp32")]}, "real", shape=SHAPE),
        Op("add", {"x": "audio", "y": "real"}, "y", shape=SHAPE),
    ]
    _, found = ranges_of(write(tmp_path, *ops, inputs={**INPUTS, "ids": ("int32", SHAPE)}))
    assert (found["real"].minimum, found["real"].maximum) == (0.0, 1.0)
    assert 0 < found["real"].zeros < WINDOW


def test_a_recording_is_run_in_windows_spread_evenly(tmp_path: Path, clip: Path) -> None:
    told: list[tuple[int, int]] = []
    request = make_request(str(write_wholes(tmp_path)), audio=clip, sample_rate=8000)
    found = watch(request, lambda done, total: told.append((done, total)))
    assert isinstance(found, RangesFound)
    assert found.inputs == MOST_WINDOWS
    assert found.inputs_from == f"{MOST_WINDOWS} of 125 windows of {clip}"
    assert told == [(done, MOST_WINDOWS) for done in range(MOST_WINDOWS + 1)]
    assert found.ops[0].maximum == pytest.approx(0.5e6, rel=1e-2)  # a sine at half scale
    assert found.ops[0].elements == MOST_WINDOWS * WINDOW


def test_a_short_recording_is_run_whole(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "short.wav", tone(0.02), 8000, subtype="FLOAT")
    found, ops = ranges_of(write_wholes(tmp_path), audio=tmp_path / "short.wav", sample_rate=8000)
    assert found.inputs_from.startswith("3 of 3 windows")
    assert ops["y"].zeros >= 3 * WINDOW - 160  # the last window is filled up


def test_the_text_names_what_float16_cannot_hold(tmp_path: Path) -> None:
    text = as_text(ranges_of(write_wholes(tmp_path))[0])
    assert "too large for float16  1 op, the first is loud (mul)\n" in text
    assert "not finite             no op\n" in text
    (row,) = [line for line in text.splitlines() if line.strip().startswith("loud ")]
    assert "would overflow (" in row


def test_the_text_names_where_infinities_begin(tmp_path: Path) -> None:
    found, ops = ranges_of(write_halves(tmp_path))
    assert [name for name, op in ops.items() if op.breaks] == ["loud_cast_fp16"]
    text = as_text(found)
    assert "3 ops, the first is loud_cast_fp16 (mul); begins at loud_cast_fp16 (mul)" in text
    (row,) = [line for line in text.splitlines() if line.strip().startswith("loud_cast_fp16 ")]
    assert "BEGINS HERE, " in row and " are infinite (" in row


def test_a_table_lists_the_ops_that_matter_most_in_their_order(tmp_path: Path) -> None:
    names = ["audio", *(f"m{k}" for k in range(30))]
    factors = {"m7": 1e6, "m8": 1e-6, "m20": 1e7, "m21": 1e-7}
    ops = [scale(before, factors.get(name, 1.0), name) for before, name in itertools.pairwise(names)]
    found, _ = ranges_of(write(tmp_path, *ops))
    lines = as_text(found, top=2).splitlines()
    assert [line.split()[0] for line in lines[-3:-1]] == ["m7", "m20"]
    assert lines[-1] == "  … and 28 more ops; --all lists them"
    assert [line.split()[0] for line in as_text(found, top=None).splitlines()[-30:]] == names[1:]


def test_two_models_part_where_the_second_overflows(tmp_path: Path) -> None:
    found = parting_of(write_halves(tmp_path), write_wholes(tmp_path))
    assert found.comparison.first == "loud_cast_fp16"
    assert (found.comparison.unaligned, found.comparison.reference_unaligned) == (("middle",), ())
    text = as_text(found)
    assert "first op apart  loud_cast_fp16 (mul): " in text
    assert " became infinite\n" in text
    assert "without a namesake: 1 here, 0 there" in text
    assert PartingFound.model_validate_json(found.model_dump_json()) == found


def test_the_first_op_apart_is_listed_though_others_are_worse(tmp_path: Path) -> None:
    names = ("audio", "a", "b", "c")
    right = write(tmp_path, *[scale(before, 1, name) for before, name in itertools.pairwise(names)])
    wrong = [scale(before, 1.1, name) for before, name in itertools.pairwise(names)]
    text = as_text(parting_of(write(tmp_path, *wrong, name="b"), right), top=2)
    assert [line.split()[0] for line in text.splitlines()[-3:]] == ["a", "c", "…"]


def test_equal_models_part_nowhere(tmp_path: Path, clip: Path) -> None:
    path = write_wholes(tmp_path)
    text = as_text(parting_of(path, path, audio=clip, sample_rate=8000))
    assert "first op apart  none by more than 0.01 of its range\n" in text
    assert "worst op        none: all values are equal\n" in text
    assert "  equal  " in text


def test_other_shapes_are_told(tmp_path: Path) -> None:
    mean = Op(
        "reduce_mean",
        {"x": "audio", "axes": np.array([1], np.int32), "keep_dims": np.bool_(True)},
        "loud",
        shape=(1, 1),
    )
    other = write(tmp_path, mean, scale("audio", 1, "y"), name="b")
    assert "other shape     loud: [1, 1], there [1, 64]\n" in as_text(parting_of(other, write_wholes(tmp_path)))


def test_nested_blocks_are_told_of(tmp_path: Path) -> None:
    branches = [([scale("audio", factor, name)], [name]) for name, factor in (("left", 2), ("right", 3))]
    chosen = Op("cond", {"pred": "yes"}, "chosen", shape=SHAPE, blocks=branches)
    total = Op("reduce_sum", {"x": "audio", "axes": np.array([0, 1], np.int32), "keep_dims": np.bool_(False)}, "total")
    yes = Op("greater", {"x": "total", "y": np.float32(-1e9)}, "yes", "bool")
    found, ops = ranges_of(write(tmp_path, total, yes, chosen))
    assert list(ops) == ["total", "yes", "chosen"]
    assert found.notices == ("1 op holds blocks of ops, as loops and branches do, which are not looked into",)
    assert "notice " in as_text(found)


@pytest.mark.slow
@pytest.mark.tensorflow
def test_a_bundle_brings_its_contract_and_its_hashes_are_looked_at(
    tmp_path: Path, clip: Path, gain_bundles: dict[str, Bundle]
) -> None:
    """With real bundles: half the input plus a quarter, in float32 and in float16."""
    for precision in ("float32", "float16"):
        shutil.copytree(gain_bundles[f"coreml-{precision}"].path, tmp_path / precision)
    found = parting_of(tmp_path / "float16", tmp_path / "float32", audio=clip)
    assert found.inputs_from == f"4 of 4 windows of {clip}"  # 8000 samples, 2048 a window
    assert (found.comparison.first, found.notices) == (None, ())
    assert 0 < max(op.max_abs_error for op in found.comparison.ops) < 2**-11
    golden = "the golden inputs of the bundle: "
    found_ranges, _ = ranges_of(tmp_path / "float16")
    assert found_ranges.inputs_from.startswith(golden)
    assert found_ranges.inputs == len(gain_bundles["coreml-float16"].manifest.vectors) > 1
    assert parting_of(tmp_path / "float16", tmp_path / "float32").inputs_from.startswith(golden)
    assert parting_of(
        tmp_path / "float16" / gain_bundles["coreml-float16"].manifest.file, tmp_path / "float32"
    ).inputs_from.startswith(golden)
    (tmp_path / "float32" / "extra").touch()
    assert ranges_of(tmp_path / "float32")[0].inputs_from.startswith("random values")
    again = parting_of(tmp_path / "float16", tmp_path / "float32", audio=clip)
    assert again.notices == (f"{tmp_path}/float32/extra: not in the manifest",)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"audio": Path("gone.wav"), "sample_rate": 8000}, "gone.wav"),
        ({"audio": Path("gone.wav")}, "a bare model file does not say at what rate it hears"),
        ({"against": "gone.mlpackage"}, "gone.mlpackage: no such file or folder"),
    ],
)
def test_what_is_missing_is_named(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(TestpressError, match=message):
        watch(make_request(str(write_wholes(tmp_path)), **options))


def test_files_of_two_formats_are_refused(tmp_path: Path) -> None:
    (tmp_path / "x.tflite").touch()
    with pytest.raises(
        TestpressError, match=r"x\.tflite a tflite model, whose ops are others; right is two files of one"
    ):
        make_request(str(tmp_path / "x.tflite"), against=str(write_halves(tmp_path)))


class TestTFLite:
    @staticmethod
    def chain(path: Path, *, second: float, more: float = 1.0, rows: int = 1) -> Path:
        """`loud` = 10⁶ x `audio`, `y` = `second` x `loud`, `end` = `more` x `y`."""
        w = Writer()
        names = ("audio", "loud", "y", "end")
        tensors = [w.tensor(name, (rows, WINDOW)) for name in names]
        for index, factor in enumerate((1e6, second, more)):
            w.op(
                "MUL",
                [tensors[index], w.tensor(f"factor_{index}", (1,), values=np.array([factor]))],
                [tensors[index + 1]],
            )
        w.sign("serving_default", {"audio": tensors[0]}, {"end": tensors[3]})
        return w.write(path, [tensors[0]], [tensors[3]])

    def test_ranges_are_told_op_by_op(self, tmp_path: Path, clip: Path) -> None:
        """The clip is a tone of amplitude 0.5 or so: its values times 10⁶ are more than float16 holds."""
        file = self.chain(tmp_path / "a.tflite", second=1e-6)
        found = watch(make_request(str(file), audio=clip, sample_rate=8000))
        assert isinstance(found, RangesFound)
        loud, y, end = found.ops
        samples = soundfile.read(clip)[0]
        assert (loud.op, loud.kind, loud.dtype) == ("loud", "MUL", "float32")
        assert y.maximum == pytest.approx(samples.max(), rel=1e-3)
        assert loud.half is not None
        assert loud.half.overflowing > 0
        assert end.half is not None
        assert end.half.overflowing == 0
        assert "too large for float16" in as_text(found)

    def test_not_finite_begins_where_it_began(self, tmp_path: Path) -> None:
        w = Writer()
        x, root, y = (w.tensor(name, (1, WINDOW)) for name in ("x", "root", "y"))
        w.op("SQRT", [x], [root])
        w.op("MUL", [root, w.tensor("two", (1,), values=np.array([2.0]))], [y])
        w.sign("serving_default", {"x": x}, {"y": y})
        found = watch(make_request(str(w.write(tmp_path / "a.tflite", [x], [y]))))
        assert isinstance(found, RangesFound)
        assert [op.breaks for op in found.ops] == [True, False]
        assert all(op.nans > 0 for op in found.ops)

    def test_the_first_op_apart_is_named(self, tmp_path: Path) -> None:
        right, other = self.chain(tmp_path / "a.tflite", second=0.5), self.chain(tmp_path / "b.tflite", second=0.6)
        found = watch(make_request(str(other), against=str(right)))
        assert isinstance(found, PartingFound)
        assert (found.comparison.first, found.comparison.worst) == ("y", "y")
        assert found.comparison.ops[0].severity == 0
        same = watch(make_request(str(right), against=str(right)))
        assert isinstance(same, PartingFound)
        assert (same.comparison.first, same.comparison.worst) == (None, None)

    def test_quantized_values_count_as_what_they_mean(self, tmp_path: Path) -> None:
        file = write_double(tmp_path / "a.tflite", "INT8", scale=1 / 128, zero_point=3)
        found = watch(make_request(str(file)))
        assert isinstance(found, RangesFound)
        (double,) = found.ops
        assert (double.dtype, double.half) == ("int8", None)
        assert double.maximum == pytest.approx(2 * 124 / 128, abs=0.1)

    def test_loops_are_not_looked_into_and_said_so(self, tmp_path: Path) -> None:
        found = watch(make_request(str(write_loop(tmp_path / "a.tflite", 3))))
        assert found.notices == ("1 op holds blocks of ops, as loops and branches do, which are not looked into",)

    def test_files_without_a_common_name_are_refused(self, tmp_path: Path) -> None:
        files = [str(self.chain(tmp_path / "a.tflite", second=1)), str(write_features(tmp_path / "b.tflite"))]
        with pytest.raises(TestpressError, match=r"b\.tflite: no op has a namesake in .*a\.tflite"):
            watch(make_request(files[1], against=files[0]))
