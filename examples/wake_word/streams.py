"""Test streams for the wake word: minutes of talk, noise and pauses, with the keywords at known places. Seeded."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import soundfile
from clips import KEYWORD_S, RATE_HZ, Clip, Samples, load_clips

STREAMS = 8
OTHERS = 2
"""of what holds no keyword, one recording of so many is there: so that a run takes minutes"""
_FLOOR_DBFS = -70.0
"""RMS of the noise under everything, as a good microphone has"""


def make_dataset(folder: Path) -> Path:
    """Write the streams and their manifest into a folder that does not exist yet; gives the manifest's path."""
    folder.mkdir(parents=True)
    clips = load_clips("test")
    random = np.random.default_rng(0)
    others = [*clips.speech, *clips.letters[::4], *clips.strokes, *clips.sounds][::OTHERS]
    order = [*clips.keywords, *others]
    order = [order[index] for index in random.permutation(len(order))]
    lines = []
    for number in range(STREAMS):
        samples, keywords = join(order[number::STREAMS], random)
        soundfile.write(folder / f"stream-{number}.flac", samples, RATE_HZ, subtype="PCM_16")
        lines.append(json.dumps({"audio": f"stream-{number}.flac", "keywords": keywords}) + "\n")
    manifest = folder / "streams.jsonl"
    manifest.write_text("".join(lines), encoding="utf-8")
    return manifest


def join(clips: list[Clip], random: np.random.Generator) -> tuple[Samples, list[list[float | str]]]:
    """One after the other with pauses, at slightly other levels; gives samples, and the keywords in them."""
    parts: list[Samples] = [np.zeros(RATE_HZ // 2, np.float32)]
    keywords: list[list[float | str]] = []
    length = len(parts[0])
    for clip in clips:
        if clip.word is not None:
            start_s = length / RATE_HZ + clip.onset_s
            keywords.append([round(start_s, 3), round(start_s + KEYWORD_S, 3), clip.word])
        pause = np.zeros(round(random.uniform(0.1, 0.6) * RATE_HZ), np.float32)
        parts += [clip.samples * np.float32(10 ** (random.uniform(-9, 0) / 20)), pause]
        length += len(clip.samples) + len(pause)
    joined = np.concatenate(parts)
    noise = random.normal(scale=10 ** (_FLOOR_DBFS / 20), size=len(joined))
    return np.clip(joined + noise, -1, 1).astype(np.float32), keywords
