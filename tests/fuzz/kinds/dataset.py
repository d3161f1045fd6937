"""A dataset's lines, damaged; its audio is good. The source fails only after all of it was read."""

from __future__ import annotations

import copy
import random
from typing import Any

from tests.fuzz.byte_damage import damage_bytes
from tests.fuzz.cases import Case, Place
from tests.fuzz.staging import CLIPS, maybe, place_job, place_specials, read_tree
from tests.fuzz.tree_damage import damage_tree, write_json

SHARE = 60
SECONDS = 0.8


def make_case(chance: random.Random, place: Place) -> Case:
    recipe = read_tree(place.corpus / "recipes" / "notes.json")
    if chance.random() < 0.3:
        recipe["task"]["kind"] = "parity"
    place_job(place, recipe)
    place_specials(place.folder)
    lines = _lines(chance, place, plain=recipe["task"]["kind"] == "parity")
    data = chance.choice((b"\n", b"\n", b"\n", b"\r\n", b"\n\n", b"\r")).join(lines)
    if chance.random() < 0.2:
        data = damage_bytes(chance, data)
    (place.folder / "clips.jsonl").write_bytes(data)
    verb = chance.choice(("evaluate", "run", "package"))
    return Case((verb, "testpress.toml", *maybe(chance, 0.2, "--json"), *maybe(chance, 0.3, "-q")))


def _lines(chance: random.Random, place: Place, *, plain: bool) -> list[bytes]:
    lines: list[Any] = [copy.deepcopy(line) for line in CLIPS]
    if plain:
        for line in lines:
            del line["notes"]
    if chance.random() < 0.1:
        lines *= chance.choice((2, 30, 1000))
    bent = {chance.randrange(len(lines)) for _ in range(chance.choice((1, 1, 2, 25)))}
    return [
        write_json(
            damage_tree(chance, [line])[:1] if number in bent else [line], place, ascii_only=chance.random() < 0.7
        )[1:-1]
        for number, line in enumerate(lines)
    ]
