"""Audio files, damaged: heard by an evaluation, or by `play`."""

from __future__ import annotations

import random
import shutil

from tests.fuzz.byte_damage import damage_bytes
from tests.fuzz.cases import Case, Place
from tests.fuzz.staging import files_of, maybe, pick, place_job, read, read_tree

SHARE = 60
SECONDS = 0.8
_HEAD = 64
"""bytes; where the headers of most formats lie"""


def make_case(chance: random.Random, place: Place) -> Case:
    path = pick(chance, place, "audio")
    others = [read(other) for other in files_of(place.corpus, "audio")]
    data = damage_bytes(chance, read(path), others, head=_HEAD)
    name = chance.choice((f"a{path.suffix}", f"a{path.suffix}", f"a{path.suffix}", "a.wav", "a.mp3", "a.raw", "a"))
    recipe = read_tree(place.corpus / "recipes" / "notes.json")
    if chance.random() < 0.2:
        recipe["audio"]["sample_rate_hz"] = chance.choice((1, 7, 44100, 192000))
    if chance.random() < 0.1:
        recipe["audio"] |= {"channels": 2}
    place_job(place, recipe)
    (place.folder / name).write_bytes(data)
    if chance.random() < 0.93:
        (place.folder / "clips.jsonl").write_text(f'{{"audio": "{name}", "notes": []}}\n')
        verb = chance.choice(("evaluate", "run"))
        return Case((verb, "testpress.toml", *maybe(chance, 0.2, "--json"), "-q"))
    shutil.copy(place.corpus / "tflite" / "gain.tflite", place.folder)
    contract = chance.choice((["--sample-rate", "8000"], ["--recipe", "testpress.toml"]))
    return Case(("play", "gain.tflite", "--audio", name, *contract, *maybe(chance, 0.3, "--json")))
