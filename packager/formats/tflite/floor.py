"""The oldest TFLite runtime that runs a model: every builtin op of a file states its version.

Which runtime brought which version is in `tflite_op_versions.csv`, whose header names its source.
"""

from __future__ import annotations

from device_profiles.profile import Runtime
from packager.bundle import Floor
from packager.errors import PackagingError
from packager.formats.tflite.op_versions import (
    DELEGATED_CUSTOM_OPS,
    RUNTIME_CUSTOM_OPS,
    OpVersion,
    read_op_versions,
    runtime_table,
)
from packager.versions import version_key

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
        A floor without platform and minimum_os (the app ships the runtime). `because` names the op that raises it
        highest, and ops that need more than the plain runtime or that the table does not hold.

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
        platform=None,
        minimum_os=None,
        minimum_runtime=f"TFLite {minimum}" if minimum else None,
        because="; ".join(reasons),
    )


def _name(op: OpVersion) -> str:
    stated = f" (by its types; the file states {op.stated})" if op.version != op.stated else ""
    return f"{op.op} version {op.version}{stated}"


def on_tflite_scale(runtime: Runtime) -> str:
    """A runtime's version as a TensorFlow release, on which op versions are stated; of LiteRT by `TFLITE_OF_LITERT`.

    Raises:
        PackagingError: It is a LiteRT older than the first.
    """
    version = runtime.version.value
    if runtime.name != "LiteRT":
        return version
    found = [tflite for litert, tflite in TFLITE_OF_LITERT if version_key(version) >= version_key(litert)]
    if not found:
        raise PackagingError(f"runtime LiteRT {version} has no place among TFLite's; right is LiteRT 1.0 or later")
    return found[-1]
