"""Core ML packages that are the same bytes for the same model: no dates, no random identifiers, no chance counters."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import logging
import re
import shutil
import sys
import uuid
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from packager.errors import PackagingError

_DATED_METADATA = ("com.github.apple.coremltools.conversion_date",)
_INNER = "com.apple.CoreML"
_COUNTED_NAME = re.compile(r"const_\d+")


_OPTIONAL = ("sklearn", "torchao", "transformers", "xgboost")
"""what coremltools imports where it is installed, to see whether it is: seconds for nothing"""


def import_coremltools(*, without: Sequence[str] = ()) -> Any:
    """The coremltools package, its notes on untested versions and missing macOS libraries quieted.

    Args:
        without: Packages that it shall not import though they are installed, beside those that no conversion here
            needs. What is imported already stays.

    Raises:
        PackagingError: It is not installed.
    """
    if importlib.util.find_spec("coremltools") is None:
        raise PackagingError('coremltools is not installed; install "testpress[coreml]"')
    logging.getLogger("coremltools").setLevel(logging.ERROR)
    with warnings.catch_warnings(), _hidden((*_OPTIONAL, *without)):
        warnings.simplefilter("ignore")
        import coremltools
    return coremltools


@contextlib.contextmanager
def _hidden(names: Sequence[str]) -> Iterator[None]:
    """Make packages that are not imported yet look as if they were not installed."""
    hidden = [name for name in names if name not in sys.modules]
    modules: dict[str, Any] = sys.modules
    modules.update(dict.fromkeys(hidden))  # None is how Python says that a module is not to be had
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


def specification_version(path: Path) -> int:
    """The specification version of an .mlpackage, which decides the oldest system that can load it."""
    return int(import_coremltools().models.utils.load_spec(str(path)).specificationVersion)


def save_package(spec: Any, weights: Path, path: Path) -> None:
    """Write an .mlpackage; the same specification gives the same bytes.

    Args:
        spec: The model's protobuf specification; names that coremltools counted are changed in place.
        weights: The folder that holds its weight files.
        path: Where the package goes; must not exist.
    """
    for key in _DATED_METADATA:
        spec.description.metadata.userDefined.pop(key, None)
    _number_constants(spec)
    inner = path / "Data" / _INNER
    inner.mkdir(parents=True)
    (inner / "model.mlmodel").write_bytes(spec.SerializeToString(deterministic=True))
    shutil.copytree(weights, inner / "weights")
    entries = {
        _identifier(name): {"author": _INNER, "description": text, "name": name, "path": f"{_INNER}/{name}"}
        for name, text in (("model.mlmodel", "CoreML Model Specification"), ("weights", "CoreML Model Weights"))
    }
    manifest = {
        "fileFormatVersion": "1.0.0",
        "itemInfoEntries": entries,
        "rootModelIdentifier": _identifier("model.mlmodel"),
    }
    (path / "Manifest.json").write_text(json.dumps(manifest, indent=4, sort_keys=True) + "\n")


def _identifier(name: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"testpress:{name}")).upper()


def _number_constants(spec: Any) -> None:
    """Give `const_17` and its like numbers by order of appearance.

    coremltools takes the number from a counter that its passes advance in the order of a set, which differs from run to
    run (seen with 9.0: one name in 27,000 lines).
    """
    operations = [operation for function in spec.mlProgram.functions.values() for operation in _operations(function)]
    names: dict[str, str] = {}
    for operation in operations:
        for output in operation.outputs:
            if _COUNTED_NAME.fullmatch(output.name):
                names.setdefault(output.name, f"const_{len(names)}")
    for operation in operations:
        for output in operation.outputs:
            output.name = names.get(output.name, output.name)
        for argument in (one for many in operation.inputs.values() for one in many.arguments):
            if argument.WhichOneof("binding") == "name":
                argument.name = names.get(argument.name, argument.name)
        if "name" in operation.attributes:
            strings = operation.attributes["name"].immediateValue.tensor.strings.values
            strings[:] = [names.get(text, text) for text in strings]


def _operations(block_holder: Any) -> Iterator[Any]:
    """All operations of a function or an operation's blocks, outer before inner, in program order."""
    blocks = getattr(block_holder, "block_specializations", None)
    for block in blocks.values() if blocks is not None else block_holder.blocks:
        for operation in block.operations:
            yield operation
            yield from _operations(operation)
