"""Labelled music for the Basic Pitch example, made on first use: python make_dataset.py OUT_DIR.

Short phrases for General MIDI instruments are composed from a seed, rendered with the SoundFont that pretty_midi ships
and written as `notes.jsonl` with `audio/*.wav` (16 bit, mono, 22,050 Hz) and `midi/*.mid` beside it. The same seed and
package versions give the same bytes. The SoundFont (TimGM6mb, GPL-2) is read where it is installed; what is rendered
with it stays on the machine.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

SAMPLE_RATE_HZ = 22050
DEFAULT_CLIPS = 28
TICKS_PER_S = 960
"""at 120 beats per minute and 480 ticks a beat; all times are whole ticks, so that MIDI and labels agree exactly"""
LEAD_S = 0.1
TAIL_S = 0.9
"""silence the last notes ring out in"""
FADE_S = 0.05
REST_S = 0.06
"""a pitch is not struck again sooner than this after its release"""
MARKER = "dataset.json"

PEAKS_DBFS = (-1.0, -3.0, -6.0, -9.0, -14.0, -20.0, -30.0, -42.0)
"""peak levels, taken in turn; the quiet ones are where float16 arithmetic runs out of range"""
NOISE_DBFS = -80.0
"""RMS of the noise under every clip, as a good microphone has. On digital silence the model has no answer: it divides a
log spectrogram by its own range, which is then 0, or one unit in the last place"""


@dataclass(frozen=True)
class Part:
    """One instrument's share of a clip."""

    program: int
    """General MIDI program, from 0"""
    lowest: int
    highest: int
    style: str


@dataclass(frozen=True)
class PhraseNote:
    """A note of a phrase, in ticks from the clip's start."""

    start_tick: int
    end_tick: int
    pitch: int
    velocity: int


PIANO = Part(0, 40, 88, "chords")
CLIPS: tuple[tuple[str, tuple[Part, ...]], ...] = (
    ("piano-chords", (PIANO,)),
    ("piano-fast", (Part(0, 55, 96, "fast"),)),
    ("guitar-arpeggio", (Part(24, 40, 76, "arpeggio"),)),
    ("strings-chords", (Part(48, 48, 84, "slow"),)),
    ("organ-chords", (Part(16, 48, 84, "chords"),)),
    ("flute-melody", (Part(73, 62, 93, "melody"),)),
    ("bass-melody", (Part(33, 28, 52, "melody"),)),
    ("piano-bass", (Part(0, 60, 88, "chords"), Part(32, 28, 50, "melody"))),
    ("violin-melody", (Part(40, 57, 90, "melody"),)),
    ("steel-guitar-fast", (Part(25, 45, 80, "fast"),)),
    ("clarinet-melody", (Part(71, 52, 84, "melody"),)),
    ("flute-guitar", (Part(73, 67, 93, "melody"), Part(24, 40, 64, "arpeggio"))),
    ("vibraphone-fast", (Part(11, 55, 86, "fast"),)),
    ("trumpet-melody", (Part(56, 56, 82, "melody"),)),
    ("electric-piano-chords", (Part(4, 45, 80, "chords"),)),
    ("cello-piano", (Part(42, 38, 60, "melody"), Part(0, 64, 92, "arpeggio"))),
)
"""kinds of clip, taken in turn; ranges stay within the instruments' own"""

SCALES = ((0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10), (0, 2, 3, 5, 7, 9, 10))


def make_dataset(out_dir: Path, *, seed: int = 0, clips: int = DEFAULT_CLIPS) -> Path:
    """Make the dataset where it is not there yet.

    It is built beside `out_dir` and renamed, so that a broken-off run leaves nothing half-made. A dataset this function
    made with the same settings is left alone where complete and made again where a file is missing or changed.

    Args:
        out_dir: The dataset's folder.
        seed: What the phrases are composed from.
        clips: How many, at least 1.

    Returns:
        The manifest, `out_dir/notes.jsonl`.

    Raises:
        ValueError: `clips` is less than 1.
        FileExistsError: `out_dir` holds something else, or a dataset of other settings.
    """
    if clips < 1:
        raise ValueError(f"clips must be at least 1, found {clips}")
    settings = {"seed": seed, "clips": clips}
    manifest = out_dir / "notes.jsonl"
    if _is_complete(out_dir, settings):
        return manifest
    out_dir.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out_dir.parent, prefix=f".{out_dir.name}-") as scratch:
        built = Path(scratch) / "dataset"
        _build(built, seed, clips)
        digests = {str(path.relative_to(built).as_posix()): _sha256(path) for path in _files(built)}
        _write_json(built / MARKER, {**settings, "versions": _versions(), "sha256": digests})
        if out_dir.exists():
            out_dir.rename(Path(scratch) / "old")
        built.rename(out_dir)
    return manifest


