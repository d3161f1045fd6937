"""Device profiles: what a phone is, as one TOML file a phone holds it, with a source beside every number.

A built-in profile lives in `catalog/<id>.toml`; a user's own file of the same form is read by its path. What is not
known of a phone is left out of its file: an absent number is absent here too, never guessed.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal

import pydantic

from device_profiles.errors import ProfileError
from device_profiles.record import Record, read_toml, suggest

CATALOG = Path(__file__).parent / "catalog"

Basis = Literal["specified", "derived", "recalled"]
"""specified: read in the named source · derived: computed from sourced values as the source says · recalled: from
general knowledge, no document at hand"""

Platform = Literal["android", "ios"]
ComputeUnitKind = Literal["cpu", "gpu", "npu"]
Number = Literal["float32", "float16", "bfloat16", "int16", "int8", "int4"]
CoreMLComputeUnits = Literal["CPU_ONLY", "CPU_AND_GPU", "CPU_AND_NE", "ALL"]
IsaFeature = Literal["fp16", "dotprod", "i8mm", "bf16", "sve2", "sme", "sme2", "amx", "avx2", "avx512f"]
"""sme, sme2 and Apple's amx: a unit for products of whole matrices, which the cores of a cluster share and whose rate
is not part of macs_per_cycle. sme2 adds to sme, among others, instructions that work on several vectors at once. avx2
and avx512f are of x86 cores, as emulators run on: vectors two and four times as wide as Arm's."""

ANDROID_API_LEVELS: dict[int, int] = {8: 26, 9: 28, 10: 29, 11: 30, 12: 31, 13: 33, 14: 34, 15: 35, 16: 36}
"""Android release → API level at that release. Source: Android's "SDK platform release notes"."""

Text = Annotated[str, pydantic.Field(min_length=1, max_length=4000, pattern=r"\S")]
"""a name or a source: some sentences at most"""


class Fact(Record):
    """One number and where it was read."""

    value: float
    source: Text
    """where the number was read, or from what it was computed"""
    basis: Basis
    """specified, derived or recalled"""


class VersionFact(Record):
    """One version number and where it was read."""

    value: Annotated[str, pydantic.Field(pattern=r"^[0-9]{1,9}(\.[0-9]{1,9}){0,3}$")]
    """numbers and dots, for example 17.0"""
    source: Text
    """where the version was read, or why it was chosen"""
    basis: Basis
    """specified, derived or recalled"""


def _between(low: float, high: float, unit: str) -> pydantic.AfterValidator:
    def check(fact: Fact) -> Fact:
        if not low <= fact.value <= high:
            raise ValueError(f"value {fact.value:g} is out of range; right is {low:g} to {high:g} {unit}")
        return fact

    return pydantic.AfterValidator(check)


class InstructionSet(Record):
    """What a core's instruction set holds beyond plain 64-bit Arm or x86, as far as it changes the speed of models."""

    features: tuple[IsaFeature, ...]
    """fp16, dotprod, i8mm, bf16, sve2, sme, sme2, amx, avx2, avx512f; empty where the core has none"""
    source: Text
    basis: Basis


class CpuCluster(Record):
    """Cores of one kind."""

    name: Text
    """for example Cortex-A76"""
    role: Literal["big", "middle", "little"]
    """big: the fastest cores · middle: slower ones a runtime still gives work · little: for saving power"""
    cores: Annotated[Fact, _between(1, 16, "cores")]
    clock_ghz: Annotated[Fact, _between(0.3, 6.0, "GHz")] | None = None
    macs_per_cycle: Annotated[Fact, _between(1, 512, "multiply-adds")] | None = None
    """float32 multiply-adds one core can finish in one clock cycle, in its own vector pipes"""
    isa: InstructionSet

    @property
    def core_float32_gmac_s(self) -> float | None:
        """Peak of one core: clock_ghz · macs_per_cycle, in 10⁹ multiply-adds a second; none where either is unknown."""
        if self.clock_ghz is None or self.macs_per_cycle is None:
            return None
        return self.clock_ghz.value * self.macs_per_cycle.value

    @property
    def peak_float32_gmac_s(self) -> float | None:
        """Peak of all its cores together, in 10⁹ multiply-adds a second; none where a factor is unknown."""
        one = self.core_float32_gmac_s
        return None if one is None else one * self.cores.value


MAX_CLUSTERS = 8
"""twice as many kinds of core as any phone's chip has had"""


