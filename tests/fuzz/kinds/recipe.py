"""Recipes, damaged. Most name a source of which no framework can be told, so that none is loaded."""

from __future__ import annotations

import random
import shutil

from tests.fuzz.byte_damage import damage_bytes
from tests.fuzz.cases import Case, Place
from tests.fuzz.staging import maybe, pick, place_job, place_specials, read_tree
from tests.fuzz.tree_damage import damage_tree, write_toml

SHARE = 160
SECONDS = 0.1
_VERBS = ("run", "package", "evaluate", "evaluate", "check")


def make_case(chance: random.Random, place: Place) -> Case:
    tree = read_tree(pick(chance, place, "recipes"))
    if chance.random() < 0.5:
        tree.setdefault("budgets", []).append({"metric": "snr_db", "min": 30, "level": "warn", "max_rise": "2%"})
    place_job(place)
    place_specials(place.folder)
    if chance.random() < 0.2:
        data = damage_bytes(chance, write_toml(tree, place))
    else:
        data = write_toml(damage_tree(chance, tree, toml=True), place)
    (place.folder / "testpress.toml").write_bytes(data)
    verb = chance.choice(_VERBS)
    options = [*maybe(chance, 0.2, "--json"), *maybe(chance, 0.2, "--device", "pixel-8")]
    if verb == "check":
        shutil.copy(place.corpus / "evaluations" / "small.json", place.folder / "evaluation.json")
        return Case((verb, "evaluation.json", "--recipe", "testpress.toml", *maybe(chance, 0.2, "--json")))
    out = "out/evaluation.json" if verb == "evaluate" else "out"
    return Case((verb, "testpress.toml", *options, *maybe(chance, 0.3, "-o", out)))
