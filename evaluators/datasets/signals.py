"""Clips of test signals, for parity where a recipe names no dataset; what is lost on real audio they do not say."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from evaluators.datasets.builtin.making import ATTRIBUTION_NAME
from evaluators.windows import Samples
from packager.bundle import AudioContract
from packager.proving.probes import probe_windows
from packager.seals import is_whole, seal_folder
from packager.storage import digest_bytes, stage_folder

NAME = "test-signals"
_SECONDS = 4.0
_LEAST_WINDOWS = 4
_QUIET = 10 ** (-40 / 20)
_BURST_S = 0.25
_TONES_HZ = (110.0, 220.0, 440.0, 880.0, 1760.0)
_ORIGIN = "Test signals that testpress makes itself (a sweep, noise, tones with pauses); no recording of anything real."


def locate_signals(audio: AudioContract, out: Path) -> Path:
    """The manifest of the test signals for a contract, made first where they are not there yet.

    Args:
        audio: Rate, channels and window; a clip has at least four windows.
        out: The output folder; what is made goes to its `data`.
    """
    clips = make_signals(audio)
    samples = b"".join(name.encode() + clip.tobytes() for name, clip in clips.items())
    folder = out / "data" / f"{NAME}-{audio.sample_rate_hz}-{digest_bytes(samples)[:16]}"
    if not is_whole(folder):
        with stage_folder(folder) as stage:
            _write(clips, audio.sample_rate_hz, stage)
            seal_folder(stage)
    return folder / f"{NAME}.jsonl"


def make_signals(audio: AudioContract) -> dict[str, Samples]:
    """Clips by name, float32 `(channels, samples)`: the same contract gives the same samples."""
    samples = max(round(_SECONDS * audio.sample_rate_hz), _LEAST_WINDOWS * audio.window_samples)
    probes = probe_windows(audio.model_copy(update={"window_samples": samples}))
    tones = _make_tones(samples, audio)
    return {
        "sweep": probes["chirp"],
        "quiet-sweep": (probes["chirp"] * _QUIET).astype(np.float32),
        "noise": probes["noise"],
        "tones-and-pauses": tones,
        "tones-in-noise": (tones + probes["noise"]).astype(np.float32),
    }


def _make_tones(samples: int, audio: AudioContract) -> Samples:
    """Decaying tones, each followed by as long a silence."""
    seconds = np.arange(samples) / audio.sample_rate_hz
    burst = np.floor(seconds / _BURST_S).astype(int)
    since = seconds - burst * _BURST_S
    pitches = np.minimum(np.take(_TONES_HZ, burst // 2, mode="wrap"), 0.45 * audio.sample_rate_hz)
    tone = 0.4 * np.sin(2 * np.pi * pitches * since) * np.exp(-12 * since) * (burst % 2 == 0)
    return np.tile(tone.astype(np.float32), (audio.channels, 1))


def _write(clips: Mapping[str, Samples], rate_hz: int, folder: Path) -> None:
    import soundfile

    lines = []
    for name, samples in clips.items():
        soundfile.write(folder / f"{name}.wav", samples.T, rate_hz, subtype="PCM_16")
        lines.append(json.dumps({"audio": f"{name}.wav"}) + "\n")
    (folder / f"{NAME}.jsonl").write_text("".join(lines), encoding="utf-8")
    (folder / ATTRIBUTION_NAME).write_text(f"{_ORIGIN}\n", encoding="utf-8")
