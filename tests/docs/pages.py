"""Pages of docs/ whose code blocks a test lays out as a package and runs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

MOST_LINES = 30
"""of a page that says how to add something"""


def read_page(page: Path, language: str = "python") -> str:
    """The code of a page's first block in a language."""
    found = re.search(rf"^```{language}\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)
    assert found is not None, f"{page.name} has no block in {language}"
    return found[1]


def install_page(code: str, folder: Path, *, module: str, entry_points: Mapping[str, str]) -> None:
    """Lay code out as pip would lay a package: the module, and what it offers beside it."""
    facts = folder / f"{module}-1.0.dist-info"
    facts.mkdir(parents=True)
    (facts / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
    groups = (f"[testpress.{group}]\n{line}\n" for group, line in entry_points.items())
    (facts / "entry_points.txt").write_text("".join(groups))
    (folder / f"{module}.py").write_text(code)
