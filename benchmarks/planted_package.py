"""A faulty bundle that is as good as its source on clean audio: packaged, played and judged by the whole tool.

    python -m benchmarks.planted_package --runs 10
    python -m benchmarks.planted_package --ladder

The source is the example `silero_vad` (`pip install --no-deps -r examples/silero_vad/requirements.txt`). The planted
bundle is the same model with the weights of its first convolution in three bits
(`benchmarks/planted_vad/coarse_silero.py`). `testpress package` makes both, from recipes that differ in nothing but the
factory; the 8-bit bundle of the unchanged model is the control.

The bits are chosen on half of the prompts: the fewest at which F1 on clean audio falls by no more than a fifth of the
example's budget. `--ladder` prints every step of that, and what few bits do to the convolution's input instead. Each
run draws 40 of the 91 clips of the other half, each at another level and so in other noise, and `testpress evaluate`
plays source and bundles on them, clean and in pink noise of 10 dB. The planted bundle is to keep its budget on clean
audio and to be said to lose more in noise; the control is to be accused nowhere. All prompts are of one speaker.

A run takes minutes on two cores, and so does the ladder.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from benchmarks.planted_vad.clips import RATE_HZ, Clip, draw_clips, load_half
from evaluators.evaluation import ExtraLoss
from evaluators.score import Score
from reports.judging.comparison import Comparison, compare, load_evaluation

ROOT = Path(__file__).resolve().parents[1]
EXAMPLE = ROOT / "examples" / "silero_vad"
PLANTED = ROOT / "benchmarks" / "planted_vad"
METRIC = "speech_f1"
BUDGET = 0.01
CONDITION, SNR_DB = "noise 10 dB", 10
RECIPE = """
[model]
name = "silero-vad"
version = "6.2.3"
license = "MIT"
source = "python:{module}:build"
weights = "pkg://silero_vad/data/silero_vad.jit"

[model.outputs]
speech = {{ axes = ["frame"] }}

[model.state]
context = "context_next"
state = "state_next"

[audio]
sample_rate_hz = 16000
window_samples = 512
hop_samples = 512

[variants]
tflite = ["{precision}"]
"""
TASK = f"""
[task]
kind = "voice_activity"
dataset = "clips.jsonl"
options = {{ minimum_silence_ms = 250 }}

[conditions]
set = [{{ name = "{CONDITION}", steps = [{{ kind = "noise", snr_db = {SNR_DB} }}] }}]

[[budgets]]
metric = "{METRIC}"
max_drop = {BUDGET}
"""


@dataclass(frozen=True)
class Found:
    """What the tool said of one bundle in one run."""

    clean: Score
    """its difference to the source"""
    keeps_budget: bool
    """on clean audio"""
    noisy: tuple[float, float]
    """source and bundle"""
    loss: ExtraLoss


def main(arguments: list[str]) -> int:
    """Print what was asked."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.planted_package", description=__doc__)
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--clips", type=int, default=40)
    parser.add_argument("--ladder", action="store_true")
    options = parser.parse_args(arguments)
    if options.ladder:
        from benchmarks.planted_vad.ladder import print_ladder

        return print_ladder()
    with tempfile.TemporaryDirectory() as folder:
        return play(Path(folder), options)


def play(folder: Path, options: argparse.Namespace) -> int:
    """Package once, evaluate as often as asked, and say what was caught."""
    planted = package(folder, "coarse_silero", "float32")
    control = package(folder, "silero", "dynamic_wi8_afp32")
    clips, caught, failed, apart, accused = load_half("test"), 0, 0, 0, 0
    for seed in range(options.runs):
        drawn = draw_clips(clips, options.clips, np.random.default_rng(seed))
        evaluation = evaluate(folder / f"run-{seed}", drawn, (planted, control))
        faulty, sound = (read(evaluation, bundle.name) for bundle in (planted, control))
        print(f"run {seed}", f"  planted: {describe(faulty)}", f"  control: {describe(sound)}", sep="\n", flush=True)
        caught += faulty.loss.loses_more
        failed += not faulty.keeps_budget
        apart += not (faulty.clean.low or 0.0) <= 0 <= (faulty.clean.high or 0.0)
        accused += sound.loss.loses_more
    runs = options.runs
    print(f"the planted bundle is said to lose more in {CONDITION} in {caught} of {runs} runs")
    print(f"on clean audio it breaks its budget in {failed} of {runs} runs, and the interval leaves 0 out in {apart}")
    print(f"the unchanged 8-bit bundle is said to lose more in {accused} of {runs} runs")
    return int(caught < 0.8 * runs or max(failed, accused) > 0.1 * runs)


def package(folder: Path, module: str, precision: str) -> Path:
    """One bundle, made by the command; gives its folder."""
    place = folder / module
    place.mkdir()
    for file in (EXAMPLE / "silero.py", PLANTED / "coarse_silero.py"):
        shutil.copy(file, place)
    (place / "testpress.toml").write_text(RECIPE.format(module=module, precision=precision), encoding="utf-8")
    run_testpress("package", str(place / "testpress.toml"), "-o", str(place / "out"))
    return place / "out" / "bundles" / f"tflite-{precision}"


def evaluate(folder: Path, clips: list[Clip], bundles: tuple[Path, ...]) -> Comparison:
    """Source and bundles on clips, by the command."""
    folder.mkdir()
    shutil.copy(EXAMPLE / "silero.py", folder)
    for number, clip in enumerate(clips):
        soundfile.write(folder / f"{number}.flac", clip.samples, RATE_HZ, subtype="PCM_24")
    lines = [json.dumps({"audio": f"{number}.flac", "speech": clip.speech}) for number, clip in enumerate(clips)]
    (folder / "clips.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    recipe = folder / "testpress.toml"
    recipe.write_text(RECIPE.format(module="silero", precision="float32") + TASK, encoding="utf-8")
    out = folder / "out" / "evaluation.json"
    run_testpress("evaluate", str(recipe), *map(str, bundles), "-o", str(out))
    return compare(load_evaluation(out))


def run_testpress(*words: str) -> None:
    """Run the command from the project's folder; what it says is shown where it fails."""
    command = [sys.executable, "-m", "testpress", *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 3):  # 3: a promise broke, which is what is planted
        sys.exit(f"{' '.join(words)}\n{done.stdout}{done.stderr}")


def read(comparison: Comparison, name: str) -> Found:
    """What an evaluation says of a bundle."""
    source = comparison.evaluation.source
    row = next(one for one in comparison.evaluation.variants if one.variant == name)
    statuses = [one.status for one in comparison.verdicts if (one.variant, one.metric) == (name, METRIC)]
    keeps_budget = bool(statuses) and all(status in ("passed", "warned") for status in statuses)
    (own,), (here,) = source.conditions, row.conditions
    noisy = tuple(one.scores[METRIC].value or 0.0 for one in (own, here))
    return Found(row.differences[METRIC], keeps_budget, noisy, here.extra_losses[METRIC])


def describe(found: Found) -> str:
    """One bundle's numbers, a line."""
    clean, loss = found.clean, found.loss
    budget = "kept" if found.keeps_budget else "broken"
    said = ", said to lose more" if loss.loses_more else ""
    source, bundle = found.noisy
    return (
        f"clean {clean.value:+.4f} [{clean.low:+.4f}, {clean.high:+.4f}], budget {budget}; "
        f"{CONDITION}: {source:.4f} to {bundle:.4f}, beyond clean {loss.change.value:+.4f}, p {loss.p_value:.3f}{said}"
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