def _is_complete(out_dir: Path, settings: dict[str, Any]) -> bool:
    if not out_dir.exists() or (out_dir.is_dir() and not any(out_dir.iterdir())):
        return False
    try:
        marker = json.loads((out_dir / MARKER).read_text(encoding="utf-8"))
        digests = dict(marker["sha256"])
        found = {name: marker[name] for name in settings}
    except (OSError, ValueError, KeyError, TypeError):
        raise FileExistsError(
            f"{out_dir} is there but is not a dataset of this script; choose another folder"
        ) from None
    if found != settings:
        raise FileExistsError(
            f"{out_dir} holds a dataset made with {found}, not {settings}; choose another folder or delete it"
        )
    return all((out_dir / name).is_file() and _sha256(out_dir / name) == digest for name, digest in digests.items())


def _build(folder: Path, seed: int, clips: int) -> None:
    (folder / "audio").mkdir(parents=True)
    (folder / "midi").mkdir()
    lines = []
    for index in range(clips):
        kind, parts = CLIPS[index % len(CLIPS)]
        peak_dbfs = PEAKS_DBFS[(index * 3 + index // len(CLIPS)) % len(PEAKS_DBFS)]
        random = np.random.default_rng([seed, index])
        phrases = compose(parts, random)
        name = f"{index:02d}-{kind}"
        _write_midi(folder / "midi" / f"{name}.mid", parts, phrases)
        _write_wav(folder / "audio" / f"{name}.wav", _at_peak(render(parts, phrases), peak_dbfs, random))
        notes = sorted((n.start_tick, n.end_tick, n.pitch) for phrase in phrases for n in phrase)
        labels = [[round(start / TICKS_PER_S, 6), round(end / TICKS_PER_S, 6), pitch] for start, end, pitch in notes]
        tags = [kind.split("-")[-1] if len(parts) == 1 else "two-instruments", f"peak{peak_dbfs:g}dBFS"]
        lines.append(json.dumps({"audio": f"audio/{name}.wav", "notes": labels, "tags": tags}) + "\n")
    (folder / "notes.jsonl").write_text("".join(lines), encoding="utf-8")


def compose(parts: tuple[Part, ...], random: np.random.Generator) -> list[list[PhraseNote]]:
    """Write a phrase for each part, in one key; no pitch is struck while it still sounds, in any part."""
    length_s = float(random.uniform(1.2, 6.8))
    root, scale = int(random.integers(12)), SCALES[int(random.integers(len(SCALES)))]
    free_from: dict[int, int] = {}
    phrases = []
    for part in parts:
        pitches = [p for p in range(part.lowest, part.highest + 1) if (p - root) % 12 in scale]
        phrase = []
        for start_s, duration_s, steps in _rhythm(part.style, length_s, len(pitches), random):
            start, end = round((LEAD_S + start_s) * TICKS_PER_S), round((LEAD_S + start_s + duration_s) * TICKS_PER_S)
            for step in steps:
                pitch = pitches[step]
                if start >= free_from.get(pitch, 0):
                    phrase.append(PhraseNote(start, end, pitch, int(random.integers(55, 115))))
                    free_from[pitch] = end + round(REST_S * TICKS_PER_S)
        phrases.append(phrase)
    return phrases


def _rhythm(
    style: str, length_s: float, n_steps: int, random: np.random.Generator
) -> list[tuple[float, float, tuple[int, ...]]]:
    """(start, duration, scale steps) of a phrase, from 0 to length_s."""
    events = []
    time_s, step = 0.0, int(random.integers(n_steps // 4, 3 * n_steps // 4))
    while time_s < length_s - 0.2:
        if style == "fast":
            gap_s, held = float(random.choice([0.15, 0.17, 0.2])), 0.9
        elif style == "melody":
            gap_s, held = float(random.choice([0.25, 0.375, 0.5, 0.75])), float(random.uniform(0.75, 0.95))
        elif style == "arpeggio":
            gap_s, held = float(random.choice([0.2, 0.25])), 3.0
        else:
            gap_s, held = float(random.choice([0.6, 0.8, 1.2] if style == "chords" else [1.2, 1.6])), 0.9
        leap = 2 if style == "arpeggio" else int(random.choice([-3, -2, -1, 1, 2, 3]))
        step = step + leap if 0 <= step + leap < n_steps else int(random.integers(n_steps // 2))
        steps: tuple[int, ...] = (step,)
        if style in ("chords", "slow"):
            steps = tuple(s for s in (step, step + 2, step + 4, step + int(random.choice([6, 7]))) if s < n_steps)
        events.append((time_s, min(gap_s * held, length_s - time_s), steps))
        time_s += gap_s
    return events


def render(parts: tuple[Part, ...], phrases: list[list[PhraseNote]]) -> npt.NDArray[np.float32]:
    """Play the phrases, sample-exact, mono, with `TAIL_S` after the last note; `(samples,)`."""
    import tinysoundfont

    synth = tinysoundfont.Synth(samplerate=SAMPLE_RATE_HZ, gain=-12)
    font = synth.sfload(str(_soundfont()))
    events = []
    for channel, (part, phrase) in enumerate(zip(parts, phrases, strict=True)):
        synth.program_select(channel, font, 0, part.program)
        for note in phrase:
            events.append((_sample(note.start_tick), 1, channel, note.pitch, note.velocity))
            events.append((_sample(note.end_tick), 0, channel, note.pitch, 0))
    events.sort()
    chunks, position = [], 0
    end = events[-1][0] + round(TAIL_S * SAMPLE_RATE_HZ)
    for sample, starts, channel, pitch, velocity in [*events, (end, 0, 0, 0, 0)]:
        if sample > position:
            chunks.append(
                np.frombuffer(bytes(synth.generate(sample - position)), np.float32).reshape(-1, 2).mean(axis=1)
            )
            position = sample
        if starts:
            synth.noteon(channel, pitch, velocity)
        else:
            synth.noteoff(channel, pitch)
    rendered: npt.NDArray[np.float32] = np.concatenate(chunks)
    fade = round(FADE_S * SAMPLE_RATE_HZ)
    rendered[-fade:] *= np.linspace(1, 0, fade, dtype=np.float32)
    return rendered


def _at_peak(rendered: npt.NDArray[np.float32], peak_dbfs: float, random: np.random.Generator) -> npt.NDArray[np.int16]:
    scale = 10 ** (peak_dbfs / 20) / float(np.abs(rendered).max())
    noise = random.normal(scale=10 ** (NOISE_DBFS / 20), size=rendered.shape)
    return np.round((rendered.astype(np.float64) * scale + noise) * 32767).astype(np.int16)


def _sample(tick: int) -> int:
    return round(tick * SAMPLE_RATE_HZ / TICKS_PER_S)


def _write_wav(path: Path, samples: npt.NDArray[np.int16]) -> None:
    import soundfile

    # Not float: libsndfile dates the peak chunk of float files, and the bytes would differ from run to run.
    soundfile.write(path, samples, SAMPLE_RATE_HZ, subtype="PCM_16")


def _write_midi(path: Path, parts: tuple[Part, ...], phrases: list[list[PhraseNote]]) -> None:
    import pretty_midi

    midi = pretty_midi.PrettyMIDI(resolution=480, initial_tempo=120)
    for part, phrase in zip(parts, phrases, strict=True):
        instrument = pretty_midi.Instrument(part.program)
        instrument.notes = [
            pretty_midi.Note(n.velocity, n.pitch, n.start_tick / TICKS_PER_S, n.end_tick / TICKS_PER_S) for n in phrase
        ]
        midi.instruments.append(instrument)
    midi.write(str(path))


def _soundfont() -> Path:
    import pretty_midi

    return Path(pretty_midi.__file__).parent / "TimGM6mb.sf2"


def _versions() -> dict[str, str]:
    from importlib.metadata import version

    return {name: version(name) for name in ("numpy", "pretty_midi", "tinysoundfont")}


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _write_json(path: Path, data: dict[str, Any]) -> None:
    path.write_text(json.dumps(data, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Make the labelled music of the Basic Pitch example.")
    parser.add_argument("out_dir", type=Path, help="folder to make; nothing is done where it is there and complete")
    parser.add_argument("--seed", type=int, default=0, help="what the phrases are composed from (default: 0)")
    parser.add_argument("--clips", type=int, default=DEFAULT_CLIPS, help=f"how many (default: {DEFAULT_CLIPS})")
    options = parser.parse_args()
    try:
        print(make_dataset(options.out_dir, seed=options.seed, clips=options.clips))
    except (ValueError, FileExistsError) as fault:
        parser.exit(1, f"{fault}\n")


if __name__ == "__main__":
    main()
