"""Phones and formats: which of a phone's runtimes plays a format, and whether a profile says what formats know."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from device_profiles.errors import ProfileError
from device_profiles.profile import DeviceProfile, Runtime, read_profile
from device_profiles.record import suggest
from packager.formats import format_names, get_format
from packager.formats.format import Format


def read_phone(id_or_path: str) -> DeviceProfile:
    """Read a profile and hold it against the formats there are.

    Args:
        id_or_path: A built-in identifier such as `pixel-8`, or the path of a `.toml` file.

    Raises:
        ProfileError: As `read_profile`'s; or a runtime is unknown or not of the phone's platform, or a precision is
            unknown or needs a later system; one line a fault, with file and field.
    """
    profile = read_profile(id_or_path)
    faults = list(_find_faults(profile))
    if faults:
        raise ProfileError("\n".join(f"{id_or_path}: {fault}" for fault in faults))
    return profile


def find_runtime(profile: DeviceProfile, format_: str) -> Runtime | None:
    """The runtime by which a phone's apps play a format, the preferred one of several; None where none does."""
    known = get_format(format_).runtimes
    return next((one for one in profile.runtimes if profile.platform in known.get(one.name, ())), None)


def carry(profile: DeviceProfile, names: Sequence[str]) -> DeviceProfile:
    """A phone whose apps carry some of its runtimes.

    Args:
        profile: The phone.
        names: Of runtimes, of any phone; none means the first of this one.

    Raises:
        ProfileError: It has none of them.
    """
    chosen = tuple(one for one in profile.runtimes if one.name in names) if names else profile.runtimes[:1]
    if not chosen:
        known = ", ".join(one.name for one in profile.runtimes)
        raise ProfileError(f"apps on {profile.id} can carry {known}; found {', '.join(names)}")
    return profile.model_copy(update={"runtimes": chosen})


def plays(profile: DeviceProfile, format_: str) -> bool:
    """Whether any runtime of a phone's apps plays a format."""
    return find_runtime(profile, format_) is not None


def format_of_runtime(runtime: str, platform: str) -> Format | None:
    """The format that a runtime plays on a platform; None where there is no such runtime there."""
    formats = (get_format(name) for name in format_names())
    return next((one for one in formats if platform in one.runtimes.get(runtime, ())), None)


def _find_faults(profile: DeviceProfile) -> Iterator[str]:
    for runtime in profile.runtimes:
        format_ = format_of_runtime(runtime.name, profile.platform)
        if format_ is None:
            known = sorted(name for one in format_names() for name in _runtimes_on(get_format(one), profile.platform))
            right = f"{suggest(runtime.name, known)} (known: {', '.join(known)})"
            yield f"runtimes: {runtime.name!r} is unknown on {profile.platform}{right}"
            continue
        for word in runtime.precisions:
            if word not in format_.precisions:
                right = f"{suggest(word, format_.precisions)} (known: {', '.join(format_.precisions)})"
                yield f"runtimes.precisions holds {word!r}, which {format_.name} has not{right}"
            elif format_.minimum_targets.get(word, 0) > profile.target_number:
                yield (
                    f"runtimes.precisions holds {word!r}, which needs iOS{format_.minimum_targets[word]}, but "
                    f"minimum_deployment_target is {profile.minimum_deployment_target}"
                )


def _runtimes_on(format_: Format, platform: str) -> list[str]:
    return [name for name, platforms in format_.runtimes.items() if platform in platforms]
