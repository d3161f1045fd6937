"""Which of a model file's signatures (TFLite) or functions (Core ML) is meant."""

from __future__ import annotations

from collections.abc import Sequence

from device_profiles.record import suggest
from evaluators.errors import EvaluationError

DEFAULT_ENTRIES = ("serving_default", "main")


def find_entry(names: Sequence[str], wanted: str | None, where: str) -> str | None:
    """Which signature or function of a file is meant; none where it names none.

    Args:
        names: Those of the file.
        wanted: What the caller asked for, if anything.
        where: How messages name the file.

    Raises:
        EvaluationError: It has no such signature, or several and none is the default.
    """
    listed = ", ".join(names)
    if wanted is not None and wanted not in names:
        raise EvaluationError(
            f"{where}: has no signature {wanted!r}{suggest(wanted, names)}; it has: {listed or 'none'}"
        )
    if wanted is not None or not names:
        return wanted
    default = next((name for name in DEFAULT_ENTRIES if name in names), names[0])
    if default not in DEFAULT_ENTRIES and len(names) > 1:
        found = f"has {len(names)} signatures and none is serving_default: {listed}"
        raise EvaluationError(f"{where}: {found}; name one of them, as with --signature {names[0]}")
    return default
