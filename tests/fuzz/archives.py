"""Model files for the kind `archives`, good and hostile ones: `python -m tests.fuzz.archives FOLDER`.

Making them takes both frameworks and many seconds, so they are kept between runs, as other tests' models are. Those
whose name begins with `hostile` make a file where they are trusted or not checked: in the home folder or at `PLANTED`.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
import warnings
import zipfile
from pathlib import Path
from typing import Any

from tests.fuzz.sandbox import PLANTED

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache" / "tests"
_COMMAND = 'touch "$HOME/executed"'
_TENSORFLOW = ("two.h5", "two.keras", "three.keras", "three.h5", "code.h5", "code.keras", "states.keras", "two_saved")


def keep_archives() -> Path:
    """The folder of the files; made by a process of its own where it is not there.

    Raises:
        RuntimeError: With what that process said.
    """
    versions = "".join(importlib.metadata.version(name) for name in ("torch", "tensorflow"))
    makers = (Path(__file__), ROOT / "tests/packager/tensorflow_jobs.py")
    address = hashlib.sha256(b"".join(path.read_bytes() for path in makers) + versions.encode()).hexdigest()
    folder = CACHE / f"archives-{address[:16]}"
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "archives.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.is_dir():
            stage = CACHE / f".{folder.name}"
            shutil.rmtree(stage, ignore_errors=True)
            command = [sys.executable, "-m", __name__, str(stage)]
            run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
            if run.returncode:
                raise RuntimeError(f"the archives could not be made: {run.stderr[-2000:]}")
            stage.rename(folder)
    return folder


class Payload:
    """Runs a command when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (_COMMAND,)


def _make_torch(folder: Path) -> None:
    import torch

    class Affine(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.linspace(-1, 1, 64))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x * self.weight

    example = (torch.ones(1, 64),)
    torch.export.save(torch.export.export(Affine().eval(), example), folder / "affine.pt2")
    torch.jit.save(torch.jit.trace(Affine().eval(), example), folder / "affine.pt")
    torch.save(Affine().state_dict(), folder / "weights.pt")
    torch.save({"weight": Payload()}, folder / "hostile-pickle.pt")
    _hide_command(folder / "affine.pt2", folder / "hostile-name.pt2")
    torch.save(Payload(), folder / "hostile-legacy.pt", _use_new_zipfile_serialization=False)


def _hide_command(source: Path, target: Path) -> None:
    """A program in which the name of an input is Python, which torch writes into the code that it runs."""
    name = json.dumps(f"x=__import__('os').system({_COMMAND!r})")
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for member in old.namelist():
            data = old.read(member)
            new.writestr(member, data.replace(b'"x"', name.encode()) if "/models/" in member else data)


def _make_tensorflow(folder: Path) -> None:
    import tensorflow as tf

    from tests.packager.tensorflow_jobs import _build, make_models

    made = folder / "made"
    made.mkdir()
    list(make_models({"folder": str(made)}))
    for name in _TENSORFLOW:
        (made / name).rename(folder / name)
    shutil.rmtree(made)
    _make_lambdas(folder, _build)
    module = tf.Module()

    def call(x: Any) -> dict[str, Any]:
        with tf.control_dependencies([tf.io.write_file(str(PLANTED), "x")]):
            return {"y": x * 0.5}

    signature = tf.function(call, input_signature=[tf.TensorSpec([1, 64], name="x")])
    tf.saved_model.save(module, str(folder / "hostile-write"), signatures={"serving_default": signature})


def _make_lambdas(folder: Path, build: Any) -> None:
    import keras
    import tf_keras

    run = lambda x: (__import__("os").system('touch "$HOME/executed"'), 0.5 * x)[1]  # noqa: E731  its code is stored
    build(tf_keras, custom=tf_keras.layers.Lambda(run)).save(folder / "hostile-lambda.h5")
    build(keras, custom=keras.layers.Lambda(run)).save(folder / "hostile-lambda.keras")


def _check_hostile(folder: Path) -> None:
    """Where it is trusted each does what it is for; else to refuse it would mean nothing."""
    for path in sorted(folder.glob("hostile-*")):
        marks = (folder / "executed", PLANTED)
        for mark in marks:
            mark.unlink(missing_ok=True)
        with contextlib.suppress(Exception):
            _trust(path)
        assert any(mark.exists() for mark in marks), f"{path.name} does nothing"


def _trust(path: Path) -> None:
    import tensorflow as tf

    from packager.sources.keras import load_keras_file
    from packager.sources.torch_files import load_checkpoint, load_module

    if path.is_dir():
        tf.saved_model.load(str(path)).signatures["serving_default"](x=tf.ones((1, 64)))
    elif path.suffix in {".h5", ".keras"}:
        load_keras_file(path, trust=True)
    elif path.suffix == ".pt2":
        load_module(path, trust=True).module()(_ones())
    else:
        load_checkpoint(path, trust=True)


def _ones() -> Any:
    import torch

    return torch.ones(1, 64)


def main() -> None:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True)
    os.environ["HOME"] = str(folder)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _make_tensorflow(folder)
        _make_torch(folder)
        _check_hostile(folder)
    (folder / "executed").unlink(missing_ok=True)
    PLANTED.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
