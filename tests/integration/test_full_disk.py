"""A full disk is one message that names it, leaves nothing half-written, and is no reason to begin anew."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from device_profiles.errors import TestpressError
from device_profiles.record import dump_json
from evaluators.datasets.reading import Dataset
from evaluators.pictures.previews import add_previews
from packager.jobs.results import Made, ResultsFolder
from packager.model import find_source
from packager.proving.reference import ReferenceRequest, run_reference
from packager.seals import write_sealed_text
from packager.storage import lock_folder, stage_folder, write_text_atomically
from reports.judging.comparison import load_evaluation
from reports.write import write_report
from tests.benches import AUDIO, TASK, read_dataset, store_windows
from tests.small_disks import SmallDisk, small_disk
from tests.specimens import GAIN_AUDIO, Job, gain_spec
from tests.testpress.tiny_tflite import write_bundle

STORED = Path(__file__).parent.parent / "reports" / "data" / "evaluation-v1.json"
SEED, N_SIZES, PAGE_BYTES = 1123, 20, 4096
AMPLE_BYTES = 64 << 20
GROWING_BYTES = (16 << 10, 120 << 10, 400 << 10)
NET = """
import torch


class Net(torch.nn.Module):
    def forward(self, audio):
        return {"scaled": audio * 0.5 + 0.25}


def build():
    return Net(), (torch.zeros(1, 2048),)
"""


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    folder = tmp_path / "data"
    folder.mkdir()
    generator = np.random.default_rng(SEED)
    for name in "abc":
        soundfile.write(folder / f"{name}.wav", generator.uniform(-0.9, 0.9, 9_000), 880, subtype="PCM_16")
    lines = [json.dumps({"audio": f"{name}.wav", "notes": [[0.0, 0.2, 60]]}) for name in "abc"]
    (folder / "clips.jsonl").write_text("\n".join(lines))
    return read_dataset(folder / "clips.jsonl")


def write_everything(out: Path, dataset: Dataset, work: Path) -> None:
    """Every kind of file that a run writes, by what writes it there."""
    with lock_folder(out):
        windows = store_windows(dataset, AUDIO, out / "cache")
        _store_reference(out, work)
        with stage_folder(out / "bundles" / "tflite-float32") as stage:
            write_bundle(stage)
        evaluation = load_evaluation(STORED)
        write_sealed_text(out / "cache" / "play" / "abc.json", dump_json(evaluation.source))
        shown = [clip.id for clip in dataset.clips]
        info = add_previews(dataset.describe(TASK), dataset, shown, audio=AUDIO, out=out)
        write_text_atomically(out / "evaluation.json", dump_json(evaluation.model_copy(update={"dataset": info})))
        write_report(evaluation, out / "report")
    assert windows.path.is_file()


def _store_reference(out: Path, work: Path) -> None:
    if not (work / "net.py").is_file():
        (work / "net.py").write_text(NET)
        np.save(work / "windows.npy", np.random.default_rng(SEED).normal(size=(20, 1, 2048)).astype(np.float32))
    source = find_source(gain_spec("python:net:build"), work)
    request = ReferenceRequest(
        source=source,
        audio=GAIN_AUDIO,
        windows=str(work / "windows.npy"),
    )
    results = ResultsFolder({"outputs": out / "cache" / "reference" / "abc"})
    try:
        for event in run_reference(request.model_dump(mode="json"), results.path):
            if isinstance(event, Made):
                results.take(event.made)
    finally:
        results.remove()


def _snapshot(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "disk", AMPLE_BYTES) as mounted:
        yield mounted


@pytest.mark.slow
@pytest.mark.pytorch
def test_whatever_is_written_last_on_a_full_disk_says_so(disk: SmallDisk, dataset: Dataset, tmp_path: Path) -> None:
    write_everything(tmp_path / "expected", dataset, tmp_path)
    write_everything(disk.path / "whole", dataset, tmp_path)
    expected, pages = _snapshot(tmp_path / "expected"), disk.used_bytes // PAGE_BYTES
    generator = random.Random(SEED)
    between = [2 + (pages - 3) * (index + generator.random()) / (N_SIZES - 2) for index in range(N_SIZES - 2)]
    stopped = set()
    for size in [1, *map(int, between), pages - 1]:
        with small_disk(tmp_path / f"disk-{size}", size * PAGE_BYTES) as small:
            out = small.path / "out"
            with pytest.raises(TestpressError) as caught:
                write_everything(out, dataset, tmp_path)
            message = str(caught.value)
            assert "\n" not in message
            assert message.startswith(str(small.path))
            assert ": no space left on the device: " in message
            assert message.endswith("; free some or choose another folder with -o")
            stopped.add(message.removeprefix(f"{out}/").partition(":")[0])
            assert not list(small.path.rglob("*.partial"))
            left = _snapshot(out)
            assert left == {name: expected[name] for name in left}  # what is there is whole
            small.resize(AMPLE_BYTES)
            write_everything(out, dataset, tmp_path)
            assert _snapshot(out) == expected
    assert len(stopped) > 3, stopped


@pytest.mark.slow
@pytest.mark.tensorflow
@pytest.mark.tflite
def test_a_run_on_a_full_disk_says_so_and_the_next_one_goes_on(notes_job: Job, tmp_path: Path) -> None:
    """Room for little, for the windows and a bundle, for all but the report; then for all (484 KiB)."""
    with small_disk(tmp_path / "small", GROWING_BYTES[0]) as small:
        out = small.path / "out"
        for size_bytes in GROWING_BYTES:
            small.resize(size_bytes)
            failed = notes_job.run("-q", "-o", str(out))
            assert failed.returncode == 1, failed.stdout
            assert failed.stderr.startswith(f"testpress: {small.path}"), failed.stderr
            assert "no space left on the device" in failed.stderr
            assert "Traceback" not in failed.stderr
            assert len(failed.stderr.splitlines()) <= 2  # the second names the log
            assert not list(small.path.rglob("*.partial"))
        small.resize(AMPLE_BYTES)
        again = notes_job.run("-q", "-o", str(out))
        assert again.returncode == 0, again.stderr
