"""Core ML packages, damaged: the specification by bytes and by fields, the weights, the manifest."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

from tests.evaluators.emulators.coreml.damage import DAMAGES, specification_of
from tests.fuzz.byte_damage import damage_bytes
from tests.fuzz.cases import Case, Place
from tests.fuzz.staging import BRIEF, maybe, pick
from tests.fuzz.tree_damage import damage_tree, write_json

SHARE = 60
SECONDS = 2.5


def make_case(chance: random.Random, place: Place) -> Case:
    source = place.corpus / "mlpackages" / "nmp.mlpackage"
    if chance.random() < 0.8 or not source.exists():
        source = pick(chance, place, "mlpackages")
    package = Path(shutil.copytree(source, place.folder / "x.mlpackage"))
    _damage(chance, package, place)
    return Case(_arguments(chance, place, source))


def _damage(chance: random.Random, package: Path, place: Place) -> None:
    way = chance.random()
    if way < 0.15:
        file = chance.choice((specification_of(package), *package.rglob("weight.bin")))
        file.write_bytes(damage_bytes(chance, file.read_bytes()))
    elif way < 0.25:
        from tests.fuzz.staging import read_tree

        tree = read_tree(package / "Manifest.json")
        (package / "Manifest.json").write_bytes(write_json(damage_tree(chance, tree), place))
    else:
        kinds = [kind for kind in DAMAGES if kind != "change_weights" or next(package.rglob("weight.bin"), None)]
        for kind in chance.choice((["change_fields"], [chance.choice(kinds)], ["change_fields", chance.choice(kinds)])):
            try:
                DAMAGES[kind](chance, package)
            except (IndexError, ValueError, StopIteration):  # a damage before left it nothing to work on
                continue


def _arguments(chance: random.Random, place: Place, source: Path) -> tuple[str, ...]:
    json, way = maybe(chance, 0.3, "--json"), chance.random()
    if way < 0.4:
        return ("latency", "x.mlpackage", "--device", "iphone-12", *json)
    if way < 0.65:
        return ("inspect", "x.mlpackage", *json)
    if way < 0.75:
        return ("inspect", "x.mlpackage", "--ranges", *BRIEF, *maybe(chance, 0.3, "--all"), *json)
    if way < 0.85:
        shutil.copytree(source, place.folder / "y.mlpackage")
        names = ["x.mlpackage", "y.mlpackage"]
        chance.shuffle(names)
        return ("inspect", names[0], "--against", names[1], *BRIEF, *json)
    shutil.copy(place.corpus / "audio" / "pcm16.wav", place.folder / "a.wav")
    return ("play", "x.mlpackage", "--audio", "a.wav", "--sample-rate", "8000", *BRIEF, "-q", *json)
