"""Good files of every kind, small, for the fuzzer to damage: `python -m tests.fuzz.corpus FOLDER`.

A process of its own, so that no framework enters the one that forks. Same code, same bytes.
"""

from __future__ import annotations

import importlib.util
import json
import shutil
import struct
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[2]

SOURCE = "notes.bin"
"""a source of which no framework can be told: a recipe with it is read whole and fails before anything is converted"""


def make_corpus(folder: Path) -> None:
    """Fill an empty folder, in a process of its own.

    Raises:
        RuntimeError: With what that process said.
    """
    run = subprocess.run([sys.executable, "-m", __name__, str(folder)], cwd=ROOT, capture_output=True, text=True)
    if run.returncode:
        raise RuntimeError(f"the corpus could not be made: {run.stderr[-2000:]}")


def _make_audio(folder: Path) -> None:
    import soundfile

    from tests.specimens import tone

    folder.mkdir()
    kinds = (
        *(("pcm16.wav", "PCM_16", 8000, 1), ("pcm24.wav", "PCM_24", 8000, 1), ("u8.wav", "PCM_U8", 44100, 1)),
        *(("ulaw.wav", "ULAW", 8000, 1), ("adpcm.wav", "IMA_ADPCM", 8000, 1), ("stereo.wav", "PCM_16", 8000, 2)),
        *(("pcm16.flac", "PCM_16", 8000, 1), ("pcm24.flac", "PCM_24", 22050, 1)),
        *(("vorbis.ogg", "VORBIS", 8000, 1), ("opus.ogg", "OPUS", 8000, 1)),
        ("layer3.mp3", "MPEG_LAYER_III", 16000, 1),
    )
    for name, subtype, rate_hz, channels in kinds:
        samples = tone(0.5, rate_hz=rate_hz, channels=channels)
        soundfile.write(folder / name, samples, rate_hz, subtype=subtype)
        if name.endswith(".ogg"):
            (folder / name).write_bytes(_renumber_ogg((folder / name).read_bytes()))


def _renumber_ogg(data: bytes) -> bytes:
    """An Ogg stream under the number 1 instead of a random one. Source: RFC 3533, section 6."""
    pages = [b"OggS" + page for page in data.split(b"OggS")[1:]]
    for number, page in enumerate(pages):
        bare = page[:14] + struct.pack("<I", 1) + page[18:22] + bytes(4) + page[26:]
        pages[number] = bare[:22] + struct.pack("<I", _ogg_checksum(bare)) + bare[26:]
    return b"".join(pages)


def _ogg_checksum(data: bytes) -> int:
    rest = 0
    for byte in data:
        rest ^= byte << 24
        for _ in range(8):
            rest = (rest << 1) ^ (0x104C11DB7 if rest & 0x80000000 else 0)
    return rest


def _make_recipes(folder: Path) -> None:
    from tests.specimens import make_notes_job

    folder.mkdir()
    recipes: dict[str, Any] = {"notes": make_notes_job(folder, Path(SOURCE)).recipe}
    for path in sorted((ROOT / "examples").glob("*/testpress.toml")):
        recipe = tomllib.loads(path.read_text())
        recipe["model"] |= {"source": SOURCE}
        recipe["model"].pop("weights", None)
        recipe["task"]["dataset"] = "clips.jsonl"
        recipes[path.parent.name] = recipe
    for name, recipe in recipes.items():
        (folder / f"{name}.json").write_text(json.dumps(recipe))


def _make_evaluations(folder: Path) -> None:
    from device_profiles.record import dump_json
    from tests.reports.example_evaluation import CLIPS, make_evaluation
    from tests.reports.hostile_evaluation import make_hostile

    folder.mkdir()
    whole = make_evaluation()
    kept = tuple(whole.variants[number] for number in (1, 4, -1))
    assert CLIPS > 4
    clips = whole.dataset.model_copy(update={"clips": whole.dataset.clips[:4]})
    rows = tuple(row.model_copy(update={"clips": row.clips[:4]}) for row in kept)
    source = whole.source.model_copy(update={"clips": whole.source.clips[:4]})
    small = whole.model_copy(update={"variants": rows, "dataset": clips, "source": source})
    for name, evaluation in {"small": small, "whole": whole, "hostile": make_hostile(small)}.items():
        (folder / f"{name}.json").write_text(dump_json(evaluation), encoding="utf-8")
    shutil.copy(ROOT / "tests/reports/data/evaluation-v1.json", folder / "v1.json")


