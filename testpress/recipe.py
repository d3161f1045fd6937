"""The recipe (`testpress.toml`): what to package, for whom, and how good it must be."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import pydantic

from device_profiles.errors import TestpressError
from device_profiles.profile import DeviceProfile, read_profile
from device_profiles.record import Record, read_toml, suggest
from evaluators.task import Task, load_task
from packager.bundle import AudioContract, Format
from packager.compression import check_precision, precisions
from packager.model import ModelSpec
from packager.package import Variant
from reports.budgets import Budget
from reports.metrics import HOST_METRICS, PARITY_METRICS, PHONE_METRICS, SIZE_METRICS
from testpress.errors import RecipeError
from testpress.limits import LimitsSpec

DEFAULT_PRECISIONS = ("float32", "float16")
"""of every format, where a recipe names neither variants nor phones: what needs no calibration and no late system"""


class DevicesSpec(Record):
    """The recipe's [devices] section."""

    ids: tuple[str, ...]
    """identifiers of phones (see `testpress devices`) or paths of profiles, at least one"""

    @pydantic.field_validator("ids")
    @classmethod
    def _some(cls, ids: tuple[str, ...]) -> tuple[str, ...]:
        if not ids:
            raise ValueError("no phone is named; name at least one")
        if len(set(ids)) != len(ids):
            raise ValueError("a phone is named twice")
        return ids


class VariantsSpec(Record):
    """The recipe's [variants] section: precisions by format."""

    tflite: tuple[str, ...] = ()
    """for example ["float32", "float16", "dynamic_wi8_afp32"]"""
    coreml: tuple[str, ...] = ()
    """for example ["float32", "float16"]"""


class TaskSpec(Record):
    """The recipe's [task] section."""

    kind: str
    """what the model is for, for example "note_transcription\""""
    dataset: str
    """a JSONL manifest, or "python:module:function" that makes one on first use"""


class RecipeFile(Record):
    """`testpress.toml` as written."""

    model: ModelSpec
    """the [model] section"""
    audio: AudioContract | None = None
    """the [audio] section: the contract between app and model; left out where the model takes no samples"""
    devices: DevicesSpec | None = None
    """the [devices] section; packaging alone can do without, for the formats in [variants]"""
    variants: VariantsSpec | None = None
    """the [variants] section; default: what each device profile prefers, and without phones `DEFAULT_PRECISIONS`"""
    task: TaskSpec | None = None
    """the [task] section; packaging alone can do without"""
    budgets: tuple[Budget, ...] = ()
    """one [[budgets]] table a budget"""
    limits: LimitsSpec | None = None
    """the [limits] section: what one worker may use"""


@dataclass(frozen=True)
class Recipe:
    """A recipe, read and checked against what there is.

    Attributes:
        path: The file.
        written: Its contents.
        profiles: The phones it names.
        variants: Formats and precisions to package, in the recipe's order.
        limits: What one worker may use: as the command line says, else as the recipe does.
    """

    path: Path
    written: RecipeFile
    profiles: tuple[DeviceProfile, ...]
    variants: tuple[Variant, ...]
    limits: LimitsSpec = dataclasses.field(default_factory=LimitsSpec)

    @property
    def folder(self) -> Path:
        """What relative paths in the recipe start from."""
        return self.path.parent

    @property
    def minimum_deployment_target(self) -> str:
        """The oldest iOS that any of its iPhones asks for."""
        targets = [p.minimum_deployment_target for p in self.profiles if p.platform == "ios"]
        return min(targets, key=lambda target: int(target.removeprefix("iOS")), default="iOS15")

    def as_data(self) -> dict[str, Any]:
        """The recipe as JSON can hold it: what an evaluation embeds."""
        data: dict[str, Any] = self.written.model_dump(mode="json", exclude_none=True)
        return data


