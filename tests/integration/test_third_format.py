"""A third format as a package of somebody else's: packaged, played and reported without a line of ours changed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from tests.specimens import HALVES, ROOT

pytestmark = [pytest.mark.slow, pytest.mark.pytorch]

PLUGIN = ROOT / "tests" / "plugins" / "testpress_onnx"
ENTRY_POINTS = """\
[testpress.formats]
onnx = testpress_onnx.packaging:FORMAT
[testpress.readers]
onnx = testpress_onnx.reading:READER
[testpress.targets]
onnx_runtime = testpress_onnx.target:PLAYER
litert_plain = testpress_onnx.plain:PLAYER
"""
RECIPE = """\
[model]
name = "halves"
version = "1"
license = "MIT"
source = "python:halves:build"
[model.outputs.scaled]
axes = ["frame", "value"]
[audio]
sample_rate_hz = 8000
window_samples = 512
hop_samples = 512
[devices]
ids = ["./onnx-phone.toml", "./old-phone.toml", "pixel-4"]
runtimes = ["LiteRT", "ONNX Runtime", "TFLite"]
[variants]
onnx = ["float32"]
tflite = ["float32"]
[task]
kind = "parity"
dataset = "clips.jsonl"
"""


def install(folder: Path) -> None:
    """Lay the package as pip would: its code, and beside it what it offers."""
    shutil.copytree(PLUGIN, folder / "testpress_onnx", ignore=shutil.ignore_patterns("__pycache__"))
    facts = folder / "testpress_onnx-1.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: testpress-onnx\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text(ENTRY_POINTS)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    install(folder)
    return folder


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recipe for a phone whose apps carry ONNX Runtime beside LiteRT."""
    folder = tmp_path_factory.mktemp("job")
    (folder / "halves.py").write_text(HALVES)
    (folder / "testpress.toml").write_text(RECIPE)
    phone = (ROOT / "device_profiles" / "catalog" / "pixel-8.toml").read_text().replace('"pixel-8"', '"onnx-phone"')
    (folder / "onnx-phone.toml").write_text(
        phone + '\n[[runtimes]]\nname = "ONNX Runtime"\n'
        'version = { value = "1.20", source = "what a made-up app ships", basis = "recalled" }\n'
        'units = ["cpu"]\nprecisions = ["float32"]\n'
    )
    old = (ROOT / "device_profiles" / "catalog" / "pixel-4.toml").read_text().replace('"pixel-4"', '"old-phone"')
    (folder / "old-phone.toml").write_text(old.replace('name = "LiteRT"', 'name = "TFLite"').replace("2.3.0", "2.17.0"))
    rng = np.random.default_rng(7)
    for name in ("a", "b"):
        soundfile.write(folder / f"{name}.wav", 0.3 * rng.standard_normal(3000), 8000, subtype="PCM_16")
    (folder / "clips.jsonl").write_text("".join(json.dumps({"audio": f"{name}.wav"}) + "\n" for name in "ab"))
    return folder


