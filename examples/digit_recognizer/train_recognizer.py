"""Trains the digit recogniser: minutes, which the recipe does by itself at first use.

Weights are kept in testpress's cache under the digest of this code, of the data and of PyTorch's version. Seeded, and
on one thread, so that a machine makes the same ones again.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

import numpy as np
import torch
from prompts import DATASET, RATE_HZ, WORDS, Prompt, Samples, load_prompts
from recognizer import HOP, Recognizer, start
from torch import Tensor
from torch.nn import functional

from evaluators.datasets.builtin.downloads import find_cache, hold_lock
from evaluators.datasets.builtin.making import find_dataset
from packager.factories import digest_factory
from packager.storage import digest_facts, write_bytes_atomically

FIRST, EPOCHS, BATCH_S, MOST_RATE = 150, 14, 60.0, 4e-3
JOINED = 100
"""strings of digits that are joined anew for each epoch"""
_TAIL_S = 0.4
"""silence after a prompt, in which its last word may still be told"""
_MULTIPLE = 4 * HOP


def find_weights() -> Path:
    """The file with the weights, made first where it is not there."""
    facts = {
        "code": digest_factory(Path(__file__)),
        "data": find_dataset(DATASET).folder.name,
        "torch": torch.__version__,
    }
    path = find_cache() / "trained" / f"digit-recognizer-{digest_facts(facts)[:16]}.pt"
    path.parent.mkdir(parents=True, exist_ok=True)
    with hold_lock(path.with_name(f".{path.name}.lock")):  # bundles are made at the same time
        if not path.is_file():
            stream = io.BytesIO()
            torch.save(train(load_prompts("train")).state_dict(), stream)
            write_bytes_atomically(path, stream.getvalue())
    return path


def train(prompts: list[Prompt], *, first: int = FIRST, epochs: int = EPOCHS, seed: int = 0) -> Recognizer:
    """The model after a number of passes over the prompts.

    Args:
        prompts: What to train with.
        first: How many steps with short joined strings come before, so that CTC finds where words are.
        epochs: How many passes.
        seed: Of weights and of what is drawn.
    """
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    random, model = np.random.default_rng(seed), Recognizer().train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=MOST_RATE, weight_decay=1e-2)
    alone = {one.words[0]: one for one in prompts if one.is_alone}
    for _ in range(first):
        learn(model, optimizer, [alter(join(alone, random, most=3), random) for _ in range(16)])
    batches = len(make_batches(prompts, np.random.default_rng(seed)))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, MOST_RATE, total_steps=epochs * batches + epochs * 2)
    for epoch in range(epochs):
        losses = []
        for batch in make_batches(prompts, random):
            losses.append(learn(model, optimizer, batch))
            if schedule.last_epoch < schedule.total_steps - 1:
                schedule.step()
        print(f"pass {epoch + 1} of {epochs}: loss {np.mean(losses):.3f}", file=sys.stderr)
    return model.eval()


def learn(model: Recognizer, optimizer: torch.optim.Optimizer, batch: list[Prompt]) -> float:
    """One step; gives the loss before it."""
    loss = weigh(model, batch)
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    return loss.item()


def weigh(model: Recognizer, batch: list[Prompt]) -> Tensor:
    """CTC's loss, the mean over prompts."""
    lengths = [-(-len(one.samples) // _MULTIPLE) for one in batch]
    audio = torch.zeros(len(batch), max(lengths) * _MULTIPLE)
    for row, one in zip(audio, batch, strict=True):
        row[: len(one.samples)] = torch.from_numpy(one.samples)
    log_probs = functional.log_softmax(model(audio, *start(len(batch)))["logits"], dim=2)
    words = [1 + WORDS.index(word) for one in batch for word in one.words]
    counts = [len(one.words) for one in batch]
    total: Tensor = functional.ctc_loss(
        log_probs.transpose(0, 1),
        torch.tensor(words, dtype=torch.long),
        torch.tensor(lengths),
        torch.tensor(counts),
        reduction="sum",
    )
    return total / len(batch)


def make_batches(prompts: list[Prompt], random: np.random.Generator) -> list[list[Prompt]]:
    """One pass: all prompts with words, a third of the others, joined strings; alike in length, in any order."""
    alone = {one.words[0]: one for one in prompts if one.is_alone}
    some = [one for one in prompts if one.words and not one.is_alone]
    none = [one for one in prompts if not one.words]
    chosen = [*some, *(none[index] for index in random.permutation(len(none))[: len(none) // 3])]
    chosen += [join(alone, random) for _ in range(JOINED)]
    drawn = sorted((alter(one, random) for one in chosen), key=lambda one: len(one.samples))
    batches: list[list[Prompt]] = [[]]
    for one in drawn:
        if (len(batches[-1]) + 1) * len(one.samples) > BATCH_S * RATE_HZ and batches[-1]:
            batches.append([])
        batches[-1].append(one)
    return [batches[index] for index in random.permutation(len(batches))]


def join(alone: dict[str, Prompt], random: np.random.Generator, *, most: int = 7) -> Prompt:
    """Some words, one after the other, with or without pauses."""
    words = tuple(str(word) for word in random.choice(sorted(alone), random.integers(1, most + 1)))
    parts: list[Samples] = []
    for word in words:
        voice = resample(alone[word].samples, random.uniform(0.9, 1.12))
        parts += [voice, np.zeros(round(random.uniform(0, 0.3) * RATE_HZ), np.float32)]
    return Prompt(np.concatenate(parts), words)


def alter(prompt: Prompt, random: np.random.Generator) -> Prompt:
    """Another speed, level and noise; silence behind."""
    voice = resample(prompt.samples, random.uniform(0.88, 1.14))
    voice = np.concatenate([voice, np.zeros(round(_TAIL_S * RATE_HZ), np.float32)])
    voice = voice * np.float32(10 ** (random.uniform(-12, 3) / 20))
    spectrum = np.fft.rfft(random.normal(size=len(voice)))
    noise = np.fft.irfft(spectrum / np.arange(1, len(spectrum) + 1) ** random.uniform(0, 0.6), len(voice))
    loudness = (float(np.sqrt(np.mean(voice**2))) or 0.03) * 10 ** (-random.uniform(8, 45) / 20)
    mixed = voice + noise / np.sqrt(np.mean(noise**2)) * loudness
    return Prompt(np.clip(mixed, -1, 1).astype(np.float32), prompt.words)


def resample(samples: Samples, speed: float) -> Samples:
    """Faster and higher, or slower and lower, by linear interpolation."""
    places = np.arange(0, len(samples) - 1, speed)
    return np.interp(places, np.arange(len(samples)), samples).astype(np.float32)


if __name__ == "__main__":
    print(find_weights())
