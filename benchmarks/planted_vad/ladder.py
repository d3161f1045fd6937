"""What coarse early layers do to the example `silero_vad`: the bits that the planted bundle has, and what is no plant.

A fault is of use as a plant where clean audio hides it. On half of the prompts, as they are and in pink noise: F1 of
the source, of its first convolution with weights of few bits, and of that convolution's input in few bits.
"""

from __future__ import annotations

import copy
import sys
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.planted_vad.clips import RATE_HZ, Clip, load_half
from evaluators.comparing.speech_time import Speech
from evaluators.condition import apply_condition
from evaluators.condition_records import ConditionStep
from evaluators.condition_sets import open_step
from evaluators.task_loading import load_task
from evaluators.windows import Stitched

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[2] / "examples" / "silero_vad")]
import coarse_silero  # noqa: E402
import silero  # noqa: E402

BITS = (8, 6, 5, 4, 3, 2)
LARGEST = 16.0
"""a power of two that holds nearly all magnitudes of the clean prompts"""
MOST_LOSS = 0.002
"""of F1 on clean audio, a fifth of the example's budget: what is below is as good as the source"""
SNR_DB = 10


def print_ladder() -> int:
    """Every step, and the bits that the rule chooses; 1 where they are not those in use."""
    torch.set_num_threads(1)
    clips = load_half("choose")
    noisy = [Clip(_add_noise(clip.samples), clip.speech) for clip in clips]
    script = torch.jit.load(str(resources.files("silero_vad") / "data" / "silero_vad.jit"))
    source, _ = silero.build(script)
    own = score(source, clips)
    _print("source", own, score(source, noisy))
    kept = []
    for bits in BITS:
        model = coarse_silero.round_weights(copy.deepcopy(source), bits)
        clean = score(model, clips)
        _print(f"weights of {bits} bits", clean, score(model, noisy))
        kept += [bits] if own - clean <= MOST_LOSS else []
    for bits in BITS:
        model = copy.deepcopy(source)
        model.encoder[0].register_forward_pre_hook(lambda _, given, bits=bits: _round_input(given[0], bits))
        _print(f"input of {bits} bits", score(model, clips), score(model, noisy))
    print(f"fewest bits of weights within {MOST_LOSS:g} of the source: {min(kept)}; in use: {coarse_silero.BITS}")
    return int(min(kept) != coarse_silero.BITS)


def score(model: silero.SileroVad, clips: list[Clip]) -> float:
    """F1 of the time of speech, all clips side by side through the model, call after call."""
    window, longest = silero.WINDOW, max(len(clip.samples) for clip in clips)
    audio = torch.zeros(len(clips), -(-longest // window) * window)
    for row, clip in zip(audio, clips, strict=True):
        row[: len(clip.samples)] = torch.from_numpy(clip.samples)
    context, state = torch.zeros(len(clips), silero.CONTEXT), torch.zeros(2, len(clips), silero.HIDDEN)
    heard = []
    with torch.no_grad():
        for call in audio.split(window, dim=1):
            outputs = model(call, context, state)
            heard.append(outputs["speech"])
            context, state = outputs["context_next"], outputs["state_next"]
    task: Any = load_task("voice_activity", {"minimum_silence_ms": 250})
    pairs = []
    for row, clip in zip(torch.cat(heard, dim=1).numpy(), clips, strict=True):
        count = -(-len(clip.samples) // window)
        estimate = task.decode({"speech": Stitched(row[:count, None], np.arange(count) * window / RATE_HZ)})
        labels = Speech(tuple((start_s, end_s) for start_s, end_s in clip.speech), len(clip.samples) / RATE_HZ)
        pairs.append((labels, estimate))
    return float(task.score_dataset(pairs)["speech_f1"])


def _round_input(magnitudes: torch.Tensor, bits: int) -> torch.Tensor:
    step = LARGEST / (2**bits - 1)
    return torch.round(magnitudes.clamp(max=LARGEST) / step) * step


def _add_noise(samples: Any) -> Any:
    noise = open_step(ConditionStep(kind="noise", parameters={"snr_db": SNR_DB}))
    return apply_condition(noise, samples[None], 0, RATE_HZ)[0]


def _print(name: str, clean: float, noisy: float) -> None:
    print(f"{name:24}clean {clean:.4f}, noise of {SNR_DB} dB {noisy:.4f}", flush=True)
