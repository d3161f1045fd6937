"""What the digit recogniser is tested with: prompts that were not trained with, and the digits that each one says."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import soundfile
from prompts import RATE_HZ, load_prompts

SILENT_EVERY = 3
"""of the prompts that say no digit, one of so many is there"""
_TAIL_S = 0.4
"""silence after a prompt, in which its last word may still be told"""


def make_dataset(folder: Path) -> Path:
    """Write the prompts and their manifest into a folder that does not exist yet; gives the manifest's path."""
    folder.mkdir(parents=True)
    prompts = load_prompts("test")
    chosen = [*(one for one in prompts if one.words), *[one for one in prompts if not one.words][::SILENT_EVERY]]
    lines = []
    for number, one in enumerate(chosen):
        name = f"prompt-{number:03d}.flac"
        samples = np.concatenate([one.samples, np.zeros(round(_TAIL_S * RATE_HZ), np.float32)])
        soundfile.write(folder / name, samples, RATE_HZ, subtype="PCM_16")
        tag = "digits" if one.words else "no-digits"
        lines.append(json.dumps({"audio": name, "text": " ".join(one.words), "tags": [tag]}) + "\n")
    manifest = folder / "prompts.jsonl"
    manifest.write_text("".join(lines), encoding="utf-8")
    return manifest
