"""What is rehearsed is what a conversion then does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evaluators.comparing.model_runner import EmulatorRunner
from evaluators.formats.coreml.mixed_program import MixedProgram
from evaluators.targets import open_model
from packager.formats.coreml.compression.mixed import keeping
from packager.formats.coreml.mlpackage import import_coremltools
from tests.packager.compression.tiny_programs import SAMPLES, Conversion, front, loop, save

pytestmark = [
    pytest.mark.slow,
    pytest.mark.coreml,
    pytest.mark.filterwarnings("ignore:Implicitly cleaning up:ResourceWarning"),  # of coremltools' converter
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

CALLS = [
    {"audio": (scale * np.random.default_rng(7).normal(size=(1, 1, SAMPLES))).astype(np.float32)}
    for scale in (0.3, 1e-4)
]


def _save(conversion: Conversion, compute_precision: Any, path: Path) -> Path:
    return save(conversion(compute_precision, import_coremltools().target.iOS15), path)


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder, conversion, ct = tmp_path_factory.mktemp("programs"), Conversion(front), import_coremltools()
    return {
        "exact": _save(conversion, ct.precision.FLOAT32, folder / "exact.mlpackage"),
        "half": _save(conversion, ct.precision.FLOAT16, folder / "half.mlpackage"),
    }


@pytest.fixture(scope="module")
def rehearsal(programs: dict[str, Path]) -> MixedProgram:
    return MixedProgram(programs["exact"], programs["half"], CALLS)


def test_ops_come_in_order_with_their_macs_and_what_they_read(rehearsal: MixedProgram) -> None:
    ops = {op.name: op for op in rehearsal.ops}
    assert list(ops)[:4] == ["bank", "power", "floor", "decibels"]
    assert ops["bank"].macs == 32 * 64 * 64  # 2,048 samples in steps of 32 are 64 frames
    assert ops["above"].macs == 0
    assert set(ops["above"].reads) == {"decibels", "low"}


@pytest.mark.parametrize("call", range(len(CALLS)))
def test_nothing_kept_is_the_float16_program_to_the_bit(
    programs: dict[str, Path], rehearsal: MixedProgram, call: int
) -> None:
    real = open_model(programs["half"]).run(CALLS[call])
    np.testing.assert_array_equal(rehearsal.run(call, ())["notes"], real["notes"])


@pytest.mark.parametrize("call", range(len(CALLS)))
def test_everything_kept_is_the_float32_program(programs: dict[str, Path], rehearsal: MixedProgram, call: int) -> None:
    """But for the sums of shared weights and the output's own cast, which no op's choice undoes."""
    real = open_model(programs["exact"]).run(CALLS[call])
    found = rehearsal.run(call, [op.name for op in rehearsal.ops])
    np.testing.assert_allclose(found["notes"], real["notes"], atol=2.0**-11)


@pytest.mark.parametrize(
    "kept", [{"power", "floor", "decibels"}, {"bank", "power", "floor", "decibels", "low", "above"}, {"narrow"}]
)
@pytest.mark.parametrize("call", range(len(CALLS)))
def test_a_mixture_is_what_its_conversion_gives(
    rehearsal: MixedProgram, tmp_path: Path, kept: set[str], call: int
) -> None:
    real = open_model(_save(Conversion(front), keeping(kept), tmp_path / "mixed.mlpackage")).run(CALLS[call])
    np.testing.assert_allclose(rehearsal.run(call, kept)["notes"], real["notes"], atol=2.0**-11)


def test_a_loop_is_kept_with_its_body(tmp_path: Path) -> None:
    conversion, ct = Conversion(loop), import_coremltools()
    exact = _save(conversion, ct.precision.FLOAT32, tmp_path / "exact.mlpackage")
    half = _save(conversion, ct.precision.FLOAT16, tmp_path / "half.mlpackage")
    rehearsal = MixedProgram(exact, half, CALLS)
    names = [op.name for op in rehearsal.ops]
    mixed = _save(conversion, keeping(names), tmp_path / "mixed.mlpackage")
    expected, found = (open_model(path).run(CALLS[0])["states"] for path in (exact, mixed))
    np.testing.assert_allclose(found, expected, atol=2.0**-11)


def test_ranges_are_by_the_names_of_the_program(programs: dict[str, Path]) -> None:
    ranges = EmulatorRunner().observe(programs["exact"], CALLS)
    assert ranges["power"][0] >= 0
    low, high = ranges["decibels"]
    assert np.log(1e-10) - 0.1 <= low < high
    assert set(ranges) >= {"bank", "floor", "above", "notes"}
