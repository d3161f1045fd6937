"""The recipe (`testpress.toml`): what to package, for whom, and how good it must be."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import pydantic

from device_profiles.errors import TestpressError
from device_profiles.profile import DeviceProfile
from device_profiles.record import Record, read_toml, suggest
from evaluators.condition_records import ConditionInfo
from evaluators.condition_sets import find_conditions, list_recordings
from evaluators.core_records import TargetsSpec
from evaluators.costs.own_measurements import PhoneCalibration, read_calibrations
from evaluators.costs.placement import (
    NOTHING_ASKED,
    PlacementRequest,
    UnitWord,
    check_requests,
)
from evaluators.datasets.builtin.making import PREFIX, find_dataset
from evaluators.datasets.recordings import check_recordings
from evaluators.long_run_records import LongRunSpec
from evaluators.metrics import CORES, LONG_RUN
from evaluators.task_asking import Asked, ask_task
from evaluators.task_loading import TaskInfo, TaskReference, find_task
from packager.bundle import AudioContract, Format
from packager.formats import format_names, searched_precisions
from packager.formats.phones import carry, plays, read_phone
from packager.frontend_spec import FrontendSpec
from packager.frontends.opening import check_frontend
from packager.model import ModelSpec
from packager.package import Variant
from reports.judging.budgets import Budget, find_condition_fault, find_limit_fault
from reports.judging.shipping import find_objective_fault
from testpress.errors import RecipeError
from testpress.limits import LimitsSpec
from testpress.searching.spec import SEARCH, SearchSpec, split_searched
from testpress.variant_choice import Words, choose_variants, join_variants, list_meant_elsewhere

PARITY = "parity"
"""the task of a recipe that names none"""


class DevicesSpec(Record):
    """The recipe's [devices] section."""

    ids: tuple[str, ...]
    """identifiers of phones (see `testpress devices`) or paths of profiles, at least one"""
    runtimes: tuple[str, ...] = ()
    """what the apps carry, of all that the phones can, for example ["LiteRT", "Core ML", "TFLite"]; default: of each
    phone the first"""
    unit: UnitWord | None = None
    """the compute unit that the apps ask every phone's runtimes for: "cpu", "gpu", "npu", or "ane" for an iPhone's NPU;
    default: each runtime's own choice"""
    threads: Annotated[int, pydantic.Field(ge=1)] | None = None
    """of the CPU, that predictions are made for; default: as many as apps of the runtime take"""
    calibration: str | tuple[str, ...] = ()
    """what `testpress calibrate` made of measured times: a file, or one for each of several phones"""

    @property
    def calibration_files(self) -> tuple[str, ...]:
        return (self.calibration,) if isinstance(self.calibration, str) else self.calibration

    @pydantic.field_validator("ids")
    @classmethod
    def _some(cls, ids: tuple[str, ...]) -> tuple[str, ...]:
        if not ids:
            raise ValueError("no phone is named; name at least one")
        if len(set(ids)) != len(ids):
            raise ValueError("a phone is named twice")
        return ids


class TaskSpec(Record):
    """The recipe's [task] section."""

    kind: str = PARITY
    """what the model is for, for example "note_transcription", or "python:module:Class" for a task of your own; by
    default bundles are held against the source model, which needs no labels"""
    dataset: str | None = None
    """a JSONL manifest, a CSV or TSV table, a folder of audio, "python:module:function" that makes one on first use, or
    "builtin:NAME", see testpress datasets; default: test signals, which will do for parity alone"""
    audio_root: str | None = None
    """the folder that the dataset's files lie in and its paths start from, for example "/srv/recordings"; default: that
    of the manifest or table itself"""
    dataset_options: dict[str, Any] = {}
    """what a "builtin:NAME" dataset can be set to, for example codec = "gsm"; default: as testpress datasets show NAME
    says"""
    labels: bool = True
    """false where the clips have none: bundles are then held against the source model alone"""
    options: dict[str, Any] = {}
    """what the task can be set to, each by its name; default: as the task says"""


