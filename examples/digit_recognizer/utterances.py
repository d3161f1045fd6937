"""What the recogniser is tested with: sequences of words through real GSM, joined with other draws than in training."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import soundfile
from words import RATE_HZ, WORDS, join, load_words

COUNT, SEED, SNR_DB = 40, 9, 50.0


def make_dataset(folder: Path) -> Path:
    """Write the sequences and their manifest into a folder that does not exist yet; gives the manifest's path."""
    folder.mkdir(parents=True)
    recordings, random = load_words("gsm"), np.random.default_rng(SEED)
    lines = []
    for number in range(COUNT):
        one = join(recordings, random, snr_db=SNR_DB)
        soundfile.write(folder / f"{number:02d}.flac", one.samples, RATE_HZ, subtype="PCM_16")
        text = " ".join(WORDS[word] for word in one.words)
        lines.append(json.dumps({"audio": f"{number:02d}.flac", "text": text}) + "\n")
    manifest = folder / "sequences.jsonl"
    manifest.write_text("".join(lines), encoding="utf-8")
    return manifest
