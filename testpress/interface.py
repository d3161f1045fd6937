"""testpress for Python programs: what its commands do, as functions that return what they found and print nothing.

`import testpress` imports none of it until a name is used. Model files run in workers, here as under the command.
"""

from __future__ import annotations

import io
import shlex
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile

from device_profiles.files import read_bytes
from device_profiles.record import dump_json
from evaluators.errors import EvaluationError
from evaluators.evaluation import Evaluation
from packager.arrays import pack_arrays
from packager.bundle import Bundle
from packager.package import Packaged
from packager.storage import write_bytes_atomically, write_text_atomically
from reports.judging.comparison import Comparison, load_evaluation
from reports.judging.comparison import compare as compare_evaluations
from testpress import pipeline, sandbox
from testpress.limits import LimitsSpec
from testpress.model_file import locate_model
from testpress.recipe import read_recipe
from testpress.work import EVALUATION_NAME, Progress, Work, default_out

Name = str | Path
"""of a file or folder"""
Arrays = Mapping[str, npt.NDArray[Any]]

_MOST_BYTES = 4 * 2**30
"""of what a play gives"""


class _Silence:
    """A progress that nobody hears."""

    def stage(self, name: str, done: int, total: int) -> None:
        """Nothing is told."""

    def say(self, text: str) -> None:
        """Nothing is told."""


SILENCE = _Silence()


@dataclass(frozen=True)
class Played:
    """What a model made of a recording.

    Attributes:
        outputs: By name, over the whole clip: `(frames, …)`, or as the output's kind says.
        times_s: By output, where each frame stands in the clip, in seconds.
        facts: What `testpress play --json` tells: runtime, contract, timing, notices.
    """

    outputs: Arrays
    times_s: Arrays
    facts: Mapping[str, Any]


@dataclass(frozen=True)
class Model:
    """A bundle or model file, found. Each call of a method is one worker, in which the file is opened and run.

    Attributes:
        path: The bundle's folder, or the file.
        bundle: What the manifest says; None of a bare file.
        limits: What a worker may use.
    """

    path: Path
    bundle: Bundle | None
    limits: LimitsSpec = field(default_factory=LimitsSpec)

    def play(
        self,
        audio: Name | npt.NDArray[np.float32],
        *,
        sample_rate_hz: int | None = None,
        window_samples: int | None = None,
        signature: str | None = None,
        recipe: Name | None = None,
    ) -> Played:
        """Play it on a recording, window by window, states carried, as an app does.

        Args:
            audio: A WAV, FLAC, OGG or MP3 file, or samples, float32 `(samples,)` or `(channels, samples)` within ±1,
                which need `sample_rate_hz`.
            sample_rate_hz: The rate of samples; of a file, the rate that a bare model expects.
            window_samples: Of a bare model that leaves it open.
            signature: Of a bare model with several.
            recipe: Says the contract of a bare model.

        Raises:
            TestpressError: The model cannot be played, or the audio cannot be used.
        """
        with _as_file(audio, sample_rate_hz) as (file, folder):
            bare = None if self.bundle is not None else sample_rate_hz
            options = {
                "audio": file,
                "recipe": None if recipe is None else Path(recipe),
                "sample_rate": bare,
                "window": window_samples,
                "signature": signature,
                "notes": False,
                "out": folder / "outputs.npz",
            }
            found = sandbox.play_file(str(self.path), options, self.limits, lambda *_: None)
            if found.fault is not None:
                raise EvaluationError(f"{self.path}: {found.fault}")
            arrays = _read_arrays(folder / "outputs.npz")
        names = [output["name"] for output in found.data["outputs"]]
        times = {name: arrays[f"{name}.times_s"] for name in names}
        return Played({name: arrays[name] for name in names}, times, found.data)

    def run(self, calls: Sequence[Arrays], *, signature: str | None = None) -> list[dict[str, npt.NDArray[Any]]]:
        """Call it with inputs of one's own, one call after another; states are inputs and outputs, handed on by you.

        Args:
            calls: Of each call, the inputs by the file's own names. All calls share one worker.
            signature: Of a file with several.

        Raises:
            TestpressError: The model cannot be opened, or an input is not what it takes.
        """
        with tempfile.TemporaryDirectory(prefix="testpress-") as name:
            given, made = Path(name, "calls.npz"), Path(name, "outputs.npz")
            arrays = {
                f"{index}/{key}": np.asarray(value) for index, call in enumerate(calls) for key, value in call.items()
            }
            write_bytes_atomically(given, pack_arrays(arrays))
            options = {"calls": given, "count": len(calls), "signature": signature, "out": made}
            sandbox.call_file(str(self.path), options, self.limits)
            found = _read_arrays(made)
        return [
            {key.partition("/")[2]: value for key, value in found.items() if key.partition("/")[0] == str(index)}
            for index in range(len(calls))
        ]


