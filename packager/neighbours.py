"""Files beside a recipe: its own code imports them before installed modules, and nobody else does.

A recipe's folder stands on Python's path while its code runs. Without more, a file `random.py` or `evaluators.py` in it
would be taken by every library that imports its namesake.
"""

from __future__ import annotations

import importlib.machinery
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from pathlib import Path
from types import FrameType, ModuleType

OWN = frozenset({"device_profiles", "evaluators", "packager", "reports", "testpress"})
_FRAMEWORKS = frozenset({"ai_edge_litert", "coremltools", "keras", "litert_torch", "numpy", "tensorflow", "torch"})
_OPENS_RECIPES = "packager.factories"
"""the module that imports on a recipe's behalf"""


def explain_taken(name: str) -> str | None:
    """Why a file beside a recipe cannot be imported under a name; None where it can.

    Args:
        name: A top-level module's name.
    """
    if name in OWN:
        return "has the name of a package of testpress"
    if name in sys.stdlib_module_names:
        return "has the name of a module of Python's own"
    return f"has the name of {name} itself" if name in _FRAMEWORKS else None


class _Neighbours(MetaPathFinder):
    """Looks elsewhere first for what code outside the recipes' folders imports."""

    def __init__(self) -> None:
        self.folders: set[str] = set()

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if path is not None or (explain_taken(fullname) is None and self._is_asked_by_neighbour()):
            return None  # the usual way
        elsewhere = [folder for folder in sys.path if folder not in self.folders]
        return importlib.machinery.PathFinder.find_spec(fullname, elsewhere, target)

    def _is_asked_by_neighbour(self) -> bool:
        asking: FrameType | None = sys._getframe(2)
        while asking is not None and str(asking.f_globals.get("__name__")).split(".")[0] == "importlib":
            asking = asking.f_back  # Python's own machinery stands between an import and the code that asks for it
        known = asking.f_globals if asking is not None else {}
        file = known.get("__file__")
        beside = isinstance(file, str) and any(Path(file).is_relative_to(folder) for folder in self.folders)
        return beside or known.get("__name__") == _OPENS_RECIPES


_neighbours = _Neighbours()


def admit(folder: Path) -> None:
    """Let code in a folder import what lies beside it, before what is installed under the same name."""
    if str(folder) in _neighbours.folders:
        return
    _neighbours.folders.add(str(folder))
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    if _neighbours not in sys.meta_path:
        sys.meta_path.insert(0, _neighbours)
