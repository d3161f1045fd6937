"""Evaluations, damaged: reported, checked, compared."""

from __future__ import annotations

import random
import shutil

from tests.fuzz.byte_damage import damage_bytes
from tests.fuzz.cases import Case, Place
from tests.fuzz.staging import files_of, maybe, pick, read, read_tree
from tests.fuzz.tree_damage import damage_tree, write_json

SHARE = 160
SECONDS = 0.1


def make_case(chance: random.Random, place: Place) -> Case:
    name = chance.choice(("small.json", "small.json", "small.json", "v1.json", "hostile.json"))
    path = place.corpus / "evaluations" / name
    if chance.random() < 0.15:
        data = damage_bytes(chance, read(path), [read(other) for other in files_of(place.corpus, "evaluations")])
    else:
        data = write_json(damage_tree(chance, read_tree(path)), place, ascii_only=chance.random() < 0.8)
    (place.folder / "evaluation.json").write_bytes(data)
    shutil.copy(pick(chance, place, "evaluations") if chance.random() < 0.1 else path, place.folder / "other.json")
    return Case(_arguments(chance), environment={"GITHUB_ACTIONS": "true"} if chance.random() < 0.3 else {})


def _arguments(chance: random.Random) -> tuple[str, ...]:
    json, files = maybe(chance, 0.3, "--json"), ["evaluation.json", "other.json"]
    chance.shuffle(files)
    way = chance.randrange(6)
    if way < 2:
        return ("check", "evaluation.json", *json)
    if way == 2:
        return ("check", files[0], "--baseline", files[1], *json)
    if way == 3:
        return ("diff", *files, *maybe(chance, 0.3, "--all"), *json)
    return ("report", files[0], *maybe(chance, 0.5, "--baseline", files[1]), *maybe(chance, 0.5, "-o", "out"), *json)
