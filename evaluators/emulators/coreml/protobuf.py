"""Core ML's message classes, taken from coremltools without importing coremltools.

Importing coremltools costs seconds; the generated classes in its `proto` folder need only protobuf. They are loaded
under a name of their own unless coremltools is there already. Both copies can live in one process: protobuf accepts a
second registration of an identical file.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import sys
import types
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from device_profiles.pointers import describe_pointer
from evaluators.errors import EvaluationError

_OWN_NAME = f"{__package__}.proto"


@dataclass(frozen=True)
class Schema:
    """The two generated modules a reader needs."""

    model: Any
    """`Model_pb2`"""
    mil: Any
    """`MIL_pb2`"""


@functools.cache
def load_schema() -> Schema:
    """Core ML's generated protobuf modules.

    Raises:
        EvaluationError: coremltools or protobuf is not installed, or they do not fit together.
    """
    package = "coremltools.proto" if "coremltools" in sys.modules else _own_package()
    try:
        return Schema(importlib.import_module(f"{package}.Model_pb2"), importlib.import_module(f"{package}.MIL_pb2"))
    except Exception as fault:  # generated code raises whatever the installed protobuf release objects with
        raise EvaluationError(f"Core ML's message classes cannot be loaded: {type(fault).__name__}: {fault}") from fault


def parse_model(data: bytes, where: str) -> Any:
    """A Core ML specification (`Model` message) from its bytes.

    Raises:
        EvaluationError: The bytes are not such a message.
    """
    pointer = describe_pointer(data)
    if pointer is not None:
        raise EvaluationError(f"{where}: {pointer}")
    schema = load_schema()
    from google.protobuf.message import DecodeError

    try:
        return schema.model.Model.FromString(data)
    except DecodeError as fault:
        raise EvaluationError(f"{where}: not a Core ML specification (malformed protobuf: {fault})") from None


def _own_package() -> str:
    if _OWN_NAME not in sys.modules:
        spec = importlib.util.find_spec("coremltools")
        if spec is None or not spec.submodule_search_locations:
            raise EvaluationError("reading Core ML files needs coremltools; install testpress[coreml]")
        package = types.ModuleType(_OWN_NAME)
        package.__path__ = [str(Path(spec.submodule_search_locations[0]) / "proto")]
        sys.modules[_OWN_NAME] = package
    return _OWN_NAME
