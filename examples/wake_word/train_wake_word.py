"""Trains the wake word spotter: a minute or two, which the recipe does by itself at first use.

Weights are kept in testpress's cache under the digest of this code, of the data and of PyTorch's version. Seeded, and
on one thread, so that a machine makes the same ones again.
"""

from __future__ import annotations

import io
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from clips import DATASETS, RATE_HZ, WORDS, Clip, Clips, Samples, load_clips
from torch import Tensor
from torch.nn import functional
from wake_word import HOP, WakeWord, start

from evaluators.datasets.builtin.trained import keep_trained

STEPS, BATCH = 500, 32
LENGTH = 176 * HOP
"""samples of an example: 1.76 s"""
FRAME_S = 2 * HOP / RATE_HZ
HEARD_S = (0.1, 0.75)
"""after its onset, where a keyword is to be found"""
FREE_S = 1.1
"""after its onset, until when a probability is neither wrong nor right elsewhere than there"""


@dataclass(frozen=True)
class Example:
    """What the model hears, and which keyword when."""

    samples: Samples
    word: int | None = None
    onset_s: float = 0.0


def find_weights() -> Path:
    """The file with the weights, made first where it is not there."""

    def make() -> bytes:
        stream = io.BytesIO()
        torch.save(train(load_clips("train")).state_dict(), stream)
        return stream.getvalue()

    return keep_trained("wake-word", Path(__file__), DATASETS, make, torch=torch.__version__)


def train(clips: Clips, *, steps: int = STEPS, seed: int = 0) -> WakeWord:
    """The model after a number of steps.

    Args:
        clips: The half to train with.
        steps: How many.
        seed: Of weights and examples.
    """
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    random, model = np.random.default_rng(seed), WakeWord().train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=4e-3, total_steps=steps)
    for step in range(steps):
        examples = [compose(clips, random) for _ in range(BATCH)]
        logits, _, _ = model.listen(torch.from_numpy(np.stack([one.samples for one in examples])), *start(BATCH))
        loss = weigh(logits, examples)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
        if step % 100 == 99:
            print(f"step {step + 1} of {steps}: loss {loss.item():.4f}", file=sys.stderr)
    return model.eval()


def weigh(logits: Tensor, examples: list[Example]) -> Tensor:
    """The loss: the best frame of a keyword must find it, and the worst frame elsewhere must not.

    Source: Sun et al., "Max-pooling loss training of LSTMs for small-footprint keyword spotting", SLT 2016.
    """
    times_s = (torch.arange(logits.shape[2]) + 1) * FRAME_S
    heard = torch.zeros(logits.shape, dtype=torch.bool)
    free = torch.zeros(logits.shape, dtype=torch.bool)
    for index, one in enumerate(examples):
        if one.word is not None:
            since_s = times_s - one.onset_s
            heard[index, one.word] = (since_s >= HEARD_S[0]) & (since_s <= HEARD_S[1])
            free[index, one.word] = (since_s >= 0) & (since_s <= FREE_S)
    best = logits.masked_fill(~heard, -torch.inf).amax(dim=2)[heard.any(dim=2)]
    wrong = logits.masked_fill(free, -20.0)
    found = functional.softplus(-best).sum() / max(len(best), 1)
    return found + functional.softplus(wrong.amax(dim=2)).mean() * len(WORDS) + functional.softplus(wrong).mean()


def compose(clips: Clips, random: np.random.Generator) -> Example:
    """One example: a keyword in half of them, what came before it, a background, a level."""
    samples = np.zeros(LENGTH, np.float32)
    draw, word, onset_s = random.random(), None, 0.0
    if draw < 0.5:
        clip = _pick(clips.keywords, random)
        speed = random.uniform(0.9, 1.12)
        voice = _resample(clip.samples, speed)
        begin = random.uniform(0.15, 0.85)
        word, onset_s = WORDS.index(clip.word or ""), begin
        _add(samples, voice, round((begin - clip.onset_s / speed) * RATE_HZ))
        if random.random() < 0.5:  # somebody speaks before it
            earlier = _resample(_pick(clips.speech, random).samples, random.uniform(0.9, 1.12))
            _add(samples, earlier, round((begin - random.uniform(0.05, 0.25)) * RATE_HZ) - len(earlier))
    elif draw < 0.95:
        kind = clips.speech if random.random() < 0.8 else clips.letters
        voice = _resample(_pick(kind, random).samples, random.uniform(0.85, 1.2))
        at = random.integers(-max(len(voice) - LENGTH, 0), max(LENGTH - len(voice), 0) + 1)
        _add(samples, voice, int(at if random.random() < 0.7 else random.uniform(0, 1.2) * RATE_HZ))
    level = 10 ** (random.uniform(-14, 6) / 20)
    mixed = samples * level + _background(clips, samples * level, random)
    return Example(np.clip(mixed, -1, 1).astype(np.float32), word, onset_s)


def _background(clips: Clips, voice: Samples, random: np.random.Generator) -> npt.NDArray[np.float64]:
    """Noise of some colour, and now and then keys or instruments, 0 to 40 dB below the voice."""
    spectrum = np.fft.rfft(random.normal(size=LENGTH))
    noise = np.fft.irfft(spectrum / np.arange(1, len(spectrum) + 1) ** random.uniform(0, 0.8), LENGTH)
    loudness = float(np.sqrt(np.mean(voice**2))) or 0.03
    found: npt.NDArray[np.float64] = noise / np.sqrt(np.mean(noise**2)) * loudness * 10 ** (-random.uniform(3, 40) / 20)
    if random.random() < 0.4:
        sounds = np.zeros(LENGTH, np.float32)
        for _ in range(random.integers(1, 4)):
            clip = _pick(clips.strokes if random.random() < 0.5 else clips.sounds, random)
            _add(sounds, clip.samples, int(random.integers(-RATE_HZ // 2, LENGTH)))
        rms = float(np.sqrt(np.mean(sounds**2)))
        found += sounds * (loudness * 10 ** (-random.uniform(0, 25) / 20) / rms if rms > 0 else 0)
    return found


def _pick(clips: tuple[Clip, ...], random: np.random.Generator) -> Clip:
    return clips[random.integers(len(clips))]


def _resample(samples: Samples, speed: float) -> Samples:
    """Faster and higher, or slower and lower, by linear interpolation."""
    places = np.arange(0, len(samples) - 1, speed)
    found: Samples = np.interp(places, np.arange(len(samples)), samples).astype(np.float32)
    return found


def _add(into: Samples, what: Samples, at: int) -> None:
    """Add samples at a place that may lie outside; what lies outside is lost."""
    first, last = max(at, 0), min(at + len(what), len(into))
    if last > first:
        into[first:last] += what[first - at : last - at]


if __name__ == "__main__":
    print(find_weights())
