"""Floors: the oldest runtime or system that can run a model file, and whether a phone meets it.

TFLite: every builtin op of a file states its version, and a runtime refuses a version it does not hold. Which runtime
brought which version is in `tflite_op_versions.csv`, whose header names its source. Core ML: the specification version
ties a model to a release of iOS.
"""

from __future__ import annotations

import re

from device_profiles.profile import DeviceProfile
from packager.bundle import Floor
from packager.errors import PackagingError
from packager.op_versions import DELEGATED_CUSTOM_OPS, RUNTIME_CUSTOM_OPS, OpVersion, read_op_versions, runtime_table

IOS_OF_SPECIFICATION = {1: "11", 2: "11.2", 3: "12", 4: "13", 5: "14", 6: "15", 7: "16", 8: "17", 9: "18", 10: "26"}
"""Core ML specification version → the release of iOS that brought it.

Source: coremltools 9.0, `Model.proto` (versions 1 to 9) and `coremltools.target` (10).
"""

IOS_OF_OPSET = {"CoreML5": "15", "CoreML6": "16", "CoreML7": "17", "CoreML8": "18", "CoreML9": "26"}
"""op set of an ML Program's function → release of iOS. Source: coremltools 9.0, `coremltools._OPSET`."""

TFLITE_OF_LITERT = (
    ("1.0", "2.17.0"),  # renamed on 2024-09-04, after TensorFlow 2.17 and before 2.18
    ("1.2", "2.18.0"),  # of 2025-03-13; 2.19.0 is of 2025-03-05, too late to count on
    ("1.4", "2.19.0"),  # of 2025-06-25
    ("2.0", "2.20.0"),  # of 2025-11-08; 2.20.0 is of August 2025
    ("2.3", "2.21.0"),  # its native library calls itself 2.22.0-dev0, a state past the branch of 2.21
)
"""LiteRT release → the last TensorFlow release whose ops it surely holds; in between, the one before.

LiteRT counts its own releases, and op versions are stated on TensorFlow's scale. Derived from the dates of both (table
of releases at ai.google.dev/edge/litert/android, TensorFlow's release notes), for 2.3 from the native
library of ai-edge-litert 2.3.0. It errs on the side of too old.
"""


def tflite_floor(model_bytes: bytes) -> Floor:
    """The oldest TFLite runtime that can run a model.

    Args:
        model_bytes: A `.tflite` file.

    Returns:
        A floor without minimum_os (the app ships the runtime). `because` names the op that raises it highest, and ops
        that need more than the plain runtime or that the table does not hold.

    Raises:
        PackagingError: The bytes are not a readable TFLite model, or the schema's reader is not installed.
    """
    ops = read_op_versions(model_bytes)
    table = runtime_table()
    builtin = [op for op in ops if op.custom is None]
    known = [(table[op.op, op.version], op) for op in builtin if (op.op, op.version) in table]
    if known:
        minimum, highest = max(known, key=lambda entry: version_key(entry[0]))
        reasons = [f"{_name(highest)} needs {minimum}"]
    else:
        minimum, reasons = "", ["no builtin op of the model is tied to a runtime"]
    unknown = [_name(op) for op in builtin if (op.op, op.version) not in table]
    if unknown:
        reasons.append(f"{', '.join(unknown)}: not in the table of op versions, so the floor may be higher")
    flex = sorted({op.custom for op in ops if op.custom is not None and op.custom.startswith("Flex")})
    if flex:
        reasons.append(f"{', '.join(flex)}: the app must also ship the Select TensorFlow ops library")
    named = {op.custom for op in ops if op.custom is not None and not op.custom.startswith("Flex")}
    delegated = sorted(named & DELEGATED_CUSTOM_OPS)
    if delegated:
        reasons.append(f"{', '.join(delegated)}: custom, run by XNNPACK, LiteRT's default delegate, in float32")
    custom = sorted(named - RUNTIME_CUSTOM_OPS - DELEGATED_CUSTOM_OPS)
    if custom:
        reasons.append(f"{', '.join(custom)}: custom, the app must bring their kernels")
    return Floor(
        platform="android",
        minimum_os=None,
        minimum_runtime=f"TFLite {minimum}" if minimum else None,
        because="; ".join(reasons),
    )


def coreml_floor(specification_version: int, *, opset: str | None = None) -> Floor:
    """The oldest iOS that can run a Core ML model.

    Args:
        specification_version: `specificationVersion` of the model.
        opset: Op set of an ML Program's main function, for example `CoreML7`; it may be later than the specification.

    Raises:
        PackagingError: The version or the op set is unknown.
    """
    release = IOS_OF_SPECIFICATION.get(specification_version)
    if release is None:
        raise PackagingError(
            f"Core ML specification version {specification_version} is unknown; "
            f"right is 1 to {max(IOS_OF_SPECIFICATION)}"
        )
    because = f"specification version {specification_version} came with iOS {release}"
    if opset is not None:
        if opset not in IOS_OF_OPSET:
            raise PackagingError(f"Core ML op set {opset!r} is unknown; right is one of {', '.join(IOS_OF_OPSET)}")
        if version_key(IOS_OF_OPSET[opset]) > version_key(release):
            release = IOS_OF_OPSET[opset]
            because = f"op set {opset} came with iOS {release}"
    return Floor(platform="ios", minimum_os=f"iOS{release}", minimum_runtime=None, because=because)


def meets(floor: Floor, profile: DeviceProfile) -> tuple[bool, str]:
    """Whether a phone meets a floor, and one sentence why or why not."""
    if floor.platform != profile.platform:
        return False, f"{profile.name} runs {profile.platform}; the model is for {floor.platform}"
    if floor.minimum_os is not None:
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
    if floor.minimum_runtime is None:
        return True, f"{profile.name} meets the floor: {floor.because}"
    runtime, shipped = profile.runtime, runtime_on_tflite_scale(profile)
    good = version_key(shipped) >= version_key(floor.minimum_runtime)
    verdict = "meets" if good else "does not meet"
    holds = f" (ops of TFLite {shipped})" if runtime.name == "LiteRT" else ""
    return good, (
        f"{profile.name} with {runtime.name} {runtime.version.value}{holds} {verdict} the floor of "
        f"{floor.minimum_runtime}: {floor.because}"
    )


def runtime_on_tflite_scale(profile: DeviceProfile) -> str:
    """The TFLite runtime an Android profile's app ships, as a TensorFlow release; for LiteRT by `TFLITE_OF_LITERT`.

    Raises:
        PackagingError: The runtime is a LiteRT older than the first, or not a TFLite runtime.
    """
    runtime = profile.runtime
    if runtime.name == "TFLite":
        return runtime.version.value
    found = [tflite for litert, tflite in TFLITE_OF_LITERT if version_key(runtime.version.value) >= version_key(litert)]
    if runtime.name != "LiteRT" or not found:
        raise PackagingError(
            f"{profile.id}: runtime {runtime.name} {runtime.version.value} has no place among TFLite's; "
            "right is TFLite, or LiteRT 1.0 or later"
        )
    return found[-1]


def version_key(version: str) -> tuple[int, ...]:
    """A version's numbers, for comparing: `"TFLite 2.3.0"` and `"2.3"` are both `(2, 3)`."""
    numbers = [int(number) for number in re.findall(r"\d+", version)]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


def _name(op: OpVersion) -> str:
    stated = f" (by its types; the file states {op.stated})" if op.version != op.stated else ""
    return f"{op.op} version {op.version}{stated}"
