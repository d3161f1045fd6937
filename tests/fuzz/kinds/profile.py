"""A phone's profile, damaged: shown, and predicted for."""

from __future__ import annotations

import random
import shutil
import tomllib

from tests.fuzz.byte_damage import damage_bytes
from tests.fuzz.cases import Case, Place
from tests.fuzz.staging import files_of, maybe, pick, place_job, read, read_tree
from tests.fuzz.tree_damage import damage_tree, write_toml

SHARE = 150
SECONDS = 0.05


def make_case(chance: random.Random, place: Place) -> Case:
    path = pick(chance, place, "profiles")
    if chance.random() < 0.25:
        others = [read(other) for other in files_of(place.corpus, "profiles")]
        data = damage_bytes(chance, read(path), others)
    else:
        data = write_toml(damage_tree(chance, tomllib.loads(read(path).decode()), toml=True), place)
    name = chance.choice((path.name, path.name, path.name, "x.toml"))
    (place.folder / name).write_bytes(data)
    way = chance.random()
    if way < 0.8:
        return Case(("devices", name, *maybe(chance, 0.3, "--json")))
    if way < 0.9:
        recipe = read_tree(place.corpus / "recipes" / "notes.json")
        recipe["devices"]["ids"] = [name]
        place_job(place, recipe)
        return Case(("package", "testpress.toml", *maybe(chance, 0.3, "--json")))
    shutil.copy(place.corpus / "tflite" / "features.tflite", place.folder)
    return Case(("latency", "features.tflite", "--device", f"./{name}", *maybe(chance, 0.3, "--json")))
