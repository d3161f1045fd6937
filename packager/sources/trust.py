"""What a refusal for want of trust says."""

from __future__ import annotations

from pathlib import Path

from packager.errors import PackagingError

HOW_TO_TRUST = "if you trust whoever made it, say trust = true in the recipe's [model] section"


def refuse(path: Path | str, what: str) -> PackagingError:
    """The error of a file that needs trust.

    Args:
        path: The file or folder.
        what: What it holds, and what that could do.
    """
    return PackagingError(f"{path}: {what}; {HOW_TO_TRUST}")
