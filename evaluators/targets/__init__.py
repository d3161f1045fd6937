"""Where a bundle is played: one file a target, whose `PLAYER` opens a model there.

A package of somebody else's adds one by an entry point of the group `testpress.targets`.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path

from device_profiles.plugins import list_plugins
from device_profiles.profile import DeviceProfile
from device_profiles.record import suggest
from evaluators import formats as reading
from evaluators.emulators import Emulator
from evaluators.emulators.shipped.versions import ShippedRuntime, find_runtime_of
from evaluators.errors import EvaluationError
from evaluators.formats import format_of
from evaluators.target_records import Refusal, Target
from evaluators.targets.target import Player, RefusedError
from packager.formats import get_format
from packager.formats.phones import find_runtime

__all__ = [
    "Player",
    "RefusedError",
    "choose_targets",
    "default_target",
    "find_players",
    "find_refusal",
    "get_player",
    "list_code",
    "open_model",
    "stand_in",
    "target_names",
]

_NOT_TARGETS = ("target",)


def target_names() -> tuple[str, ...]:
    """The targets there are, sorted, whether or not they can be reached here; nothing is imported."""
    found = list_plugins("targets", Path(__file__).parent, "PLAYER")
    return tuple(name for name in found if name not in _NOT_TARGETS)


def list_code(*formats: str) -> tuple[str, ...]:
    """What reads and plays formats' files is loaded by, for `packager.jobs.code`."""
    found = list_plugins("targets", Path(__file__).parent, "PLAYER")
    players = ((get_player(name).format in formats, found[name].module) for name in target_names())
    return (*reading.list_code(*formats), *(module if plays else f"~{module}" for plays, module in players))


@functools.cache
def get_player(name: str) -> Player:
    """A target's player.

    Raises:
        EvaluationError: There is no such target.
    """
    shipped = find_runtime_of(name)
    if shipped is not None:
        from evaluators.emulators.shipped.player import make_player

        return make_player(shipped)
    if name not in target_names():
        hint = suggest(name, target_names()) or f"; known: {', '.join(target_names())}"
        raise EvaluationError(f"no target {name!r}{hint}")
    found: Player = list_plugins("targets", Path(__file__).parent, "PLAYER")[name].load()
    return found


def find_players(format_: str) -> list[tuple[str, Player]]:
    """All targets that play whole datasets of a format, by name, the one for bulk numbers first."""
    found = [(name, get_player(name)) for name in target_names()]
    fast = ((name, one) for name, one in found if one.format == format_ and not one.samples)
    return sorted(fast, key=lambda pair: (pair[1].rank, pair[0]))


def default_target(format_: str) -> Target:
    """The target that bulk numbers of a format are played on: the first that is here.

    Raises:
        EvaluationError: Nothing plays the format, or what does is not installed.
    """
    faults = []
    for _, player in find_players(format_):
        try:
            return player.find()
        except EvaluationError as fault:
            faults.append(str(fault))
    raise EvaluationError("; ".join(faults) or f"nothing here plays {get_format(format_).title} models")


def choose_targets(
    format_: str, devices: Sequence[DeviceProfile], shipped: Sequence[ShippedRuntime] = ()
) -> tuple[Target, ...]:
    """The targets that bundles of a format are played on: one for bulk numbers, then each that a phone's apps need.

    Phones whose apps carry the same runtime share its run. A runtime that is not installed here has no target; its
    phones are told by `stand_in`.

    Args:
        format_: The bundles' format.
        devices: The phones.
        shipped: Runtimes that the recipe names.

    Raises:
        EvaluationError: As `default_target`'s.
    """
    chosen = {(first := default_target(format_)).name: first}
    for profile in devices:
        runtime = find_runtime(profile, format_)
        for name, player in find_players(format_):
            if runtime is not None and player.runtime == runtime.name and name not in chosen:
                try:
                    chosen[name] = player.find()
                except EvaluationError:  # told of the phone, by `stand_in`
                    continue
    more = ((one.target, get_player(one.target)) for one in shipped)
    chosen.update({name: player.find() for name, player in more if player.format == format_})
    return tuple(chosen.values())


def stand_in(profile: DeviceProfile, format_: str, targets: Sequence[Target]) -> tuple[Target | None, str]:
    """Whose results are a phone's, and where that is another runtime than the phone's, why.

    Args:
        profile: The phone.
        format_: Of the bundle.
        targets: Those that the bundle was played on, the one for bulk numbers first.

    Returns:
        The target, none where the phone plays no such bundle; and a sentence, empty where the target is what the phone
        has.
    """
    runtime = find_runtime(profile, format_)
    if runtime is None or not targets:
        return None, ""
    of_its_name = [target for target in targets if target.runtime == runtime.name]
    exact = (target for target in of_its_name if target.version.rpartition(" ")[2] == runtime.version.value)
    own = next(exact, next(iter(of_its_name), None))
    if own is not None:
        played = own.version.rpartition(" ")[2]
        if not own.version.startswith(f"{runtime.name} ") or played == runtime.version.value:
            return own, ""
        return own, f"played on {own.version}, where the phone's apps carry {runtime.version.value}"
    first = targets[0]
    return first, f"played on {first.version}: {runtime.name} {runtime.version.value} is not installed here"


def find_refusal(fault: EvaluationError, target: Target | None) -> Refusal | None:
    """What a target cannot do, of a fault while a file was opened or run there; None where it is another fault.

    Args:
        fault: What was raised.
        target: Where; none knows only what was refused when the file was opened.
    """
    if isinstance(fault, RefusedError):
        return fault.refusal
    return None if target is None else get_player(target.name).explain(str(fault))


def open_model(path: Path, target: Target | None = None, *, threads: int = 1, signature: str | None = None) -> Emulator:
    """Load a model file where it is to be played.

    Args:
        path: A model file or folder of any format there is.
        target: Where; else where bulk numbers of its format are played.
        threads: How many threads its kernels may use.
        signature: Which signature (TFLite) or function (Core ML); else the only or the default one.

    Returns:
        The emulator; `runtime` says what executes the file, and `close` gives back what it holds.

    Raises:
        RefusedError: The target cannot do an op of the file.
        EvaluationError: The file is missing, damaged or of another format than the target plays, or the target is not
            here.
    """
    format_ = format_of(path)
    if not path.exists():
        raise EvaluationError(f"{path}: no such file or folder")
    player = get_player(target.name if target is not None else default_target(format_).name)
    if player.format != format_:
        title = get_format(format_).title
        raise RefusedError(
            f"{path}: {player.runtime} does not play {title} models",
            Refusal(reason=f"{player.runtime} does not play {title} models"),
        )
    try:
        return player.open(path, threads, signature)
    except EvaluationError as fault:
        refusal = player.explain(str(fault))
        if refusal is None:
            raise
        raise RefusedError(str(fault), refusal) from fault
