"""Commands that break each promise, to see that the fuzzer finds it: `python -m tests.fuzz.plants`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from tests.fuzz.campaign import run_case
from tests.fuzz.cases import Case, Place
from tests.fuzz.sandbox import Sandbox
from tests.fuzz.watching import adopt_orphans

Plant = Callable[[Place], int | None]
HANG_S = 3.0
_PATIENCE_S = 60.0
"""for what is not to hang: to touch 5 GiB takes seconds"""
_HOG = "import time; x = bytearray(5 << 30); x[::4096] = b'1' * len(x[::4096]); time.sleep(1)"


def _say(text: str, *, error: bool = False, code: int = 0) -> Plant:
    def call(_: Place) -> int:
        (sys.stderr if error else sys.stdout).write(text)
        return code

    return call


def _write(path: Callable[[Place], Path], data: bytes = b"x") -> Plant:
    def call(place: Place) -> None:
        where = path(place)
        where.parent.mkdir(exist_ok=True)
        where.write_bytes(data)

    return call


def _fail(_: Place) -> None:
    raise ValueError("planted")


def _leave_folder(_: Place) -> None:
    tempfile.mkdtemp()


def _tell(place: Place) -> None:
    _write(lambda here: here.folder / "out" / "x", place.secret.read_bytes())(place)


_CASE = Case(("devices",))

PLANTS: dict[str, tuple[Plant, str]] = {
    "an exception": (_fail, "traceback"),
    "an exception nobody hears": (_say("Exception ignored in: <x>", error=True), "traceback"),
    "a signal": (lambda _: os.kill(os.getpid(), 11), "signal"),
    "a shell's exit code of a signal": (lambda _: 139, "signal"),
    "another exit code": (lambda _: 77, "exit"),
    "a hang": (lambda _: time.sleep(100), "hang"),
    "a hang in a child": (lambda _: subprocess.run(["sleep", "100"]).returncode, "hang"),
    "memory": (lambda _: exec(_HOG), "memory"),
    "memory in a child": (lambda _: subprocess.run([sys.executable, "-c", _HOG]).returncode, "memory"),
    "a file above": (_write(lambda place: place.folder.parent / "x"), "outside"),
    "a file beside": (_write(lambda place: place.folder / "x"), "outside"),
    "a file at home": (_write(lambda _: Path.home() / "x"), "outside"),
    "a canary overwritten": (_write(lambda place: place.victim, b"must stay"), "outside"),
    "a canary removed": (lambda place: place.victim.unlink(), "outside"),
    "a secret": (lambda place: _say(place.secret.read_text())(place), "secret"),
    "a secret in the output": (_tell, "secret"),
    "an escape": (_say("\x1b[31m"), "control"),
    "a sign of C1": (_say("\x9b", error=True), "control"),
    "another direction": (_say("\u202e"), "control"),
    "no UTF-8": (lambda _: os.write(1, b"\xff") - 1, "control"),
    "a command of GitHub's": (_say("x\n ::error title=x::y"), "command"),
    "a command of Azure's": (_say("x ##vso[task]"), "command"),
    "a temporary folder": (_leave_folder, "temporary"),
    "a process": (lambda _: subprocess.Popen(["sleep", "100"], start_new_session=True).pid * 0, "process"),
    "no message": (_say("x", error=True, code=1), "message"),
    "two messages": (_say("testpress: x\ntestpress: y\n", error=True, code=1), "message"),
    "no usage": (_say("x", error=True, code=2), "message"),
    "no JSON": (_say("NaN"), "json"),
}
"""what is planted → (how, the check that must fail, and no other)"""

GOOD: dict[str, tuple[Plant, Case]] = {
    "nothing": (lambda _: 0, _CASE),
    "a message": (_say("testpress: x\nmore of it: é\t🎵\n", error=True, code=1), _CASE),
    "output": (_write(lambda place: place.folder / "out" / "x"), _CASE),
    "a temporary folder that is removed": (lambda _: tempfile.TemporaryDirectory().cleanup(), _CASE),
    "a closed stream": (lambda _: 0 if sys.stdout is None else 1, Case(("devices",), stdout="closed", stdin="closed")),
}
"""what breaks nothing"""


def try_plant(plant: Plant, case: Case, folder: Path, *, hang_s: float = _PATIENCE_S) -> list[str]:
    """The checks that fail when a plant is called in place of a case's command."""
    sandbox = Sandbox(folder / "input", folder)
    sandbox.make()
    called = replace(case, call=lambda: plant(sandbox.place) or 0)
    result = run_case(called, sandbox, kind="plant", index=0, hang_s=hang_s)
    return sorted({fault.check for fault in result.faults})


def main() -> None:
    adopt_orphans(os.getppid())
    found: dict[str, list[str]] = {}
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        for name, (plant, check) in PLANTS.items():
            case = Case(("devices", "--json") if check == "json" else ("devices",))
            hang_s = HANG_S if check == "hang" else _PATIENCE_S
            found[name] = try_plant(plant, case, Path(folder), hang_s=hang_s)
        for name, (good, case) in GOOD.items():
            found[name] = try_plant(good, case, Path(folder))
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main()
