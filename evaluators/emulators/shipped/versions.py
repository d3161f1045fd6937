"""Which runtime an app ships, by name and version, as recipes write it: `tflite-runtime 2.14.0` or `LiteRT 1.2.0`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from device_profiles.record import suggest
from device_profiles.text import shorten
from evaluators.errors import EvaluationError
from evaluators.formats.tflite.interpreter import LITERT, TFLITE_RUNTIME, Library
from packager.versions import version_key

_LIBRARIES = {"LiteRT": LITERT, "tflite-runtime": TFLITE_RUNTIME}
_RUNTIMES = {"LiteRT": "LiteRT", "tflite-runtime": "TFLite"}
"""the runtime of profiles that each is"""
_SHAPE = re.compile(r"(?P<name>[A-Za-z-]{1,40}) +(?P<version>\d{1,3}\.\d{1,3}\.\d{1,3})")
_TARGET = re.compile(r"shipped_(?P<name>litert|tflite_runtime)_(?P<version>\d{1,3}_\d{1,3}_\d{1,3})")
_FIRST_WITH_NUMPY_2 = "1.2"
"""of LiteRT: earlier ones, and tflite-runtime, are built against numpy 1"""


@dataclass(frozen=True)
class ShippedRuntime:
    """A runtime in a version.

    Attributes:
        name: LiteRT or tflite-runtime.
        version: For example 1.2.0.
    """

    name: str
    version: str

    @property
    def title(self) -> str:
        """As recipes write it."""
        return f"{self.name} {self.version}"

    @property
    def library(self) -> Library:
        """Its package and module."""
        return _LIBRARIES[self.name]

    @property
    def runtime(self) -> str:
        """The runtime of profiles that it is."""
        return _RUNTIMES[self.name]

    @property
    def target(self) -> str:
        """The target's name."""
        return f"shipped_{self.name}_{self.version}".lower().replace("-", "_").replace(".", "_")

    @property
    def requirements(self) -> tuple[str, ...]:
        """What pip is asked for."""
        is_old = self.name != "LiteRT" or version_key(self.version) < version_key(_FIRST_WITH_NUMPY_2)
        return (f"{self.library.package}=={self.version}", *(["numpy<2"] if is_old else []))


def parse_runtime(text: str) -> ShippedRuntime:
    """What a recipe writes.

    Raises:
        EvaluationError: It is no name and version, or no such runtime is known.
    """
    found = _SHAPE.fullmatch(text.strip())
    if found is None:
        raise EvaluationError(
            f"{shorten(text)!r} is no runtime and version; "
            "right is, for example, 'tflite-runtime 2.14.0' or 'LiteRT 1.2.0'"
        )
    known = {name.lower(): name for name in _LIBRARIES}
    name = known.get(found["name"].lower())
    if name is None:
        hint = suggest(found["name"], tuple(_LIBRARIES)) or f"; known: {', '.join(_LIBRARIES)}"
        raise EvaluationError(f"no runtime {found['name']!r}{hint}")
    return ShippedRuntime(name, found["version"])


def find_runtime_of(target: str) -> ShippedRuntime | None:
    """The runtime that a target of this room is of, by the target's name; None where it is another's."""
    found = _TARGET.fullmatch(target)
    if found is None:
        return None
    name = next(one for one in _LIBRARIES if one.lower().replace("-", "_") == found["name"])
    return ShippedRuntime(name, found["version"].replace("_", "."))
