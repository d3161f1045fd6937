"""Trains the recogniser: about a minute, which the recipe does by itself at first use.

Weights are kept in testpress's cache under the digest of this code, of the data and of PyTorch's version. Seeded, and
on one thread, so that a machine makes the same ones again.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

import numpy as np
import torch
from recognizer import HOP, Recognizer, start
from torch import Tensor
from torch.nn import functional
from words import DATASET, Samples, Sequence, join, load_words

from evaluators.datasets.builtin.trained import keep_trained

STEPS, BATCH, MOST_RATE = 500, 16, 4e-3
PLACED = 0.3
"""share of the steps that are also told where each word ends: CTC alone begins with blanks and stays there"""
_FRAME = 4 * HOP


def find_weights() -> Path:
    """The file with the weights, made first where it is not there."""

    def make() -> bytes:
        stream = io.BytesIO()
        torch.save(train(load_words("wav")).state_dict(), stream)
        return stream.getvalue()

    return keep_trained("digit-recognizer", Path(__file__), [DATASET], make, torch=torch.__version__)


def train(recordings: list[Samples], *, steps: int = STEPS, seed: int = 0) -> Recognizer:
    """The model after a number of steps.

    Args:
        recordings: One of each word.
        steps: How many.
        seed: Of weights and sequences.
    """
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    random, model = np.random.default_rng(seed), Recognizer().train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=MOST_RATE, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, MOST_RATE, total_steps=steps, pct_start=0.15)
    for step in range(steps):
        batch = [join(recordings, random, snr_db=random.uniform(5, 40)) for _ in range(BATCH)]
        audio = torch.from_numpy(np.stack([one.samples for one in batch]))
        logits = model(audio, *start(BATCH))["logits"]
        loss = weigh(logits, batch)
        told = 0.3 * loss + 20 * weigh_places(logits, batch) if step < PLACED * steps else loss
        optimizer.zero_grad()
        told.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 2.0)
        optimizer.step()
        schedule.step()
        if step % 100 == 99:
            print(f"step {step + 1} of {steps}: loss {loss.item():.3f}", file=sys.stderr)
    return model.eval()


def weigh(logits: Tensor, batch: list[Sequence]) -> Tensor:
    """CTC's loss, the mean over sequences."""
    total: Tensor = functional.ctc_loss(
        logits.log_softmax(dim=2).transpose(0, 1),
        torch.tensor([1 + word for one in batch for word in one.words], dtype=torch.long),
        torch.full((len(batch),), logits.shape[1]),
        torch.tensor([len(one.words) for one in batch]),
        reduction="sum",
    )
    return total / len(batch)


def weigh_places(logits: Tensor, batch: list[Sequence]) -> Tensor:
    """Cross entropy of frames: a word in the last two fifths of it and a frame more, else the blank."""
    labels = torch.zeros(logits.shape[:2], dtype=torch.long)
    for row, one in zip(labels, batch, strict=True):
        for word, (first, last) in zip(one.words, one.places, strict=True):
            row[int(first + 0.6 * (last - first)) // _FRAME : last // _FRAME + 2] = 1 + word
    return functional.cross_entropy(logits.flatten(0, 1), labels.flatten())


if __name__ == "__main__":
    print(find_weights())
