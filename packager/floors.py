"""Floors: the oldest runtime or system that can run a model file, and whether a phone meets it."""

from __future__ import annotations

import re

from device_profiles.profile import DeviceProfile
from packager.bundle import Floor
from packager.formats import get_format
from packager.formats.phones import find_runtime
from packager.versions import version_key


def meets(floor: Floor, profile: DeviceProfile, format_: str) -> tuple[bool, str]:
    """Whether a phone meets a floor, and one sentence why or why not.

    Args:
        floor: Of a model file.
        profile: The phone.
        format_: The file's format.
    """
    runtime = find_runtime(profile, format_)
    if runtime is None:
        carried, needed = (" or ".join(names) for names in ([r.name for r in profile.runtimes], _runtimes(format_)))
        return False, f"{profile.name}'s apps carry {carried}; the model is for {needed}"
    if floor.minimum_os is not None:
        return _meets_system(floor, profile)
    if floor.minimum_runtime is None:
        return True, f"{profile.name} meets the floor: {floor.because}"
    shipped = get_format(format_).on_floor_scale(runtime)
    good = version_key(shipped) >= version_key(floor.minimum_runtime)
    verdict = "meets" if good else "does not meet"
    name = floor.minimum_runtime.rpartition(" ")[0]
    holds = "" if runtime.name == name else f" (ops of {name} {shipped})"
    return good, (
        f"{profile.name} with {runtime.name} {runtime.version.value}{holds} {verdict} the floor of "
        f"{floor.minimum_runtime}: {floor.because}"
    )


def _runtimes(format_: str) -> list[str]:
    return list(get_format(format_).runtimes)


def _meets_system(floor: Floor, profile: DeviceProfile) -> tuple[bool, str]:
    assert floor.minimum_os is not None
    system = "iOS" if profile.platform == "ios" else "Android"
    good = version_key(profile.os.value) >= version_key(floor.minimum_os)
    needed = re.sub(r"^\D*", "", floor.minimum_os)
    verdict = "meets" if good else "does not meet"
    newest = profile.newest_os
    later = not good and newest is not None and version_key(newest.value) >= version_key(floor.minimum_os)
    update = f"; after an update it does: it can run {system} {newest.value}" if later and newest else ""
    return good, (
        f"{profile.name} with {system} {profile.os.value} {verdict} the floor of {system} {needed}: "
        f"{floor.because}{update}"
    )