def run(site: Path | None, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    paths = os.pathsep.join(str(path) for path in (site, ROOT) if path is not None)
    environment = {**os.environ, "PYTHONPATH": paths, "PYTHONSAFEPATH": "1"}
    command = [sys.executable, "-m", "testpress", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=400, env=environment)


@pytest.fixture(scope="module")
def ran(site: Path, job: Path) -> tuple[Path, dict[str, Any]]:
    out = job / "out"
    done = run(site, "run", job / "testpress.toml", "-o", out)
    assert done.returncode == 0, done.stderr
    return out, json.loads((out / "evaluation.json").read_text())


def test_it_is_packaged_with_a_proof_by_its_own_runtime(ran: tuple[Path, dict[str, Any]]) -> None:
    manifest = json.loads((ran[0] / "bundles" / "onnx-float32" / "manifest.json").read_text())
    assert (manifest["format"], manifest["file"]) == ("onnx", "model.onnx")
    assert manifest["proof"]["runtime"].startswith("ONNX Runtime ")
    assert manifest["proof"]["holds"]
    assert {"onnx", "onnxscript", "torch"} <= manifest["tools"].keys()


def test_the_file_computes_what_the_source_says(ran: tuple[Path, dict[str, Any]]) -> None:
    """Half the input plus a quarter, by the session itself."""
    import onnxruntime

    path = ran[0] / "bundles" / "onnx-float32" / "model.onnx"
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    audio = np.random.default_rng(3).standard_normal((1, 512)).astype(np.float32)
    (found,) = session.run(None, {session.get_inputs()[0].name: audio})
    np.testing.assert_allclose(found, (0.5 * audio + 0.25).reshape(1, 8, 64), rtol=1e-6)


def test_it_is_played_beside_the_built_in_formats(ran: tuple[Path, dict[str, Any]]) -> None:
    rows = {row["variant"]: row for row in ran[1]["variants"]}
    assert set(rows) == {"onnx-float32", "tflite-float32"}
    row = rows["onnx-float32"]
    assert row["failure"] is None
    assert row["timing"]["p50_ms"]["value"] > 0
    (parity,) = row["parity"]
    assert parity["snr_db"]["value"] is None or parity["snr_db"]["value"] > 100
    assert (row["target"]["name"], row["more_targets"]) == ("onnx_runtime", [])
    (phone,) = row["devices"]
    assert (phone["device"], phone["runs"], phone["target"]) == ("onnx-phone", True, "onnx_runtime")
    assert phone["scores"]["latency_ms"]["value"] is None
    assert "not counted" in phone["scores"]["latency_ms"]["reason"]


def test_results_are_kept_for_each_target_and_phones_of_one_runtime_share_them(
    ran: tuple[Path, dict[str, Any]],
) -> None:
    row = next(row for row in ran[1]["variants"] if row["variant"] == "tflite-float32")
    assert row["target"]["name"] == "litert"
    (other,) = row["more_targets"]
    assert other["target"] == {
        "name": "litert_plain", "runtime": "TFLite", "unit": "cpu", "core": None, "chip": None,
        "version": other["target"]["version"],
    }  # fmt: skip
    assert other["target"]["version"].endswith(", plain kernels")
    assert other["timing"]["p50_ms"]["value"] > 0
    assert [one["output"] for one in other["parity"]] == ["scaled"]
    of_phone = {phone["device"]: phone["target"] for phone in row["devices"]}
    assert of_phone == {"onnx-phone": "litert", "old-phone": "litert_plain", "pixel-4": "litert"}
    plays = [path.name for path in (ran[0] / "logs").glob("play-tflite*")]
    assert len(plays) == 2  # one a target, however many phones


def test_it_stands_in_the_report(ran: tuple[Path, dict[str, Any]]) -> None:
    for name in ("report.html", "report.md", "junit.xml"):
        assert "onnx-float32" in (ran[0] / "report" / name).read_text()


def test_a_second_run_converts_and_plays_nothing(site: Path, job: Path, ran: tuple[Path, dict[str, Any]]) -> None:
    before = {path: path.stat().st_mtime_ns for path in (ran[0] / "logs").iterdir()}
    assert run(site, "run", job / "testpress.toml", "-o", ran[0]).returncode == 0
    assert {path: path.stat().st_mtime_ns for path in (ran[0] / "logs").iterdir()} == before


def test_without_the_package_its_format_is_unknown(job: Path, ran: tuple[Path, dict[str, Any]]) -> None:
    done = run(None, "package", job / "testpress.toml", "-o", job / "other")
    assert done.returncode == 1
    assert "variants.onnx: unknown format; known: coreml, tflite" in done.stderr
    inspected = run(None, "inspect", ran[0] / "bundles" / "onnx-float32" / "model.onnx")
    assert inspected.returncode == 1
    assert "Traceback" not in done.stderr + inspected.stderr
