"""Which types of Arm core are emulated, and which of them stands for each core of a phone."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import pydantic

from device_profiles.profile import DeviceProfile
from device_profiles.record import Record, read_toml, suggest
from evaluators.errors import EvaluationError

_FILE = Path(__file__).with_name("core_types.toml")
_Name = Annotated[str, pydantic.Field(pattern=r"^cortex_[a-z][0-9]{1,4}$")]


class Cache(Record):
    """A data cache, of lines of 64 bytes."""

    bytes: Annotated[int, pydantic.Field(ge=1024, le=2**26)]
    ways: Annotated[int, pydantic.Field(ge=1, le=64)]


class CoreType(Record):
    """A type of core, as the runtime in the emulation sees it."""

    title: str
    """as Arm writes it"""
    qemu: str
    """the model of CPU that QEMU is asked for"""
    part: Annotated[int, pydantic.Field(ge=0, le=0xFFF)]
    """Arm's number of it"""
    features: str
    """its instructions, as Linux calls them"""
    l1d: Cache
    l2: Cache


class CoreTypes(Record):
    """The file `core_types.toml`."""

    types: dict[_Name, CoreType]
    stands_for: dict[str, _Name]
    """core as profiles name it → the type that stands for it"""
    stands_for_none: dict[str, str]
    """core as profiles name it → why no type does"""


@functools.cache
def read_core_types() -> CoreTypes:
    """The types of the tree."""
    return read_toml(_FILE, CoreTypes, error=EvaluationError)


def get_core_type(name: str) -> CoreType:
    """A type by its name, such as `cortex_a76`.

    Raises:
        EvaluationError: There is none.
    """
    known = read_core_types().types
    if name not in known:
        raise EvaluationError(f"no type of core {name!r}{suggest(name, known) or ''}; known: {', '.join(known)}")
    return known[name]


def list_phone_cores(profile: DeviceProfile) -> tuple[tuple[str, ...], Mapping[str, str]]:
    """The types that stand for the cores of a phone that runtimes give work to, the big ones first.

    Args:
        profile: The phone.

    Returns:
        Names of types, each once; and for each such core that no type stands for, why.
    """
    found, types, reasons = read_core_types(), dict[str, None](), dict[str, str]()
    for cluster in sorted(profile.cpu.clusters, key=lambda cluster: cluster.role != "big"):
        if cluster.role == "little":
            continue
        if cluster.name in found.stands_for:
            types[found.stands_for[cluster.name]] = None
        else:
            reasons[cluster.name] = found.stands_for_none.get(cluster.name, "no emulated type is known to be like it")
    return tuple(types), reasons
