"""A bench without a converter: a hand-written TFLite model of known outputs, two clips, and the reference in numpy.

`note` and `onset` are (1, 2, 88): each of the window's 88 samples is a pitch, each frame multiplies it by its gain.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import soundfile
from tiny_tflite import Writer

from evaluators.datasets import Dataset, load_dataset
from evaluators.inputs import Windows, store_windows
from evaluators.schedule import Bench
from evaluators.task import load_task
from packager.bundle import AudioContract
from packager.model import OutputSpec
from packager.workers import Limits

AUDIO = AudioContract(sample_rate_hz=880, window_samples=88, hop_samples=88)
TASK = load_task("note_transcription")
NOTE_GAINS, ONSET_GAINS = (0.5, 0.25), (1.0, 0.125)
OUTPUTS = {
    "note": OutputSpec(axes=("frame", "pitch")),
    "onset": OutputSpec(axes=("frame", "pitch"), aliases=("attack",)),
}


def write_model(
    path: Path,
    *,
    note: tuple[float, float] = NOTE_GAINS,
    onset: tuple[float, float] = ONSET_GAINS,
    onset_name: str = "onset",
) -> Path:
    w = Writer()
    audio = w.tensor("x", (1, 88))
    outputs = {}
    for name, gains in (("note", note), (onset_name, onset)):
        outputs[name] = w.tensor(f"{name}_out", (1, 2, 88))
        factor = w.tensor(f"{name}_gain", (1, 2, 1), values=np.array(gains))
        w.op("MUL", [audio, factor], [outputs[name]])
    w.sign("serving_default", {"x": audio}, outputs)
    return w.write(path, [audio], list(outputs.values()))


def write_dataset(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(1123)
    for name, n_samples in (("a", 300), ("b", 100)):
        soundfile.write(folder / f"{name}.wav", generator.uniform(-0.9, 0.9, n_samples), 880, subtype="PCM_16")
    lines = [{"audio": "a.wav", "notes": [[0.0, 0.2, 60]]}, {"audio": "b.wav", "notes": []}]
    (folder / "clips.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder / "clips.jsonl"


def write_reference(folder: Path, windows: Windows) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    samples = np.load(windows.path)
    for name, gains in (("note", NOTE_GAINS), ("onset", ONSET_GAINS)):
        np.save(folder / f"{name}.npy", samples * np.array(gains, np.float32)[None, :, None])
    return folder


def read_dataset(manifest: Path) -> Dataset:
    return load_dataset(manifest, audio=AUDIO, task=TASK)


def make_bench(folder: Path, *, limits: Limits | None = None) -> Bench:
    manifest = write_dataset(folder / "data")
    dataset = read_dataset(manifest)
    windows = store_windows(dataset, AUDIO, folder / "out" / "cache")
    return Bench(
        dataset=manifest,
        dataset_sha256=dataset.sha256,
        clips=tuple(clip.id for clip in dataset.clips),
        task="note_transcription",
        audio=AUDIO,
        state={},
        outputs=OUTPUTS,
        windows=windows,
        reference=write_reference(folder / "out" / "cache" / "reference" / "abc", windows),
        out=folder / "out",
        limits=limits or Limits(time_s=120),
    )