def _make_tflite(folder: Path) -> None:
    from tests.testpress import tiny_tflite

    folder.mkdir()
    tiny_tflite.write_gain(folder / "gain.tflite")
    tiny_tflite.write_gain(folder / "unsigned.tflite", signed=False)
    tiny_tflite.write_gain(folder / "open.tflite", shape=(1, 1), open_=True)
    tiny_tflite.write_gain(folder / "custom.tflite", custom="Mystery")
    tiny_tflite.write_features(folder / "features.tflite")
    tiny_tflite.write_chain(folder / "chain.tflite", 12)
    if (found := _basic_pitch("nmp.tflite")) is not None:
        shutil.copy(found, folder / "nmp.tflite")


def _make_mlpackages(folder: Path) -> None:
    from evaluators.emulators.coreml.protobuf import load_schema
    from tests.evaluators.emulators.coreml.op_specimens import SPECIMENS, WEIGHTS
    from tests.evaluators.emulators.coreml.programs import Blob, Op, Program, gain, weight_file, write_package

    folder.mkdir()
    for name, program in SPECIMENS.items():
        write_package(folder, program, WEIGHTS if name == "conv" else None, name=f"{name}.mlpackage")
    window = ("float32", (1, 64))
    spec = {"inputs": {"audio": window}, "outputs": {"scaled": window}}
    write_package(
        folder,
        Program([Op("mul", {"x": "audio", "y": np.float32(0.5)}, "scaled", shape=(1, 64))], **spec),
        name="gain.mlpackage",
    )
    weight = Op("const", {"val": Blob("float32", (1, 64))}, "w", "float32", (1, 64))
    weighted = Program([weight, Op("mul", {"x": "audio", "y": "w"}, "scaled", shape=(1, 64))], **spec)
    weights = weight_file(np.linspace(-1, 1, 64).astype("<f4").tobytes(), 2)
    write_package(folder, weighted, weights, name="weighted.mlpackage")
    write_package(folder, gain(), name="tiny.mlpackage")
    for path in folder.rglob("model.mlmodel"):  # maps are written in an order that is another in each process
        path.write_bytes(load_schema().model.Model.FromString(path.read_bytes()).SerializeToString(deterministic=True))
    if (found := _basic_pitch("nmp.mlpackage")) is not None:
        shutil.copytree(found, folder / "nmp.mlpackage")


def _make_bundles(folder: Path, mlpackage: Path) -> None:
    """One of each format; every hash holds."""
    from packager.bundle import FileDigest, Floor, dump_manifest, read_bundle
    from packager.storage import digest_facts
    from tests.testpress.tiny_tflite import write_bundle

    write_bundle(folder / "tflite")
    shutil.copytree(folder / "tflite", folder / "coreml")
    (folder / "coreml" / "model.tflite").unlink()
    shutil.copytree(mlpackage, folder / "coreml" / "model.mlpackage")
    import hashlib

    files = {
        str(path.relative_to(folder / "coreml")): FileDigest(
            sha256=hashlib.sha256(path.read_bytes()).hexdigest(), size_bytes=path.stat().st_size
        )
        for path in sorted((folder / "coreml").rglob("*"))
        if path.is_file() and path.name != "manifest.json"
    }
    manifest = read_bundle(folder / "tflite").manifest.model_copy(
        update={
            "format": "coreml",
            "variant": "coreml-float32",
            "file": "model.mlpackage",
            "files": files,
            "key": digest_facts({"of": "the corpus"}),
            "floor": Floor(platform="ios", minimum_os="iOS15", minimum_runtime=None, because="specification version 6"),
        }
    )
    (folder / "coreml" / "manifest.json").write_text(dump_manifest(manifest))


def _basic_pitch(name: str) -> Path | None:
    found = importlib.util.find_spec("basic_pitch")
    if found is None or not found.submodule_search_locations:
        return None
    return Path(next(iter(found.submodule_search_locations))) / "saved_models" / "icassp_2022" / name


def main() -> None:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    _make_audio(folder / "audio")
    _make_recipes(folder / "recipes")
    _make_evaluations(folder / "evaluations")
    shutil.copytree(ROOT / "device_profiles" / "catalog", folder / "profiles")
    _make_tflite(folder / "tflite")
    _make_mlpackages(folder / "mlpackages")
    _make_bundles(folder / "bundles", folder / "mlpackages" / "weighted.mlpackage")


if __name__ == "__main__":
    main()
