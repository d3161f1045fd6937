"""A model that cannot be converted is a row: the reason in one line, the op, the user's line, the log."""

from __future__ import annotations

from pathlib import Path

import pytest

from packager.jobs.workers import Limits
from packager.model import ModelSpec, find_source
from packager.package import Packaged, PackageRequest, Variant, package
from tests.specimens import place_of

pytestmark = [pytest.mark.slow, pytest.mark.pytorch, pytest.mark.tflite, pytest.mark.coreml]

HERE = Path(__file__).parent
MODELS = HERE / "broken_models.py"


def _package(
    factory: str, out: Path, *formats: str, limits: Limits | None = None, runner: str | None = None
) -> list[Packaged]:
    spec = ModelSpec(name="m", version="1", license="Apache-2.0", source=f"python:broken_models:{factory}")
    variants = [Variant(format_, "float32") for format_ in formats]  # type: ignore[arg-type]
    limits = limits or Limits(time_s=300)
    return package(PackageRequest(find_source(spec, HERE), None, variants, out, limits=limits, runner=runner))


def test_an_op_without_lowering_is_named_with_its_line(tmp_path: Path) -> None:
    tflite, coreml = _package("no_lowering", tmp_path, "tflite", "coreml")
    line = "return torch.linalg.svdvals(frames)"
    place = f"at {place_of(MODELS, line)} in forward: {line})"
    assert tflite.reason == (
        "litert-torch: RuntimeError: Lowering not found: aten._linalg_svd.default (op aten._linalg_svd.default, "
        + place
    )
    assert coreml.reason == (
        "coremltools: NotImplementedError: PyTorch convert function for op '_linalg_svd' not implemented. "
        "(op _linalg_svd, " + place
    )
    for outcome in (tflite, coreml):
        assert outcome.bundle is None
        assert outcome.log is not None
        assert "svd" in outcome.log.read_text()


def test_control_flow_that_depends_on_values_names_its_line(tmp_path: Path) -> None:
    (outcome,) = _package("data_dependent", tmp_path, "tflite")
    assert outcome.reason is not None
    line = "while audio.sum() > 0:"
    assert outcome.reason == (
        f"how often forward repeats depends on the data (at {place_of(MODELS, line)} in forward: {line}): "
        "take a fixed number of turns, and choose by torch.where what a turn may still change"
    )


def test_what_its_own_runtime_refuses_is_no_bundle(tmp_path: Path) -> None:
    """The message names the op that was converted, not one before it that was taken apart, and its line."""
    (outcome,) = _package("refused", tmp_path, "tflite", runner="evaluators.comparing.model_runner:EmulatorRunner")
    assert outcome.bundle is None
    assert outcome.reason is not None
    assert "(STABLEHLO_SCATTER) failed to prepare. (op aten.index_put.default, at broken_models.py:" in outcome.reason
    assert outcome.reason.endswith("audio.repeat(1, 7)[0], accumulate=True) + first.sum())")
    assert "\n" not in outcome.reason


def test_a_segmentation_fault_is_a_row(tmp_path: Path) -> None:
    (outcome,) = _package("crashing", tmp_path, "tflite")
    assert outcome.reason == "the worker was ended by SIGSEGV"
    assert outcome.log is not None
    assert outcome.log.is_file()


def test_too_much_memory_is_a_row(tmp_path: Path) -> None:
    (outcome,) = _package("hungry", tmp_path, "tflite", limits=Limits(time_s=300, memory_bytes=3 * 2**30))
    assert outcome.reason == "needed more than 3 GiB of memory"


def test_one_format_failing_leaves_the_other(tmp_path: Path) -> None:
    good, bad = _package("fine", tmp_path, "tflite", "coreml")
    assert good.bundle is not None
    assert bad.bundle is not None
