"""Noisy recordings for a denoiser, with the clean ones beside them: real speech, real keys, made-up hiss. Seeded."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

from evaluators.datasets.builtin.reading import read_clips

RATE_HZ = 16_000
SPEECH, STROKES = "speech-prompts-en", "keyboard-noise"
CLIPS = 12
SNR_DB = (0, 5, 10)
_STROKES_A_SECOND = 6
_PEAK = 0.5

Samples = npt.NDArray[np.float32]


def make_dataset(folder: Path) -> Path:
    """Write the recordings and their manifest into a folder that does not exist yet; gives the manifest's path."""
    folder.mkdir(parents=True)
    random = np.random.default_rng(0)
    options = {"codec": "g722", "joined": 2, "pause_s": 0.6, "clips": CLIPS}  # the prompts' only copies at 16 kHz
    strokes = [samples for _, samples in read_clips(STROKES, rate_hz=RATE_HZ)]
    lines = []
    for number, (_, speech) in enumerate(read_clips(SPEECH, rate_hz=RATE_HZ, options=options)):
        noise = type_keys(strokes, len(speech), random) if number % 2 else make_pink_noise(len(speech), random)
        snr_db = SNR_DB[number // 2 % len(SNR_DB)]
        name = f"{'keys' if number % 2 else 'hiss'}-{snr_db}dB-{number:02d}"
        clean, noisy = mix(speech, noise, snr_db)
        for kind, samples in (("clean", clean), ("noisy", noisy)):
            soundfile.write(folder / f"{name}-{kind}.flac", samples, RATE_HZ, subtype="PCM_16")
        noisy_file, clean_file = (f"{name}-{kind}.flac" for kind in ("noisy", "clean"))
        lines.append(json.dumps({"audio": noisy_file, "reference": clean_file, "noisy": noisy_file}) + "\n")
    manifest = folder / "recordings.jsonl"
    manifest.write_text("".join(lines), encoding="utf-8")
    return manifest


def mix(speech: Samples, noise: Samples, snr_db: float) -> tuple[Samples, Samples]:
    """Clean and noisy speech at one level; the ratio is that of their energies where somebody speaks."""
    spoken = np.abs(speech) > 0.01 * np.abs(speech).max()
    power = float(np.mean(speech[spoken] ** 2))
    scaled = noise * np.sqrt(power / float(np.mean(noise**2)) / 10 ** (snr_db / 10))
    gain = _PEAK / max(np.abs(speech + scaled).max(), np.abs(speech).max())
    return (speech * gain).astype(np.float32), ((speech + scaled) * gain).astype(np.float32)


def type_keys(strokes: list[Samples], length: int, random: np.random.Generator) -> Samples:
    """A typist: strokes at random times, at random levels."""
    typed = np.zeros(length, np.float32)
    for _ in range(max(round(_STROKES_A_SECOND * length / RATE_HZ), 1)):
        stroke = strokes[random.integers(len(strokes))][:length]
        at = int(random.integers(length - len(stroke) + 1))
        typed[at : at + len(stroke)] += stroke * np.float32(random.uniform(0.3, 1))
    return typed


def make_pink_noise(length: int, random: np.random.Generator) -> Samples:
    """Noise with the same energy in every octave."""
    spectrum = np.fft.rfft(random.normal(size=length))
    shaped = spectrum / np.sqrt(np.maximum(np.arange(len(spectrum)), 1))
    return np.asarray(np.fft.irfft(shaped, n=length), np.float32)