def package(
    recipe: Name,
    *,
    out: Name | None = None,
    devices: Sequence[str] = (),
    variants: Sequence[str] = (),
    progress: Progress = SILENCE,
) -> list[Packaged]:
    """Make a recipe's bundles, as `testpress package` does; what is finished is not made again.

    Args:
        recipe: The recipe's path.
        out: The output folder; default: `testpress-out` beside the recipe.
        devices: Phones in place of the recipe's.
        variants: Names of bundles, of all that the recipe makes.
        progress: Who is told how far it is.

    Returns:
        One outcome a bundle, in the recipe's order: `bundle` (with its `path`), or the `reason` why there is none.

    Raises:
        TestpressError: The user can mend it; the message says what.
    """
    return pipeline.package_recipe(_work(recipe, out, devices, variants, progress))


def evaluate(
    recipe: Name,
    files: Sequence[Name] = (),
    *,
    out: Name | None = None,
    devices: Sequence[str] = (),
    variants: Sequence[str] = (),
    progress: Progress = SILENCE,
) -> Evaluation:
    """Evaluate a recipe's packaged bundles, and files beside them, as `testpress evaluate` does.

    Args:
        recipe: The recipe's path.
        files: Further bundles or model files.
        out: The output folder, in which the bundles are; `evaluation.json` is written there.
        devices: Phones in place of the recipe's.
        variants: Names of bundles, of all that the recipe makes.
        progress: Who is told how far it is.

    Raises:
        TestpressError: The user can mend it; the message says what.
    """
    work = _work(recipe, out, devices, variants, progress)
    names = [str(file) for file in files]
    found = pipeline.evaluate_recipe(work, names, command=shlex.join(["testpress", "evaluate", str(recipe), *names]))
    write_text_atomically(work.out / EVALUATION_NAME, dump_json(found))
    return found


def compare(evaluation: Evaluation | Name, baseline: Evaluation | Name | None = None) -> Comparison:
    """Hold an evaluation against its recipe's budgets and an earlier one, as `testpress check` does.

    Args:
        evaluation: What `evaluate` returned, or the path of an evaluation.json or of an output folder with one.
        baseline: An earlier one, likewise.

    Returns:
        The verdict (`outcome`), each `verdict` on its own, what to ship (`choices`), and the `changes`.

    Raises:
        TestpressError: A file cannot be read, or a budget cannot be applied.
    """
    return compare_evaluations(_load(evaluation), None if baseline is None else _load(baseline))


def open_model(model: Name | Bundle | Packaged, *, limits: LimitsSpec | None = None) -> Model:
    """Find a bundle, a .tflite, an .mlpackage or an .mlmodel, to be played and called.

    Args:
        model: A path, or what `package` returned.
        limits: What a worker may use.

    Raises:
        TestpressError: There is none, or it is no model that a phone runs.
    """
    if isinstance(model, Packaged):
        if model.bundle is None:
            raise EvaluationError(f"{model.variant.name} was not made: {model.reason}")
        model = model.bundle
    path = model.path if isinstance(model, Bundle) else Path(model)
    return Model(path, locate_model(str(path)).bundle, limits or LimitsSpec())


def _work(recipe: Name, out: Name | None, devices: Sequence[str], variants: Sequence[str], progress: Progress) -> Work:
    read = read_recipe(Path(recipe), devices=tuple(devices), only=tuple(variants))
    return Work(read, default_out(read) if out is None else Path(out), progress)


def _load(evaluation: Evaluation | Name) -> Evaluation:
    if isinstance(evaluation, Evaluation):
        return evaluation
    path = Path(evaluation)
    return load_evaluation(path / EVALUATION_NAME if path.is_dir() else path)


@contextmanager
def _as_file(audio: Name | npt.NDArray[np.float32], rate_hz: int | None) -> Iterator[tuple[Path, Path]]:
    """Audio as a file, and a folder that goes with the block."""
    with tempfile.TemporaryDirectory(prefix="testpress-") as name:
        folder = Path(name)
        if not isinstance(audio, np.ndarray):
            yield Path(audio), folder
            return
        if rate_hz is None:
            raise EvaluationError("samples need sample_rate_hz; name the rate that they are at")
        if audio.ndim not in (1, 2):
            raise EvaluationError(f"samples have shape {audio.shape}; right is (samples,) or (channels, samples)")
        soundfile.write(folder / "audio.wav", audio.T, rate_hz, subtype="FLOAT")
        yield folder / "audio.wav", folder


def _read_arrays(path: Path) -> dict[str, npt.NDArray[Any]]:
    data = read_bytes(path, error=EvaluationError, most=_MOST_BYTES)
    with np.load(io.BytesIO(data), allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}