class ConditionsSpec(Record):
    """The recipe's [conditions] section."""

    set: Annotated[tuple[Any, ...], pydantic.Field(min_length=1)]
    """what the clips are played under beside as they are: presets ("phone-call"), kinds ("g711"), tables of a kind with
    its parameters ({ kind = "noise", snr_db = 10 }), and named tables of several steps"""


class RecipeFile(Record):
    """`testpress.toml` as written."""

    model: ModelSpec
    """the [model] section"""
    audio: AudioContract | None = None
    """the [audio] section: the contract between app and model; left out where the model takes no samples"""
    frontend: FrontendSpec | None = None
    """the [frontend] section: what the app computes of a window before it calls a model that takes features"""
    devices: DevicesSpec | None = None
    """the [devices] section; packaging alone can do without, for the formats in [variants]"""
    variants: dict[Format, Literal["search"] | tuple[str, ...]] | None = None
    """the [variants] section, precisions by format, for example tflite = ["float32", "dynamic_wi8_afp32"], or "search"
    for the best of each phone, see [search]; default: for each phone what it prefers of its first runtime, and without
    phones float32 and float16 of each format"""
    variants_for: dict[str, tuple[str, ...]] | None = None
    """the [variants_for] section: by phone, what is made for it in place of [variants], for example
    iphone-16 = ["w8a8"], or whole bundles ("tflite-float32"); on other phones those are not applicable"""
    task: TaskSpec | None = None
    """the [task] section; default: parity on test signals"""
    conditions: ConditionsSpec | None = None
    """the [conditions] section: noise, rooms and codecs that every metric is also measured under"""
    long_run: LongRunSpec | None = None
    """the [long_run] section: minutes of audio through every bundle, states carried, with silence in the middle"""
    targets: TargetsSpec = TargetsSpec()
    """the [targets] section: where bundles are played beside this machine"""
    budgets: tuple[Budget, ...] = ()
    """one [[budgets]] table a budget"""
    search: SearchSpec | None = None
    """the [search] section: what the bundle to ship has least of, and how long it is searched for"""
    limits: LimitsSpec | None = None
    """the [limits] section: what one worker may use"""

    @pydantic.model_validator(mode="after")
    def _heard(self) -> RecipeFile:
        if self.frontend is not None and self.audio is None:
            raise ValueError("[frontend] computes features of audio; say the audio's contract in [audio]")
        if self.conditions is not None and self.audio is None:
            raise ValueError("[conditions] are of audio; say the audio's contract in [audio]")
        if self.long_run is not None and self.audio is None:
            raise ValueError("[long_run] is of audio; say the audio's contract in [audio]")
        return self


@dataclass(frozen=True)
class Recipe:
    """A recipe, read and checked against what there is.

    Attributes:
        path: The file.
        written: Its contents.
        profiles: The phones it names.
        variants: Formats and precisions to package, in the recipe's order.
        task: Its task, found.
        limits: What one worker may use: as the command line says, else as the recipe does.
        calibrations: Measured rows of its phones.
        conditions: What its clips are played under, beside as they are.
        meant_elsewhere: Of each phone, the names of the variants that are made for other phones alone.
        notices: What was taken for what, in words.
        searched: Formats whose precisions are to be searched for before anything is packaged.
    """

    path: Path
    written: RecipeFile
    profiles: tuple[DeviceProfile, ...]
    variants: tuple[Variant, ...]
    task: TaskReference
    limits: LimitsSpec = dataclasses.field(default_factory=LimitsSpec)
    calibrations: tuple[PhoneCalibration, ...] = ()
    conditions: tuple[ConditionInfo, ...] = ()
    meant_elsewhere: Mapping[str, frozenset[str]] = dataclasses.field(default_factory=dict)
    notices: tuple[str, ...] = ()
    searched: tuple[Format, ...] = ()

    @property
    def folder(self) -> Path:
        """What relative paths in the recipe start from."""
        return self.path.parent

    @property
    def task_spec(self) -> TaskSpec:
        """Its [task] section, or what holds where it has none."""
        return self.written.task or TaskSpec()

    @property
    def long_run(self) -> LongRunSpec | None:
        """What its bundles are played on beside the clips."""
        return self.written.long_run

    @property
    def asked(self) -> PlacementRequest:
        """What its apps ask of the phones' runtimes."""
        return _asked(self.written)

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