class Cpu(Record):
    """All cores of the phone."""

    clusters: Annotated[tuple[CpuCluster, ...], pydantic.Field(max_length=MAX_CLUSTERS)]
    """fastest first"""
    shared_cache_bytes: Annotated[Fact, _between(5e4, 5e8, "bytes")] | None = None
    """the last cache level the big cores share"""

    @property
    def big_cores(self) -> int:
        """How many cores of all clusters have the role big."""
        return sum(int(cluster.cores.value) for cluster in self.clusters if cluster.role == "big")

    @pydantic.model_validator(mode="after")
    def _has_big_cores(self) -> Cpu:
        if not any(cluster.role == "big" for cluster in self.clusters):
            raise ValueError("no cluster has the role big; right is one at least")
        return self


class ComputeUnit(Record):
    """A part of the chip a model can run on."""

    kind: ComputeUnitKind
    name: Text
    """for example Adreno 740"""
    peak_gmac_s: Annotated[Fact, _between(1, 200_000, "10⁹ multiply-adds a second")] | None = None
    """peak: half of a maker's TOPS, which count two operations a multiply-add; the CPU's follows from its clusters"""
    peak_precision: Number | None = None
    """in what numbers the peak is reached; left out where the source does not say"""
    precisions: tuple[Number, ...]
    """what the unit computes in"""
    requests: tuple[CoreMLComputeUnits, ...] = ()
    """Core ML only: the MLComputeUnits settings of an app under which the unit may be used"""

    @pydantic.model_validator(mode="after")
    def _complete(self) -> ComputeUnit:
        if not self.precisions:
            raise ValueError("precisions is empty; right is one at least, for example float32")
        if self.peak_precision is not None and self.peak_gmac_s is None:
            raise ValueError("peak_precision is given without peak_gmac_s")
        return self


class Runtime(Record):
    """What an app on the phone can carry, or the system has, to execute model files."""

    name: Annotated[str, pydantic.Field(pattern=r"^[A-Za-z][A-Za-z0-9 ._-]{0,49}$")]
    """as its maker writes it, for example LiteRT; an app ships LiteRT and TFLite, Core ML is part of iOS"""
    version: VersionFact
    """of the runtime; Core ML's is iOS's"""
    units: tuple[ComputeUnitKind, ...]
    """which of the phone's compute units it can use"""
    precisions: tuple[str, ...]
    """what to package for this phone and runtime, preferred first"""

    @pydantic.model_validator(mode="after")
    def _complete(self) -> Runtime:
        for what, words in (("precisions", self.precisions), ("units", self.units)):
            if not words:
                raise ValueError(f"{what} is empty; right is one at least, for example {_EXAMPLES[what]}")
            if len(set(words)) != len(words):
                raise ValueError(f"{what} names one twice")
        return self


_EXAMPLES = {"precisions": "float16", "units": "cpu"}


