"""SavedModels, of Keras 2, Keras 3 and plain `tf.Module`: load one and choose what to call."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from device_profiles.record import suggest
from packager.errors import PackagingError
from packager.model import ModelSpec
from packager.sources.native_calls import NativeCall, wrap_function, wrap_signature
from packager.sources.saved_graphs import check_saved_model

DEFAULT_SIGNATURES = ("serving_default", "serve")
"""TensorFlow's name, and the endpoint of Keras 3"""


def load_saved_model(tf: Any, path: Path, *, trust: bool) -> Any:
    """The loaded object of a SavedModel.

    Args:
        tf: TensorFlow.
        path: The folder.
        trust: Whether its graph may open files, call Python and the like.

    Raises:
        PackagingError: There is none, it needs trust, or TensorFlow cannot load it.
    """
    if not (path / "saved_model.pb").is_file():  # the loader would take a saved_model.pbtxt, and reads the .pb first
        raise PackagingError(f"{path}: not a SavedModel: there is no saved_model.pb in it")
    loader: Any = importlib.import_module("tensorflow.python.saved_model.loader_impl")
    try:
        if not trust:
            check_saved_model(loader.parse_saved_model(str(path)), path)
        return tf.saved_model.load(str(path))
    except PackagingError:
        raise
    except Exception as fault:
        first = str(fault).strip().splitlines() or ["no message"]
        raise PackagingError(
            f"{path}: TensorFlow cannot load this SavedModel; it may be corrupted or truncated: "
            f"{type(fault).__name__}: {first[0][:300]}"
        ) from fault


def choose_signature(owner: Any, spec: ModelSpec, *, where: str) -> NativeCall:
    """What of a loaded SavedModel or a `tf.Module` is called.

    That is the recipe's `signature`; else "serving_default", "serve", the only signature there is, or the object
    itself. A recipe may also name a `tf.function` of the object that is no signature.

    Raises:
        PackagingError: There is no such signature, or none at all; with those there are.
    """
    signatures = dict(getattr(owner, "signatures", {}))
    wanted = spec.signature
    if wanted is None:
        wanted = next((name for name in DEFAULT_SIGNATURES if name in signatures), None)
        wanted = next(iter(signatures)) if wanted is None and len(signatures) == 1 else wanted
    if wanted in signatures:
        return wrap_signature(signatures[wanted], owner)
    functions = _functions(owner)
    if wanted in functions:
        return wrap_function(functions[wanted], owner)
    if wanted is None and not signatures and callable(owner):
        return wrap_function(owner.__call__, owner)
    if wanted is None and not signatures and len(functions) == 1:
        return wrap_function(next(iter(functions.values())), owner)
    known = [*sorted(signatures), *sorted(functions)]
    wanted = DEFAULT_SIGNATURES[0] if wanted is None else wanted
    raise PackagingError(
        f"{where}: has no signature {wanted!r}{suggest(wanted, known)}; "
        f"model.signature can be: {', '.join(known) or 'none'}"
    )


def _functions(owner: Any) -> dict[str, Any]:
    """The `tf.function`s of an object, by name; of a loaded one, those that were saved."""
    found = {}
    for name in dir(owner):
        if not name.startswith("_") and not isinstance(getattr(type(owner), name, None), property):
            value = getattr(owner, name, None)
            if hasattr(value, "get_concrete_function"):
                found[name] = value
    return found