def ask_own_task(recipe: Recipe, asked: Asked) -> TaskInfo:
    """What the recipe's task declares; where it is the recipe's own, its options and the budgets are held against that.

    Args:
        recipe: Whose.
        asked: Who imports a task of the recipe's own.

    Raises:
        RecipeError: The task cannot be used, or an option or a budget's metric is unknown.
    """
    try:
        info = ask_task(recipe.task, asked)
    except TestpressError as fault:
        raise RecipeError("\n".join(f"{recipe.path}: {line}" for line in str(fault).split("\n"))) from None
    faults = _budget_faults(recipe.written, info, recipe.conditions)
    if faults:
        raise RecipeError("\n".join(f"{recipe.path}: {fault}" for fault in faults))
    return info


def read_recipe(
    path: Path, *, devices: tuple[str, ...] = (), only: tuple[str, ...] = (), limits: LimitsSpec | None = None
) -> Recipe:
    """Read a recipe and check every name in it.

    Args:
        path: The TOML file.
        devices: Phones to use instead of the recipe's.
        only: Names of bundles to make instead of all of the recipe's, and of a search.
        limits: What the command line says of workers' limits.

    Raises:
        RecipeError: The file is missing or faulty, or names an unknown phone, precision or task; one line a fault.
    """
    written, said = read_toml(path, RecipeFile, error=RecipeError), limits or LimitsSpec()
    faults: list[str] = []
    profiles = []
    asked = written.devices.runtimes if written.devices else ()
    base = Path() if devices else path.parent  # a shell's paths start where the shell stands
    for identifier in devices or (written.devices.ids if written.devices else ()):
        profile = _collect(faults, f"{path}: devices.ids", lambda i=identifier: read_phone(_profile_path(i, base)))
        if profile is not None:
            profile = _collect(faults, f"{path}: devices.runtimes", lambda p=profile: carry(p, asked))
        if profile is not None:
            _collect(faults, f"{path}: devices", lambda p=profile: check_requests(_asked(written), p))
            profiles.append(profile)
    calibrations = () if devices else _read_calibrations(path, written.devices, profiles, faults)
    words = Words()
    listed, searched = split_searched(written.variants)
    wanted = words.resolve(listed)
    own = words.resolve_for(written.variants_for, profiles, strict=not devices)
    budgets = words.resolve_budgets(written.budgets)
    if wanted is not None:
        written = written.model_copy(update={"variants": {**wanted, **dict.fromkeys(searched, SEARCH)}})
    written = written.model_copy(update={"budgets": budgets})
    meant = choose_variants(wanted, own, profiles)
    variants = join_variants(wanted, meant)
    words.tell_without(meant, profiles)
    named = (*variants, *(Variant(name, one) for name in searched for one in searched_precisions(name)))
    chosen = words.pick(named, only) if only and not words.faults else variants
    faults += [f"{path}: {fault}" for fault in words.faults]
    conditions = _collect(faults, f"{path}: conditions", lambda: _find_conditions(written, path.parent))
    task = _collect(faults, str(path), lambda: _find_task(written, path.parent))
    if task is not None and task.path is None:  # one of the recipe's own is asked by a worker, when it is needed
        info = _collect(faults, str(path), lambda: ask_task(task))
        known = None if info is None or conditions is None else info
        faults += [f"{path}: {each}" for each in (_budget_faults(written, known, conditions) if known else [])]
    _collect(faults, f"{path}: task.dataset", partial(_check_dataset, written.task or TaskSpec()))
    if written.frontend is not None and written.audio is not None:
        _collect(faults, str(path), partial(check_frontend, written.frontend, written.audio))
    searched = () if only else tuple(name for name in searched if _is_wanted(name, profiles))
    if not variants and not searched and not faults:
        formats = " or ".join(name for name in format_names() if _is_wanted(name, profiles))
        faults.append(f"{path}: variants: nothing is to be packaged; name at least one precision of {formats}")
    if faults:
        raise RecipeError("\n".join(faults))
    return Recipe(
        path,
        written,
        tuple(profiles),
        chosen,
        task,
        said.or_else(written.limits or LimitsSpec()),
        calibrations,
        conditions,
        list_meant_elsewhere(variants, meant),
        tuple(f"{path}: {notice}" for notice in words.notices),
        searched,
    )