def need_audio(recipe: Recipe) -> AudioContract:
    """The recipe's audio contract, for a stage that cannot do without.

    Raises:
        RecipeError: It has none.
    """
    if recipe.written.audio is None:
        raise RecipeError(
            f"{recipe.path}: has no [audio] section; playing the model on audio needs sample_rate_hz, window_samples "
            "and hop_samples (testpress package does without)"
        )
    return recipe.written.audio


def need_task(recipe: Recipe) -> TaskSpec:
    """The recipe's task, for a stage that cannot do without.

    Raises:
        RecipeError: It has none.
    """
    if recipe.written.task is None:
        raise RecipeError(
            f"{recipe.path}: has no [task] section; an evaluation needs kind and dataset "
            "(testpress package does without)"
        )
    return recipe.written.task


def read_recipe(path: Path, *, devices: tuple[str, ...] = (), limits: LimitsSpec | None = None) -> Recipe:
    """Read a recipe and check every name in it.

    Args:
        path: The TOML file.
        devices: Phones to use instead of the recipe's.
        limits: What the command line says of workers' limits.

    Raises:
        RecipeError: The file is missing or faulty, or names an unknown phone, precision or task; one line a fault.
    """
    written, said = read_toml(path, RecipeFile, error=RecipeError), limits or LimitsSpec()
    faults: list[str] = []
    profiles = []
    base = Path() if devices else path.parent  # a shell's paths start where the shell stands
    for identifier in devices or (written.devices.ids if written.devices else ()):
        profile = _collect(faults, f"{path}: devices.ids", lambda i=identifier: read_profile(_profile_path(i, base)))
        if profile is not None:
            profiles.append(profile)
    variants = _variants(written, profiles)
    for variant in variants:
        where = f"variants.{variant.format}"
        _collect(faults, str(path), lambda v=variant, w=where: check_precision(v.format, v.precision, where=w))
    kind = written.task.kind if written.task else None
    task = None if kind is None else _collect(faults, f"{path}: task.kind", lambda: load_task(kind))
    faults += [f"{path}: {fault}" for fault in ([] if task is None else _budget_faults(written.budgets, task))]
    if not variants and not faults:
        formats = " or ".join(sorted({profile.format for profile in profiles}) or ("tflite", "coreml"))
        faults.append(f"{path}: variants: nothing is to be packaged; name at least one precision of {formats}")
    if faults:
        raise RecipeError("\n".join(faults))
    return Recipe(path, written, tuple(profiles), variants, said.or_else(written.limits or LimitsSpec()))


def _collect(faults: list[str], where: str, check: Any) -> Any:
    try:
        return check()
    except TestpressError as fault:
        faults.append(f"{where}: {fault}")
        return None


def _profile_path(identifier: str, base: Path) -> str:
    return str(base / identifier) if identifier.endswith(".toml") else identifier


def _budget_faults(budgets: tuple[Budget, ...], task: Task) -> list[str]:
    """Metrics that no evaluation will hold: told before minutes of work, not after."""
    known = (*task.metrics, *PHONE_METRICS, *PARITY_METRICS, *HOST_METRICS, *SIZE_METRICS)
    return [
        f"budgets[{index}].metric: unknown metric {budget.metric!r}"
        f"{suggest(budget.metric, known) or '; known: ' + ', '.join(known)}"
        for index, budget in enumerate(budgets)
        if budget.metric not in known
    ]


def _variants(written: RecipeFile, profiles: list[DeviceProfile]) -> tuple[Variant, ...]:
    wanted: dict[Format, tuple[str, ...]]
    if written.variants is not None:
        wanted = {"tflite": written.variants.tflite, "coreml": written.variants.coreml}
        formats: set[Format] = {profile.format for profile in profiles} or set(wanted)
        return tuple(Variant(f, p) for f, ps in wanted.items() if f in formats for p in dict.fromkeys(ps))
    preferred = [Variant(profile.format, p) for profile in profiles for p in profile.precisions]
    if not profiles:
        preferred = [Variant(format_, p) for format_ in get_args(Format) for p in DEFAULT_PRECISIONS]
    return tuple(dict.fromkeys(v for v in preferred if v.precision in precisions(v.format)))
