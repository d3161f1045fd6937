"""Notes played by a General MIDI SoundFont, sample-exact: what is labelled is what was played, and nothing else.

Notes and programs alone are played: no controllers, bends, vibrato of a player's own or percussion, which labels would
not tell of. The SoundFont is TimGM6mb as the wheel of pretty_midi ships it; its own samples may hold vibrato.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from evaluators.datasets.builtin.collection import Mono
from evaluators.errors import EvaluationError
from evaluators.registries.archives import Archive, read_members

SAMPLE_RATE_HZ = 22050
TAIL_S = 0.5
"""what the last notes ring out in"""
FADE_S = 0.05
PEAK = 0.5
NOISE_DBFS = -80.0
"""RMS of the noise under every clip, as a good microphone has: models that scale by a clip's own range have no answer
on digital silence"""

SOUNDFONT = Archive(
    registry="pypi",
    package="pretty_midi",
    version="0.2.11.post0",
    file="pretty_midi-0.2.11.post0-py3-none-any.whl",
    sha256="a3e2321736245a9c92259716d85a4762f16b7bde2f591fb0dba95bdb6e793d8a",
    size_bytes=5597222,
)
_FONT = "pretty_midi/TimGM6mb.sf2"

SYNTHESISER: Mapping[str, str] = MappingProxyType({"tinysoundfont": "pip install --no-deps tinysoundfont==0.3.7"})
"""what renders, and how it is installed: without its dependency, which wants an audio device"""
CREDIT = "SoundFont TimGM6mb by Tim Brechbill (GPL-2.0)"


class PlayedNote(NamedTuple):
    """A note of one channel; times in seconds from the clip's start."""

    onset_s: float
    offset_s: float
    pitch: int
    velocity: int
    channel: int = 0


@contextmanager
def unpack_soundfont(wheel: Path) -> Iterator[Path]:
    """The SoundFont as a file, for as long as the block runs.

    Raises:
        EvaluationError: The wheel does not hold it.
    """
    data = read_members(wheel, lambda name: name == _FONT).get(_FONT)
    if data is None:
        raise EvaluationError(f"{wheel}: holds no {_FONT}; it is not the package that is meant")
    with tempfile.TemporaryDirectory(prefix="testpress-") as folder:
        path = Path(folder) / "font.sf2"
        path.write_bytes(data)
        yield path


def render(notes: Sequence[PlayedNote], programs: Mapping[int, int], soundfont: Path, length_s: float) -> Mono:
    """Play notes; float32 `(samples,)` at `SAMPLE_RATE_HZ`, its peak at `PEAK`, with faint noise.

    Args:
        notes: At least one.
        programs: Channel → General MIDI program, from 0.
        soundfont: The file.
        length_s: Of the clip; notes end before it.
    """
    import tinysoundfont

    synth = tinysoundfont.Synth(samplerate=SAMPLE_RATE_HZ, gain=-12)
    font = synth.sfload(str(soundfont))
    for channel, program in programs.items():
        synth.program_select(channel, font, 0, program)
    events = [(round(n.onset_s * SAMPLE_RATE_HZ), 1, n.channel, n.pitch, n.velocity) for n in notes]
    events += [(round(n.offset_s * SAMPLE_RATE_HZ), 0, n.channel, n.pitch, 0) for n in notes]
    chunks, position, end = [], 0, round(length_s * SAMPLE_RATE_HZ)
    for sample, starts, channel, pitch, velocity in [*sorted(events), (end, 0, 0, 0, 0)]:
        if sample > position:
            played = np.frombuffer(bytes(synth.generate(sample - position)), np.float32)
            chunks.append(played.reshape(-1, 2).mean(axis=1))
            position = sample
        if starts:
            synth.noteon(channel, pitch, velocity)
        else:
            synth.noteoff(channel, pitch)
    rendered: Mono = np.concatenate(chunks)
    rendered *= PEAK / max(float(np.abs(rendered).max()), 1e-9)
    fade = round(FADE_S * SAMPLE_RATE_HZ)
    rendered[-fade:] *= np.linspace(1, 0, fade, dtype=np.float32)
    noise = np.random.default_rng(0).normal(scale=10 ** (NOISE_DBFS / 20), size=len(rendered))
    return rendered + noise.astype(np.float32)


def keep_apart(notes: Sequence[PlayedNote], rest_s: float) -> list[PlayedNote]:
    """The notes in order, without those whose pitch still sounds, in any channel: two at once are one to a listener.

    Args:
        notes: In any order.
        rest_s: How long a pitch is silent before it is struck again.
    """
    free_from_s: dict[int, float] = {}
    kept = []
    for note in sorted(notes):
        if note.onset_s >= free_from_s.get(note.pitch, 0.0):
            kept.append(note)
            free_from_s[note.pitch] = note.offset_s + rest_s
    return kept
