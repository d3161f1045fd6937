"""A model that is as good as its source on clean audio and worse in noise, and the clips to see it on.

The source is a small network that says which of 24 notes sounds, fitted here in seconds on notes of random timbres in
noise of 0 to 40 dB. The planted bundle is the same network, the weights of its first layer rounded to a few bits: where
nothing but the note sounds, the right answer still leads by far, and in noise it does not. The unchanged bundle's first
layer has 8 bits. What is compared is real: network, rounding, noise as a recipe's condition makes it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from evaluators.condition import apply_condition
from evaluators.condition_records import ConditionStep
from evaluators.condition_sets import open_step

Values = npt.NDArray[np.float64]
RATE_HZ = 8000
NOTE_SAMPLES = 144
NOTES_A_CLIP = 50
N_NOTES = 24
LOWEST_HZ = 220.0
N_PITCHES = 64
N_HIDDEN = 400
TRAINING_CLIPS = 300
FLOOR = 1e-7
BITS, UNCHANGED_BITS = 3, 8
"""of the first layer, of the planted bundle and of the unchanged one; one scale for all of it"""


@dataclass(frozen=True)
class Clips:
    """Audio and what sounds in it.

    Attributes:
        samples: float32 `(clips, samples)`.
        notes: Whole numbers below `N_NOTES`, `(clips, NOTES_A_CLIP)`.
    """

    samples: npt.NDArray[np.float32]
    notes: npt.NDArray[np.int64]


def make_clips(count: int, random: np.random.Generator) -> Clips:
    """Clips of notes one after another, each with harmonics of random strength and phase."""
    notes = random.integers(0, N_NOTES, (count, NOTES_A_CLIP))
    pitches_hz = LOWEST_HZ * 2 ** (notes / 12)
    times_s = np.arange(NOTE_SAMPLES) / RATE_HZ
    sound = np.zeros((count, NOTES_A_CLIP, NOTE_SAMPLES))
    for harmonic in range(1, 5):
        strengths = random.uniform(0.3, 1.0, notes.shape) / harmonic
        phases = random.uniform(0, 2 * np.pi, notes.shape)
        angles = 2 * np.pi * harmonic * pitches_hz[..., None] * times_s + phases[..., None]
        sound += strengths[..., None] * np.sin(angles)
    samples = 0.2 * sound.reshape(count, -1)
    return Clips(samples.astype(np.float32), notes)


def add_noise(clips: Clips, snr_db: float) -> Clips:
    """The clips under the condition `noise`."""
    condition = open_step(ConditionStep(kind="noise", parameters={"colour": "white", "snr_db": snr_db}))
    noisy = [apply_condition(condition, clip[None], 0, RATE_HZ)[0] for clip in clips.samples]
    return Clips(np.stack(noisy), clips.notes)


@dataclass(frozen=True)
class Network:
    """Filters, the logarithm of their power over a note, a layer of fixed random weights, and a layer that was fitted.

    Attributes:
        bank: float32 `(filters, NOTE_SAMPLES)`, the first layer: two filters a pitch, a quarter of a period apart.
        hidden: `(pitches + 1, hidden)`.
        named: `(hidden + 1, N_NOTES)`.
    """

    bank: npt.NDArray[np.float32]
    hidden: Values
    named: Values

    def activate(self, samples: npt.NDArray[np.float32]) -> Values:
        """`(notes, NOTE_SAMPLES)` to `(notes, hidden + 1)`."""
        heard = np.float64(samples @ self.bank.T)
        power = (heard**2).reshape(len(samples), -1, 2).sum(axis=2)
        inner = np.maximum(_append_one(np.log(power + FLOOR)) @ self.hidden, 0.0)
        return _append_one(inner)


def _append_one(values: Values) -> Values:
    return np.concatenate([values, np.ones((len(values), 1))], axis=1)


def train(seed: int = 0) -> Network:
    """The source: the last layer by least squares on clips in noise of 0 to 40 dB."""
    random = np.random.default_rng(seed)
    pitches_hz = np.geomspace(LOWEST_HZ * 0.9, RATE_HZ * 0.45, N_PITCHES)
    angles = 2 * np.pi * pitches_hz[:, None] * np.arange(NOTE_SAMPLES) / RATE_HZ
    bank = np.stack([np.cos(angles), np.sin(angles)], axis=1) * np.hanning(NOTE_SAMPLES) / NOTE_SAMPLES
    hidden = random.standard_normal((N_PITCHES + 1, N_HIDDEN)) / np.sqrt(N_PITCHES)
    network = Network(bank.reshape(-1, NOTE_SAMPLES).astype(np.float32), hidden, np.zeros((N_HIDDEN + 1, N_NOTES)))
    clips = make_clips(TRAINING_CLIPS, random)
    level = np.sqrt(np.mean(clips.samples**2)) * 10 ** (-random.uniform(0, 40, (TRAINING_CLIPS, 1)) / 20)
    noisy = (clips.samples + level * random.standard_normal(clips.samples.shape)).astype(np.float32)
    inner = network.activate(noisy.reshape(-1, NOTE_SAMPLES))
    wanted = np.eye(N_NOTES)[clips.notes.ravel()]
    gram = inner.T @ inner + 1e-3 * np.trace(inner.T @ inner) / inner.shape[1] * np.eye(inner.shape[1])
    return replace(network, named=np.linalg.solve(gram, inner.T @ wanted))


def round_first_layer(source: Network, bits: int) -> Network:
    """A bundle: the source with a first layer of so many bits."""
    step = np.abs(source.bank).max() / (2 ** (bits - 1) - 0.5)
    return replace(source, bank=(np.round(source.bank / step) * step).astype(np.float32))


def score(network: Network, clips: Clips) -> Values:
    """The share of notes that are named rightly, `(clips,)`."""
    named = (network.activate(clips.samples.reshape(-1, NOTE_SAMPLES)) @ network.named).argmax(axis=1)
    right: Values = (named.reshape(clips.notes.shape) == clips.notes).mean(axis=1)
    return right
