"""What tests of hostile files have workers do: make them, try to load them, and say what came of it."""

from __future__ import annotations

import importlib
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from packager.errors import PackagingError
from packager.model import ModelSpec, find_source
from packager.sources import load_source
from tests.packager.hostile_keras import SECRET, Traps
from tests.packager.hostile_monitor import watch

os.environ.update({"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1", "TF_USE_LEGACY_KERAS": "1"})


def attack(request: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Make every attack of some tables, and load each without trust.

    Of tables of real attacks also with trust and, should that be refused for another reason, as the framework loads it.
    """
    for module, table, real in request["tables"]:
        for number, (name, make) in enumerate(getattr(importlib.import_module(module), table).items()):
            traps = _set_traps(Path(request["folder"]) / f"{table}-{number}")
            path = make(traps)
            found = {"name": name, "table": table, **_try(traps, _run, path)}
            if real:
                trusted = _try(traps, _run, path, trust=True)
                bare = trusted if trusted["wrote"] or trusted["read"] else _try(traps, _load_bare, path)
                found["real"] = bool(bare["wrote"] or bare["read"])
            yield found


def _set_traps(folder: Path) -> Traps:
    folder.mkdir()
    traps = Traps(folder, folder / "canary", folder / "secret.bin")
    traps.secret.write_bytes(SECRET)
    (folder / "hostile_neighbour.py").write_text(
        f"open({str(traps.canary)!r}, 'w').close()\nclass E: pass\ndef f(x): return x\n"
    )
    return traps


def _try(traps: Traps, do: Callable[..., None], path: Path, **settings: Any) -> dict[str, Any]:
    """What came of loading and running a model, and what it did meanwhile."""
    for file in traps.folder.glob("canary*"):
        shutil.rmtree(file) if file.is_dir() else file.unlink()
    sys.modules.pop("hostile_neighbour", None)
    sys.path.insert(0, str(traps.folder))
    importlib.invalidate_caches()
    fault = kind = None
    with watch(traps.secret) as seen:
        try:
            do(path, **settings)
        except PackagingError as refusal:
            fault, kind = str(refusal), "PackagingError"
        except BaseException as other:  # noqa: BLE001  whatever it is, it is told
            fault, kind = str(other), type(other).__name__
    sys.path.remove(str(traps.folder))
    others = [file for file in (traps.folder.parent / "above", Path("/tmp/above")) if file.exists()]
    wrote = [file.name for file in (*traps.folder.glob("canary*"), *others)]
    return {"fault": fault, "kind": kind, "wrote": wrote, "read": bool(seen)}


def _run(path: Path, *, trust: bool = False) -> None:
    text: dict[str, Any] = {"name": "m", "version": "1", "license": "MIT", "source": str(path), "trust": trust}
    if path.name.endswith((".pth", ".safetensors")):
        (path.parent / "hostile_factory.py").write_text(
            "import torch\ndef make(weights): return torch.nn.Identity(), (torch.ones(1, 8),)\n"
        )
        text |= {"source": "python:hostile_factory:make", "weights": str(path)}
        sys.modules.pop("hostile_factory", None)
    if path.suffix == ".pt":  # TorchScript says no shapes
        text["inputs"] = {"x": {"shape": [1, 8]}}
    spec = ModelSpec.model_validate(
        {**text, "framework": "torch" if "torch" in sys.modules else "tensorflow"}, strict=False
    )
    loaded = load_source(find_source(spec, path.parent), None)
    given = {name: np.ones(one.shape, one.dtype) for name, one in loaded.inputs.items()}
    loaded.run(given)


def _load_bare(path: Path) -> None:
    """As the framework loads it, with no check of ours before."""
    if path.suffix in {".h5", ".hdf5", ".keras"}:
        import tf_keras

        model = tf_keras.models.load_model(path, compile=False, safe_mode=False)
        model(np.ones((1, 8), np.float32))
