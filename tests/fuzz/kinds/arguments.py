"""Command lines: odd words, options in odd places, paths of special files, streams that are closed or full."""

from __future__ import annotations

import random
import shutil

from tests.fuzz.cases import Case, Place, Stream
from tests.fuzz.oddities import SECRET_PATH, VICTIM_PATH, foreign_arguments, odd_text
from tests.fuzz.sandbox import PLANTED
from tests.fuzz.staging import SPECIAL, place_job, place_specials

SHARE = 160
SECONDS = 0.2

_GOOD: tuple[tuple[str, ...], ...] = (
    ("devices",),
    ("verify", "bundle"),
    ("verify", "bundle", "--key", "phone.toml", "--rebuild", "testpress.toml"),
    ("package", "testpress.toml", "--sign", "phone.toml", "--limit-time", "20", "--limit-memory", "2GiB"),
    ("devices", "pixel-8"),
    ("devices", "phone.toml"),
    ("check", "evaluation.json"),
    ("check", "evaluation.json", "--baseline", "evaluation.json", "--recipe", "testpress.toml"),
    ("diff", "evaluation.json", "evaluation.json"),
    ("diff", "bundle", "bundle", "--all"),
    ("report", "evaluation.json", "-o", "out"),
    ("report", "evaluation.json", "--baseline", "evaluation.json"),
    ("run", "testpress.toml", "--device", "pixel-8", "-o", "out"),
    ("run", "testpress.toml", "--baseline", "evaluation.json"),
    ("package", "testpress.toml", "-q"),
    ("evaluate", "testpress.toml", "gain.tflite", "bundle"),
    ("evaluate", "testpress.toml", "-o", "out/evaluation.json"),
    ("init", "started", "--model", "model.pt", "--ci", "github"),
    ("init", "started", "--ci", "none"),
    ("--version",),
    ("--help",),
)
_DEAR: tuple[tuple[str, ...], ...] = (
    ("inspect", "gain.tflite"),
    ("inspect", "tiny.mlpackage", "--ranges", "--all"),
    ("inspect", "bundle", "--against", "bundle"),
    ("latency", "gain.tflite", "--device", "pixel-8"),
    ("play", "gain.tflite", "--audio", "a.wav", "--sample-rate", "8000", "-o", "out"),
    ("doctor",),
)
"""commands that take a second where they succeed"""
_OPTIONS = [
    "--json",
    "--help",
    "-h",
    "--version",
    "-q",
    "--quiet",
    "--all",
    "--device",
    "--baseline",
    "--recipe",
    "-o",
    "--out",
    "--sample-rate",
    "--audio",
    "--ranges",
    "--against",
    "--notes",
    "--ci",
    "--model",
    "--limit-time",
    "--limit-memory",
    "--sign",
    "--key",
    "--rebuild",
    "--",
    "-",
    "---",
    "-oout",
    "-qq",
]
_NUMBERS = (
    "0",
    "-1",
    "1",
    "4000000000",
    "1" + "0" * 400,
    "9" * 5000,
    "1e3",
    "NaN",
    "1e308",
    "9EiB",
    "٣",
    "0x10",
    " 8000",
    "",
)


def make_case(chance: random.Random, place: Place) -> Case:
    _place_files(place)
    words = list(chance.choice(_GOOD if chance.random() < 0.93 else _DEAR))
    for _ in range(chance.choice((0, 1, 1, 1, 2, 3))):
        _bend(chance, words, place)
    if chance.random() < 0.25:
        words.insert(chance.randrange(1, len(words) + 1), "--json")
    streams: dict[str, Stream] = {}
    if chance.random() < 0.15:
        streams[chance.choice(("stdout", "stderr"))] = chance.choice(("closed", "full", "no reader"))
    if chance.random() < 0.1:
        streams["stdin"] = "closed"
    encoding = chance.choice(("ascii", "latin-1")) if chance.random() < 0.03 else "utf-8"
    github = {"GITHUB_ACTIONS": "true"} if chance.random() < 0.1 else {}
    # What the words name as output may change, and that may be anything in the folder.
    return Case(tuple(words), writes=("",), environment=github, encoding=encoding, **streams)


def _place_files(place: Place) -> None:
    place_job(place)
    place_specials(place.folder)
    shutil.copy(place.corpus / "evaluations" / "small.json", place.folder / "evaluation.json")
    shutil.copy(place.corpus / "profiles" / "pixel-8.toml", place.folder / "phone.toml")
    shutil.copy(place.corpus / "tflite" / "gain.tflite", place.folder)
    shutil.copytree(place.corpus / "mlpackages" / "tiny.mlpackage", place.folder / "tiny.mlpackage")
    shutil.copytree(place.corpus / "bundles" / "tflite", place.folder / "bundle")


def _bend(chance: random.Random, words: list[str], place: Place) -> None:
    at, way = chance.randrange(len(words)), chance.randrange(8)
    word = _odd_word(chance, place)
    if way == 0:
        words.insert(at, chance.choice(_OPTIONS))
    elif way == 1:
        words[at:at] = foreign_arguments(chance)
    elif way == 2:
        words.append(word)
    elif way == 3 and len(words) > 1:
        del words[at]
    elif way == 4:
        chance.shuffle(words)
    elif len(words) > 1:
        words[chance.randrange(1, len(words))] = word
    words[:] = [_passable(word) for word in words if word] or ["--help"]


def _odd_word(chance: random.Random, place: Place) -> str:
    way = chance.random()
    if way < 0.2:
        return chance.choice(SPECIAL)
    if way < 0.3:
        return chance.choice(_NUMBERS)
    return (
        odd_text(chance) if way < 0.9 else chance.choice(("x/y.json", "folder/x", "evaluation.json/x", "x" * 100_000))
    )


def _passable(word: str) -> str:
    """No zero can be passed; and what might be taken for an output must lie in the case's own folder."""
    for marker in (SECRET_PATH, VICTIM_PATH, str(PLANTED)):
        word = word.replace(marker, "nothing-here")
    word = word.replace("\x00", "\\0").replace("..", "...") if "/" in word else word.replace("\x00", "\\0")
    word = word.encode("utf-8", "surrogateescape" if _is_escaped(word) else "surrogatepass").decode(
        "utf-8", "surrogateescape"
    )
    read_only = ("/dev/zero", "/proc/self/mem", "/dev/stdin", "/proc/self/fd/0", "/dev/tty")
    return word if not word.startswith("/") or word in read_only else f"nowhere{word}"


def _is_escaped(word: str) -> bool:
    return all("\udc80" <= sign <= "\udcff" for sign in word if "\ud800" <= sign <= "\udfff")