class DeviceProfile(Record):
    """One phone, as a packaged app meets it."""

    id: Annotated[str, pydantic.Field(max_length=100, pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
    """the file's name without .toml: small letters, digits and hyphens"""
    name: Text
    """as the maker writes it"""
    year: Annotated[int, pydantic.Field(ge=2015, le=2035)]
    """of first sale"""
    platform: Platform
    chip: Text
    os: VersionFact
    """the release of Android or iOS the profile stands for"""
    newest_os: VersionFact | None = None
    """the newest release the phone can be updated to, where that is known"""
    minimum_deployment_target: Annotated[str, pydantic.Field(pattern=r"^(iOS|API)[1-9][0-9]$")]
    """the oldest system the packaged app is to run on: "iOS15" and later for Core ML, "API21" and later for Android"""
    cpu: Cpu
    memory_bytes: Annotated[Fact, _between(2.5e8, 7e10, "bytes")]
    """main memory, as a table of value, source and basis"""
    bandwidth_gb_s: Annotated[Fact, _between(1, 1000, "GB/s (10⁹ bytes a second)")] | None = None
    """main memory's peak, all channels"""
    compute_units: tuple[ComputeUnit, ...]
    runtimes: tuple[Runtime, ...]
    """what its apps can carry, the one they are packaged for by default first"""

    @pydantic.model_validator(mode="after")
    def _coherent(self) -> DeviceProfile:
        faults = [*_runtime_faults(self), *_target_faults(self), *_unit_faults(self)]
        if faults:
            raise ValueError("; ".join(faults))
        return self

    @property
    def peak_float32_gmac_s(self) -> float | None:
        """Peak of big and middle CPU cores together, 10⁹ float32 multiply-adds a second; none where one is unknown."""
        peaks = [cluster.peak_float32_gmac_s for cluster in self.cpu.clusters if cluster.role != "little"]
        known = [peak for peak in peaks if peak is not None]
        return sum(known) if len(known) == len(peaks) else None

    @property
    def cores(self) -> int:
        """How many cores the CPU has."""
        return int(sum(cluster.cores.value for cluster in self.cpu.clusters))

    @property
    def big_cores(self) -> int:
        """How many cores are big or middle: those a runtime gives work to."""
        return int(sum(cluster.cores.value for cluster in self.cpu.clusters if cluster.role != "little"))

    @property
    def target_number(self) -> int:
        """The number in minimum_deployment_target: an iOS release or an Android API level."""
        return int(self.minimum_deployment_target[3:])

    @property
    def os_number(self) -> int:
        """The system the profile stands for, on the scale of `target_number`: iOS release or Android API level."""
        major = int(self.os.value.split(".")[0])
        return major if self.platform == "ios" else ANDROID_API_LEVELS[major]

    def unit(self, kind: ComputeUnitKind) -> ComputeUnit | None:
        """The compute unit of that kind, or none where the phone has none a model can use."""
        return next((unit for unit in self.compute_units if unit.kind == kind), None)


def profile_ids() -> tuple[str, ...]:
    """The built-in profiles' identifiers, sorted; from file names, nothing is parsed."""
    return tuple(sorted(path.stem for path in CATALOG.glob("*.toml")))


def _migrate(written: Any) -> Any:
    """Profiles written before there were several runtimes name a format, a runtime and its precisions."""
    if not isinstance(written, dict) or "runtimes" in written or not isinstance(written.get("runtime"), dict):
        return written
    kept = {key: value for key, value in written.items() if key not in ("format", "runtime", "precisions")}
    units = written.get("compute_units", ())
    kinds = [unit.get("kind") for unit in units if isinstance(unit, dict)] if isinstance(units, list) else []
    one = {**written["runtime"], "units": [kind for index, kind in enumerate(kinds) if kind not in kinds[:index]]}
    if "precisions" in written:
        one["precisions"] = written["precisions"]
    return {**kept, "runtimes": [one]}


def read_profile(id_or_path: str) -> DeviceProfile:
    """Read a profile, as far as it can be checked without knowing formats: `packager.formats.phones` does the rest.

    Args:
        id_or_path: A built-in identifier such as `pixel-8`, or the path of a `.toml` file.

    Raises:
        ProfileError: The device is unknown, or the file is missing or faulty; one line a fault, with file and field.
    """
    if id_or_path.endswith(".toml") or re.search(r"[/\\]", id_or_path):
        path = Path(id_or_path)
    else:
        known = profile_ids()
        if id_or_path not in known:
            hint = suggest(id_or_path, known)
            raise ProfileError(
                f"unknown device '{id_or_path}'{hint}; known devices: {', '.join(known)}; "
                "or give the path of a .toml file"
            )
        path = CATALOG / f"{id_or_path}.toml"
    profile = read_toml(path, DeviceProfile, error=ProfileError, migrate=_migrate)
    if profile.id != path.stem:
        raise ProfileError(f"{path}: id: '{profile.id}' does not match the file's name; right is '{path.stem}'")
    return profile


def _runtime_faults(profile: DeviceProfile) -> list[str]:
    names = [runtime.name for runtime in profile.runtimes]
    faults = [] if names else ["runtimes is empty; right is one at least"]
    if len(set(names)) != len(names):
        faults.append("runtimes has two of one name")
    kinds = [unit.kind for unit in profile.compute_units]
    return faults + [
        f"runtime {runtime.name} uses a {unit}, which compute_units has not"
        for runtime in profile.runtimes
        for unit in runtime.units
        if unit not in kinds
    ]


def _target_faults(profile: DeviceProfile) -> list[str]:
    ios = profile.platform == "ios"
    target = profile.minimum_deployment_target
    right = "iOS15 or later" if ios else "API21 or later"
    if target.startswith("iOS") != ios or profile.target_number < (15 if ios else 21):
        return [f"minimum_deployment_target is {target}; right on {profile.platform} is {right}"]
    major = int(profile.os.value.split(".")[0])
    if not ios and major not in ANDROID_API_LEVELS:
        return [
            f"os.value is {profile.os.value}; known releases of Android are {', '.join(map(str, ANDROID_API_LEVELS))}"
        ]
    if profile.os_number < profile.target_number:
        return [f"minimum_deployment_target {target} is later than os {profile.os.value}: the app would not start"]
    return []


def _unit_faults(profile: DeviceProfile) -> list[str]:
    kinds = [unit.kind for unit in profile.compute_units]
    faults = []
    if "cpu" not in kinds:
        faults.append("compute_units has no unit of kind cpu")
    if len(set(kinds)) != len(kinds):
        faults.append("compute_units has two units of one kind")
    for unit in profile.compute_units:
        if bool(unit.requests) != (profile.platform == "ios"):
            right = "CPU_ONLY, CPU_AND_GPU, CPU_AND_NE or ALL" if profile.platform == "ios" else "none"
            faults.append(f"requests of compute unit {unit.name} is [{', '.join(unit.requests)}]; right is {right}")
    return faults
