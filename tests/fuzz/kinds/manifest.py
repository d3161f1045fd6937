"""A bundle's manifest, damaged, or a bundle whose files are not what it says."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

from tests.fuzz.byte_damage import damage_bytes
from tests.fuzz.cases import Case, Place
from tests.fuzz.staging import BRIEF, maybe, place_job, place_specials, read, read_tree
from tests.fuzz.tree_damage import damage_tree, write_json

SHARE = 90
SECONDS = 0.45


def make_case(chance: random.Random, place: Place) -> Case:
    bundle = chance.choice(("tflite", "tflite", "tflite", "coreml"))
    folder = place.folder / "bundle"
    shutil.copytree(place.corpus / "bundles" / bundle, folder)
    place_specials(place.folder)
    way = chance.random()
    if way < 0.15:
        (folder / "manifest.json").write_bytes(
            damage_bytes(chance, read(place.corpus / "bundles" / bundle / "manifest.json"))
        )
    elif way < 0.9:
        tree = damage_tree(chance, read_tree(place.corpus / "bundles" / bundle / "manifest.json"))
        (folder / "manifest.json").write_bytes(write_json(tree, place, ascii_only=chance.random() < 0.8))
    else:
        _damage_files(chance, folder, place)
    return Case(_arguments(chance, place))


def _damage_files(chance: random.Random, folder: Path, place: Place) -> None:
    path = chance.choice(sorted(path for path in folder.rglob("*") if path.is_file()))
    way = chance.randrange(4)
    data = path.read_bytes()
    path.unlink()
    if way == 0:
        path.symlink_to(chance.choice((place.secret, place.folder / "fifo", place.folder / "loop", Path("/dev/zero"))))
    elif way == 1:
        path.write_bytes(damage_bytes(chance, data))
    elif way == 2:
        path.mkdir()


def _arguments(chance: random.Random, place: Place) -> tuple[str, ...]:
    json, way = maybe(chance, 0.3, "--json"), chance.random()
    if way < 0.45:
        shutil.copytree(place.corpus / "bundles" / "tflite", place.folder / "other")
        names = ["bundle", "other"]
        chance.shuffle(names)
        return ("diff", *names, *maybe(chance, 0.3, "--all"), *json)
    if way < 0.65:
        return ("verify", "bundle", *json)
    if way < 0.75:
        return ("inspect", "bundle", *json)
    place_job(place)
    if way < 0.85:
        return ("evaluate", "testpress.toml", "bundle", *json)
    if way < 0.93:
        return ("latency", "bundle", "--device", chance.choice(("pixel-8", "iphone-12")), *json)
    return ("play", "bundle", "--audio", "a.wav", *BRIEF, *maybe(chance, 0.3, "-o", "out"), *json)
