from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evaluators.comparing.model_runner import EmulatorRunner
from packager.compression import Context
from packager.errors import PackagingError
from packager.formats import precisions, tolerance
from packager.formats.coreml.compression import make_model
from packager.formats.coreml.mlpackage import specification_version
from tests.packager.compression.tiny_programs import (
    SAMPLES,
    Conversion,
    front,
    loop,
    net,
    operations,
    read_bytes,
    save,
    stored_types,
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.coreml,
    pytest.mark.filterwarnings("ignore:Implicitly cleaning up:ResourceWarning"),  # of coremltools' converter
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

PRECISIONS = precisions("coreml")

LARGEST_WEIGHTS = {
    "float32": 1.0,
    "float16": 0.51,
    "mixed_float16": 0.51,  # float16 holds
    "linear_w8": 0.28,  # a byte a weight, a scale a channel
    "linear_w4_block32": 0.18,  # half a byte and a sixteenth for scales; the first layer cannot be cut into blocks
    "palettized_w8": 0.28,
    "palettized_w6": 0.21,
    "palettized_w4": 0.15,
    "w8a8": 0.28,
}
"""bytes of the weight file, of float32's; linear's 640 weights are below what is compressed at all in some"""

IOS = {"linear_w8": 7, "palettized_w8": 7, "palettized_w6": 7, "palettized_w4": 7, "w8a8": 8, "linear_w4_block32": 9}
"""specification versions: iOS 16, 17 and 18; all others keep the 6 (iOS 15) that is asked for"""


def make_calls(*, scale: float = 0.3, count: int = 3, seed: int = 7) -> list[dict[str, Any]]:
    random = np.random.default_rng(seed)
    return [{"audio": (scale * random.normal(size=(1, 1, SAMPLES))).astype(np.float32)} for _ in range(count)]


def context(calls: Sequence[dict[str, Any]]) -> Context:
    return Context("iOS15", calls, EmulatorRunner())


def snr_db(reference: Path, found: Path, calls: Sequence[dict[str, Any]]) -> float:
    before, after = (EmulatorRunner().run(path, calls) for path in (reference, found))
    (name,) = before[0]
    expected, estimate = (np.stack([one[name] for one in each]).astype(np.float64) for each in (before, after))
    if not np.isfinite(estimate).all():
        return float("-inf")
    noise = ((estimate - expected) ** 2).sum()
    return float("inf") if noise == 0 else float(10 * np.log10((expected**2).sum() / noise))


@pytest.fixture(scope="module")
def conversion() -> Conversion:
    return Conversion(net)


@pytest.fixture(scope="module")
def made(conversion: Conversion, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("made")
    given = context(make_calls())
    return {one: save(make_model(conversion, one, given), folder / f"{one}.mlpackage") for one in PRECISIONS}


@pytest.mark.parametrize("precision", PRECISIONS)
def test_stays_within_what_it_promises(made: dict[str, Path], precision: str) -> None:
    assert snr_db(made["float32"], made[precision], make_calls(seed=8)) >= tolerance("coreml", precision)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_weights_shrink_and_the_floor_rises(made: dict[str, Path], precision: str) -> None:
    sizes = {one: sum(len(b) for n, b in read_bytes(made[one]).items() if n.endswith(".bin")) for one in made}
    assert sizes[precision] <= LARGEST_WEIGHTS[precision] * sizes["float32"]
    assert specification_version(made[precision]) == IOS.get(precision, 6)


def test_the_files_hold_what_their_names_say(made: dict[str, Path]) -> None:
    kinds = {one: Counter(op.kind for op in operations(made[one])) for one in made}
    assert kinds["linear_w8"]["constexpr_affine_dequantize"] == 3
    assert kinds["linear_w4_block32"]["constexpr_blockwise_shift_scale"] == 3
    assert kinds["w8a8"]["quantize"] == kinds["w8a8"]["dequantize"] > 2
    for bits in (8, 6, 4):
        palettes = [op for op in operations(made[f"palettized_w{bits}"]) if op.kind == "constexpr_lut_to_dense"]
        assert [op.attributes["lut"].type.shape for op in palettes] == [(2**bits,)] * 2
    assert {"int4", "int8", "float16"} <= stored_types(made["linear_w4_block32"])
    assert "int8" in stored_types(made["linear_w8"])
    assert "float32" not in stored_types(made["float16"])


def test_a_conversion_serves_all_precisions_it_can(made: dict[str, Path], conversion: Conversion) -> None:
    """float32 and float16, each for iOS 15 and iOS 18."""
    assert len(made) == len(PRECISIONS)
    assert conversion.calls == 4


def test_same_input_same_bytes_in_any_order(made: dict[str, Path], tmp_path: Path) -> None:
    again = Conversion(net)
    for precision in reversed(PRECISIONS):
        path = save(make_model(again, precision, context(make_calls())), tmp_path / f"{precision}.mlpackage")
        assert read_bytes(path) == read_bytes(made[precision]), precision


def test_ranges_are_those_of_the_calibration(made: dict[str, Path], tmp_path: Path) -> None:
    """Calibrated on a murmur, what is louder is cut off."""
    wrong = save(make_model(Conversion(net), "w8a8", context(make_calls(scale=0.03))), tmp_path / "wrong.mlpackage")
    calls = make_calls(seed=8)
    assert snr_db(made["float32"], wrong, calls) < snr_db(made["float32"], made["w8a8"], calls) - 6


@pytest.mark.parametrize("precision", ["linear_w8", "palettized_w8", "w8a8"])
def test_compressed_weights_start_from_what_float16_can_hold(tmp_path: Path, precision: str) -> None:
    """float16 makes the logarithm's floor 0; a model's weights are not to blame for that."""
    conversion, given = Conversion(front), context(make_calls(scale=1e-4))
    paths = {
        one: save(make_model(conversion, one, given), tmp_path / f"{one}.mlpackage")
        for one in ("float32", "float16", precision)
    }
    calls = make_calls(scale=1e-4, seed=8)
    found = {one: snr_db(paths["float32"], paths[one], calls) for one in paths}
    assert found[precision] >= max(tolerance("coreml", precision), found["float16"] + 3)


def test_activations_inside_a_loop_stay(tmp_path: Path) -> None:
    conversion, calls = Conversion(loop), make_calls()
    paths = {
        one: save(make_model(conversion, one, context(calls)), tmp_path / f"{one}.mlpackage")
        for one in ("float32", "w8a8")
    }
    assert any(op.kind == "quantize" for op in operations(paths["w8a8"]))
    assert snr_db(paths["float32"], paths["w8a8"], calls) >= tolerance("coreml", "w8a8")


@pytest.mark.parametrize(
    ("precision", "given", "message"),
    [
        ("int3", Context(), "unknown Core ML precision 'int3'; known: float32, float16, mixed_float16"),
        ("float32", Context("iOS3"), "unknown deployment target 'iOS3'; known: iOS13"),
        ("w8a8", Context(), "precision 'w8a8' sets ranges by calls of the model, and none was given"),
        ("w8a8", Context(calibration=make_calls()), "precision 'w8a8' sets ranges by running the model, and nothing"),
        ("mixed_float16", Context(calibration=make_calls()), "'mixed_float16' searches by running the model, and not"),
        ("mixed_float16", Context(runner=EmulatorRunner()), "by calls of the model, and none was given"),
        ("w8a8", Context(calibration=[{"sound": np.zeros(1)}]), "call 0 lacks the inputs audio; it has sound"),
    ],
)
def test_what_is_missing_is_said(precision: str, given: Context, message: str) -> None:
    with pytest.raises(PackagingError, match=message):
        make_model(Conversion(net), precision, given)
