"""A setup without a converter: a hand-written TFLite model of known outputs, two clips, and the reference in numpy.

`note` and `onset` are (1, 2, 88): each of the window's 88 samples is a pitch, each frame multiplies it by its gain.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import soundfile

from evaluators.datasets.inputs import WindowsWriter, find_windows, windows_folder
from evaluators.datasets.place import Place
from evaluators.datasets.preparation import prepare_dataset
from evaluators.datasets.prepared import Windows
from evaluators.datasets.reading import Dataset, load_dataset
from evaluators.playing.schedule import TrialSetup
from evaluators.task_asking import ask_task
from evaluators.task_loading import find_task, load_task
from packager.bundle import AudioContract
from packager.jobs.workers import Limits
from packager.model import OutputSpec
from packager.seals import is_whole, seal_folder
from packager.storage import stage_folder
from tests.testpress.tiny_tflite import Writer

AUDIO = AudioContract(sample_rate_hz=880, window_samples=88, hop_samples=88)
TASK = load_task("note_transcription")
TASK_INFO = ask_task(find_task("note_transcription"))
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


def store_windows(dataset: Dataset, audio: AudioContract, cache: Path) -> Windows:
    """A dataset's windows as a worker stores them, made by this process."""
    folder = windows_folder(dataset.sha256, audio, cache)
    if not is_whole(folder):
        with stage_folder(folder) as stage:
            with WindowsWriter(stage, audio) as writer:
                for clip in dataset.clips:
                    writer.add(clip.read(audio))
            seal_folder(stage)
    windows = find_windows(dataset.sha256, audio, cache)
    assert windows is not None
    return windows


def make_bench(folder: Path, *, limits: Limits | None = None) -> TrialSetup:
    out = folder / "out"
    dataset = prepare_dataset(write_dataset(folder / "data"), task=TASK_INFO, audio=AUDIO, place=Place(out))
    info, windows = dataset.found.info, dataset.found.find_windows(out)
    return TrialSetup(
        dataset=dataset.path,
        dataset_sha256=info.sha256,
        clips=tuple(clip.clip for clip in info.clips),
        task=TASK_INFO,
        folder=dataset.folder,
        label_files=(),
        audio=AUDIO,
        state={},
        outputs=OUTPUTS,
        windows=windows,
        reference=write_reference(out / "cache" / "reference" / "abc", windows),
        out=out,
        limits=limits or Limits(time_s=120),
    )
