"""The folders around a case, canaries beside them, and what changed in them."""

from __future__ import annotations

import os
import shutil
import stat
from dataclasses import dataclass
from pathlib import Path

from tests.fuzz.cases import Case, Place

SECRET = "canary-4f1c-do-not-tell"
PLANTED = Path("/testpress-fuzz-canary")
"""a place outside everything that odd names lead to; nothing may ever be there"""

_DEPTH = ("a", "b", "c", "d")
"""between the top and the command's folder, so that `../../x` stays within what is watched"""
_SMALL = 4 << 20


@dataclass(frozen=True)
class Sandbox:
    """`top` holds all of it and is removed afterwards."""

    top: Path
    corpus: Path

    @property
    def folder(self) -> Path:
        return self.top.joinpath(*_DEPTH, "work")

    @property
    def place(self) -> Place:
        return Place(self.folder, self.corpus, self.top / "secret.txt", self.top / "victim.txt")

    @property
    def out(self) -> Path:
        return self.top / "stdout"

    @property
    def err(self) -> Path:
        return self.top / "stderr"

    @property
    def temporary(self) -> Path:
        return self.top / "tmp"

    def make(self) -> None:
        """Make the folders, empty but for the canaries."""
        shutil.rmtree(self.top, ignore_errors=True)
        for folder in (self.folder, self.top / "home", self.temporary):
            folder.mkdir(parents=True)
        keras = self.top / "home" / ".keras" / "keras.json"  # Keras makes its settings where there are none
        keras.parent.mkdir()
        keras.write_text("{}")
        self.place.secret.write_text(SECRET)
        self.place.victim.write_text("must stay")
        self.out.touch()
        self.err.touch()

    def environment(self, case: Case) -> dict[str, str]:
        """What the command sees of the environment."""
        kept = {name: os.environ[name] for name in ("PATH", "VIRTUAL_ENV", "LD_LIBRARY_PATH") if name in os.environ}
        return {
            **kept,
            "HOME": str(self.top / "home"),
            "TMPDIR": str(self.temporary),
            "LC_ALL": "C.UTF-8",
            "OMP_NUM_THREADS": "1",
            "TF_CPP_MIN_LOG_LEVEL": "3",
            "CUDA_VISIBLE_DEVICES": "-1",
            "PYTHONDONTWRITEBYTECODE": "1",
            **case.environment,
        }

    def look(self) -> dict[str, tuple[int, ...]]:
        """Every file, folder and link under `top`, with what tells whether it was written."""
        found = {}
        for base, folders, files in os.walk(self.top):
            for name in (*folders, *files):
                path = os.path.join(base, name)  # noqa: PTH118  pathlib is slow in a loop of this length
                facts = os.lstat(path)
                changing = () if stat.S_ISDIR(facts.st_mode) else (facts.st_size, facts.st_mtime_ns, facts.st_ino)
                found[os.path.relpath(path, self.top)] = (stat.S_IFMT(facts.st_mode), *changing)
        return found

    def find_written(self, before: dict[str, tuple[int, ...]], case: Case) -> list[str]:
        """What was made, changed or removed outside of what the case may write."""
        after = self.look()
        changed = [name for name in {*before, *after} if before.get(name) != after.get(name)]
        work = os.path.relpath(self.folder, self.top)
        allowed = (*(f"{work}/{name}".rstrip("/") for name in case.writes), "stdout", "stderr", "tmp")
        outside = [n for n in changed if not any(n == one or n.startswith(f"{one}/") for one in allowed)]
        return sorted(outside) + _take_planted()

    def find_temporary(self) -> list[str]:
        return sorted(path.name for path in self.temporary.iterdir())

    def tells_secret(self) -> list[str]:
        """Small files of the output that hold the secret."""
        found = []
        for path in self.folder.rglob("*"):
            small = path.is_file() and not path.is_symlink() and path.stat().st_size < _SMALL
            if small and SECRET.encode() in path.read_bytes():
                found.append(str(path.relative_to(self.folder)))
        return found


def _take_planted() -> list[str]:
    """The canary place, where something was put there; it is cleared for the next input."""
    if not os.path.lexists(PLANTED):
        return []
    shutil.rmtree(PLANTED) if PLANTED.is_dir() and not PLANTED.is_symlink() else PLANTED.unlink()
    return [str(PLANTED)]
