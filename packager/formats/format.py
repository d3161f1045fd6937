"""What a format is to the packager: `Format`, which each folder here describes itself by.

A descriptor imports no framework: what needs one is a function that imports when it is called.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from device_profiles.profile import Runtime
from packager.bundle import Floor
from packager.integration_records import CallContract, RuntimePackage
from packager.model import ModelSpec

FLOAT32, FLOAT16, INT16, INT8 = 2.0**-24, 2.0**-11, 2.0**-16, 2.0**-8
"""half a unit in the last place of floats; of integers half a step of a range that they fill"""


@dataclass(frozen=True)
class Arithmetic:
    """What a precision computes in and stores, as far as it can be said of all models.

    Attributes:
        kind: Precisions of one kind are expected to take about the same time.
        weight_bits: Of a weight as it is stored.
        is_priced: Whether anything published tells how long it takes.
    """

    kind: str
    weight_bits: int
    is_priced: bool = True


@dataclass(frozen=True)
class Precision:
    """How close to its source a model of this precision should stay.

    Attributes:
        tolerance_db: The least signal-to-noise ratio of every output, in dB.
        because: Where that number comes from.
        meaning: What it does to a model, in a few words.
        aliases: Other words for it, in small letters with `_`. One that several precisions have is asked about.
        roundoff: What its coarsest arithmetic rounds a value by, of the largest it can be: `FLOAT32`, `FLOAT16` or
            half a step of its integers. It bounds how near two right runs of a bundle can be asked to be.
        arithmetic: What it computes in; None where nothing is known of that.
        caveat: Where phones compute otherwise than this machine does, so that what is measured here is not the phone's;
            empty where they do not. A precision with one is made where a recipe names it, and searched by nothing.
    """

    tolerance_db: float
    because: str
    meaning: str = ""
    aliases: tuple[str, ...] = ()
    roundoff: float = FLOAT32
    arithmetic: Arithmetic | None = None
    caveat: str = ""


def _know_nothing(_: str) -> None:
    return None


def _keep_nothing(_: str) -> tuple[str, ...]:
    return ()


@dataclass(frozen=True)
class Write:
    """Makes model files of one source in one format.

    Attributes:
        make: `make(precision, path)` makes the model file (or folder) at `path`, which is not there yet; it returns the
            rewrites applied.
        find_place: The user's line that an op of the float32 file came from, by the op's name; None where that is not
            known, or the name says it already.
        list_kept: The ops that were kept in float32 while all others compute in float16, of a precision that was made.
    """

    make: Callable[[str, Path], tuple[str, ...]]
    find_place: Callable[[str], str | None] = _know_nothing
    list_kept: Callable[[str], tuple[str, ...]] = _keep_nothing

    def __call__(self, precision: str, path: Path) -> tuple[str, ...]:
        """As `make`."""
        return self.make(precision, path)


class StateKeeping(Protocol):
    """How a format keeps a model's states inside the model, where a recipe asks for that."""

    def wanted(self, spec: ModelSpec) -> Mapping[str, str]:
        """State input → output of those that the model is to keep; none where the recipe does not ask."""

    @property
    def deployment_target(self) -> str:
        """The first system that can."""

    def keep(self, path: Path, state: Mapping[str, str]) -> None:
        """Make the model file at `path` keep states, named as in the file."""


def _same(name: str) -> str:
    return name


def _nothing(*_: Any) -> dict[str, Any]:
    return {}


def _own_version(runtime: Runtime) -> str:
    return runtime.version.value


def _know_no_call(_: Path) -> CallContract | None:
    return None


def _go_on(_: str) -> None:
    return None


@dataclass(frozen=True)
class Format:
    """A format of model files.

    Attributes:
        name: In recipes, variants' names and manifests: small letters and digits.
        title: As its maker writes it.
        suffixes: Of its files and folders, the one of bundles first.
        model_file: The name of a bundle's model file or folder.
        runtimes: What plays it in an app: the runtime's name → the platforms whose apps can carry it.
        precisions: What it can be packaged in, and what each promises.
        converters: Framework of the source → the module whose `prepare(source, context)` returns a `Write`.
        packages: Packages that have a hand in every bundle of the format; their versions are in its key.
        converter_packages: Framework → further ones for sources of that framework.
        read_floor: The oldest runtime or system that runs a model file.
        to_native: What a file calls an input or output of the source.
        minimum_targets: Precision → the deployment target's number that brought what it needs; for platforms whose
            system is the runtime.
        key_facts: What else decides a bundle's bytes, of the recipe's [model] and the deployment target.
        fixed_lengths: Why a model file has one length; empty where it may have several.
        state_keeping: How it keeps states inside; None where it cannot.
        get_ready: Called with the source's framework before the converter is imported.
        explain_refusal: What the runtime's refusal of a fresh model means, of the fault and the loaded source.
        on_floor_scale: A runtime's version on the scale of floors.
        read_call: How a model file is called by those who do not go by names.
        runtime_packages: Where apps get what plays it.
        code: Modules, beside the converter's, that are loaded by name; see `packager.jobs.code`.
    """

    name: str
    title: str
    suffixes: tuple[str, ...]
    model_file: str
    runtimes: Mapping[str, tuple[str, ...]]
    precisions: Mapping[str, Precision]
    converters: Mapping[str, str]
    read_floor: Callable[[Path], Floor]
    packages: tuple[str, ...] = ()
    converter_packages: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    to_native: Callable[[str], str] = _same
    minimum_targets: Mapping[str, int] = field(default_factory=dict)
    key_facts: Callable[[ModelSpec, str], dict[str, Any]] = _nothing
    fixed_lengths: str = ""
    state_keeping: StateKeeping | None = None
    get_ready: Callable[[str], None] = _go_on
    explain_refusal: Callable[[Exception, Any], str] | None = None
    on_floor_scale: Callable[[Runtime], str] = _own_version
    read_call: Callable[[Path], CallContract | None] = _know_no_call
    runtime_packages: tuple[RuntimePackage, ...] = ()
    code: tuple[str, ...] = ()

    def arithmetic_of(self, precision: str) -> Arithmetic:
        """What a precision computes in; one of which nothing is known is like no other."""
        known = self.precisions.get(precision)
        return (known and known.arithmetic) or Arithmetic(precision, 32)

    def caveat_of(self, precision: str) -> str:
        """See `Precision.caveat`; empty of one of which nothing is known."""
        known = self.precisions.get(precision)
        return "" if known is None else known.caveat