def _asked(written: RecipeFile) -> PlacementRequest:
    devices = written.devices
    return NOTHING_ASKED if devices is None else PlacementRequest(unit=devices.unit, threads=devices.threads)


def _collect(faults: list[str], where: str, check: Any) -> Any:
    try:
        return check()
    except TestpressError as fault:
        faults += [f"{where}: {line}" for line in str(fault).split("\n")]
        return None


def _read_calibrations(
    path: Path, spec: DevicesSpec | None, profiles: list[DeviceProfile], faults: list[str]
) -> tuple[PhoneCalibration, ...]:
    if spec is None or len(profiles) < len(spec.ids):  # a phone that cannot be read is told of already
        return ()
    files = [path.parent / file for file in spec.calibration_files]
    found = _collect(faults, f"{path}: devices.calibration", lambda: read_calibrations(files, profiles))
    return () if found is None else tuple(found.values())


def _find_task(written: RecipeFile, base: Path) -> TaskReference:
    spec = written.task or TaskSpec()
    return find_task(spec.kind, spec.options, base=base, labels=spec.labels)


def _check_dataset(task: TaskSpec) -> None:
    if task.dataset is None and task.kind != PARITY:
        raise RecipeError(f"missing; {task.kind} is judged on clips, and parity alone on test signals")
    if task.dataset is not None and task.dataset.startswith(PREFIX):
        find_dataset(task.dataset, task.dataset_options)
    elif task.dataset_options:
        raise RecipeError('only a dataset "builtin:NAME" has dataset_options; take them out')


def _find_conditions(written: RecipeFile, base: Path) -> tuple[ConditionInfo, ...]:
    if written.conditions is None or written.audio is None:
        return ()
    found = find_conditions(written.conditions.set, written.audio.sample_rate_hz)
    check_recordings(list_recordings(found), base)
    return found


def _profile_path(identifier: str, base: Path) -> str:
    return str(base / identifier) if identifier.endswith(".toml") else identifier


def _budget_faults(written: RecipeFile, task: TaskInfo, conditions: tuple[ConditionInfo, ...]) -> list[str]:
    """Metrics and conditions that no evaluation will hold: told before minutes of work, not after."""
    metrics = {**task.known_metrics, **(LONG_RUN if written.long_run else {}), **CORES}
    known, budgets = tuple(metrics), written.budgets
    faults = [
        f"budgets[{index}].condition: {fault}"
        for index, budget in enumerate(budgets)
        if (fault := find_condition_fault(budget, metrics.get(budget.metric), conditions)) is not None
    ]
    faults += [
        f"budgets[{index}].{budget.limit}: {fault}"
        for index, budget in enumerate(budgets)
        if (fault := find_limit_fault(budget, metrics.get(budget.metric))) is not None
    ]
    if written.search is not None and (fault := find_objective_fault(written.search.minimise, metrics)) is not None:
        faults.append(f"search.minimise: {fault}")
    return faults + [
        f"budgets[{index}].metric: "
        + (
            f"{budget.metric} is of a long run; say what is played in [long_run]"
            if budget.metric in LONG_RUN
            else f"unknown metric {budget.metric!r}{suggest(budget.metric, known) or '; known: ' + ', '.join(known)}"
        )
        for index, budget in enumerate(budgets)
        if budget.metric not in known
    ]


def _is_wanted(format_: str, profiles: list[DeviceProfile]) -> bool:
    """Whether a phone plays a format, or no phone is named."""
    return not profiles or any(plays(profile, format_) for profile in profiles)
