"""The latency model's fit: its rows, its coefficients, and how far it is off on what it had not seen."""

from __future__ import annotations

import csv
import math
import re
from pathlib import Path
from statistics import mean

import pytest

import evaluators.costs.calibration as calibration
from evaluators.costs.calibration import (
    KINDS,
    Coefficients,
    Row,
    calibrate,
    fit,
    half_width,
    log_errors,
    published_rows,
)

FOLDER = Path(calibration.__file__).parent
ENTRIES = list(csv.DictReader((FOLDER / "published_latency.csv").read_text(encoding="utf-8").splitlines()))
PHONES = list(csv.DictReader((FOLDER / "published_phones.csv").read_text(encoding="utf-8").splitlines()))


def test_every_row_and_phone_names_its_source() -> None:
    assert len(ENTRIES) == 257
    for entry in ENTRIES:
        assert entry["repo"].count("/") == 1
        assert entry["path"]
        assert re.fullmatch(r"[0-9a-f]{40}", entry["commit"])
        assert entry["macs_source"]
    assert all(phone["source"] and phone["basis"] in ("specified", "derived", "recalled") for phone in PHONES)


def mobilenet_v1_macs(width: float, side: int) -> int:
    """Howard et al. 2017, table 1: a convolution, thirteen depthwise separable ones, a dense layer."""
    layers = [(32, 1), (64, 2), (128, 1), (128, 2), (256, 1), (256, 2), *[(512, 1)] * 5, (512, 2), (1024, 1)]
    side //= 2
    macs = side * side * int(32 * width) * 27
    for index, (channels, stride) in enumerate(layers):
        side //= stride
        inner = int(channels * width)
        outer = int((layers[index + 1][0] if index + 1 < len(layers) else 1024) * width)
        macs += side * side * inner * (9 + outer)
    return macs + int(1024 * width) * 1000


@pytest.mark.parametrize("entry", [e for e in ENTRIES if re.match(r"Mobilenet_V1_[\d.]+_\d+", e["model"])][:17],
                         ids=lambda entry: entry["model"])  # fmt: skip
def test_macs_of_mobilenet_v1_in_closed_form(entry: dict[str, str]) -> None:
    width, side = entry["model"].split("_")[2:4]
    # The dense layer is a 1×1 convolution in some builds: the same multiply-adds.
    assert int(entry["macs"]) == mobilenet_v1_macs(float(width), int(side))


@pytest.mark.parametrize(
    ("model", "millions"),
    [("MobileOne-S0", 275), ("MobileOne-S1", 825), ("MobileOne-S2", 1299), ("MobileOne-S3", 1896),
     ("MobileOne-S4", 2978)],
)  # fmt: skip
def test_macs_of_mobileone_as_its_paper_gives_them(model: str, millions: int) -> None:
    (entry,) = [e for e in ENTRIES if e["model"] == model]
    assert int(entry["macs"]) / 1e6 == pytest.approx(millions, rel=0.002)


def test_fit_finds_coefficients_it_was_given() -> None:
    """Latencies made from known coefficients; the prior draws by less than a fifth where the rows tell them apart."""
    true = Coefficients(0.2, 0.02, 0.6, 0.3, 0.7, 1.0)
    rows = []
    for i in range(60):
        terms = (int(10 * 1.5 ** (i * 3 % 14)), 1.5 ** (i % 11), 1.4 ** (i * 7 % 13), 1.3 ** (i * 5 % 17))
        row = Row("tflite_cpu_float", f"f{i % 5}", "m", "d", "c", 1.0, terms[1], terms[2], terms[3], terms[0], False)
        ms = math.exp(-log_errors(true, [row])[0])
        rows.append(Row(row.kind, row.family, "m", "d", "c", ms, *terms[1:], ops=terms[0], old_runtime=False))
    found = fit(rows, "tflite_cpu_float")
    for name in ("op_ms", "mac_utilisation", "activation_utilisation", "weight_utilisation"):
        assert getattr(found, name) == pytest.approx(getattr(true, name), rel=0.2), name
    assert max(map(abs, log_errors(found, rows))) < 0.05


def test_half_width_in_closed_form() -> None:
    """Two groups of errors 0.1 and 0.3: root mean square √0.05, Student's t(0.9; 1) = 3.0777."""
    expected = 3.0777 * math.sqrt(1.5) * math.sqrt(0.05)
    assert half_width([0.1, -0.1, 0.3], ["a", "a", "b"]) == pytest.approx(expected, rel=1e-4)


QUOTED = {
    # kind: mean absolute percentage error on families left out (a bound, from benchmarks/latency_fit.py), and the least
    # share of rows the 80 % interval must hold: 75 %, since there are eight families at most to hold to account.
    "tflite_cpu_float": (0.17, 0.75),
    "tflite_cpu_int8": (0.35, 0.75),
    "tflite_gpu": (0.17, 0.75),
    "coreml_cpu": (0.46, 0.75),
    "coreml_gpu": (0.70, 0.75),
    "coreml_npu": (0.52, 0.75),
}


@pytest.mark.parametrize("kind", KINDS)
def test_errors_on_families_left_out_are_what_the_documents_quote(kind: calibration.ComputeKind) -> None:
    found = calibrate(kind)
    bound, covered = QUOTED[kind]
    error = mean(abs(math.exp(-log_error) - 1) for log_error in found.family_errors)
    assert bound - 0.02 <= error <= bound, f"{kind}: mean absolute percentage error {error:.3f}"
    families = [row.family for row in found.rows]
    inside = []
    for log_error, family in zip(found.family_errors, families, strict=True):
        others = [(e, f) for e, f in zip(found.family_errors, families, strict=True) if f != family]
        inside.append(abs(log_error) <= half_width([e for e, _ in others], [f for _, f in others]))
    assert mean(inside) >= covered, f"{kind}: the interval holds {mean(inside):.0%}"


def test_a_family_left_out_did_not_help_to_fit_its_own_error() -> None:
    """Errors on families left out exceed those of the fit that saw them."""
    found = calibrate("tflite_cpu_float")
    seen = log_errors(found.coefficients, found.rows)
    assert mean(e**2 for e in found.family_errors) > 1.1 * mean(e**2 for e in seen)


@pytest.mark.parametrize("kind", KINDS)
def test_a_phone_that_was_not_measured_widens_the_interval(kind: calibration.ComputeKind) -> None:
    found = calibrate(kind)
    assert found.ratio(seen=False) > found.ratio(seen=True) > 1


@pytest.mark.parametrize(
    ("kind", "chip", "expected"),
    [
        ("tflite_cpu_float", "Qualcomm Snapdragon 8 Gen 3 for Galaxy (SM8650-AC)", True),
        ("tflite_cpu_float", "Google Tensor G3 (Zuma)", False),
        ("coreml_npu", "Apple A14 Bionic", True),
        ("coreml_npu", "Apple A17 Pro", False),
        ("coreml_cpu", "Apple A14 Bionic", False),
    ],
)
def test_which_chips_were_measured(kind: calibration.ComputeKind, chip: str, expected: bool) -> None:
    assert calibrate(kind).saw(chip) is expected


def test_rows_are_read_once() -> None:
    assert published_rows() is published_rows()
