"""TFLite files, damaged by bytes and by fields."""

from __future__ import annotations

import random
import shutil

from tests.fuzz.byte_damage import damage_bytes
from tests.fuzz.cases import Case, Place
from tests.fuzz.staging import BRIEF, files_of, maybe, pick, read
from tests.fuzz.tflite_damage import damage_model

SHARE = 105
_LARGE = 10_000
SECONDS = 1.0


def make_case(chance: random.Random, place: Place) -> Case:
    path = pick(chance, place, "tflite")
    others = [read(other) for other in files_of(place.corpus, "tflite") if other.stat().st_size < _LARGE]
    data = read(path)
    by_fields = chance.random() < (0.6 if len(data) < _LARGE else 0.1)  # to write a large one anew takes a second
    data = damage_model(chance, data) if by_fields else damage_bytes(chance, data, others)
    (place.folder / "x.tflite").write_bytes(data)
    json, way = maybe(chance, 0.3, "--json"), chance.random()
    if way < 0.4:
        return Case(("latency", "x.tflite", "--device", "pixel-8", *maybe(chance, 0.3, "--all"), *json))
    if way < 0.6:
        return Case(("inspect", "x.tflite", *json))
    if way < 0.7:
        return Case(("inspect", "x.tflite", "--ranges", *BRIEF, *json))
    shutil.copy(place.corpus / "audio" / "pcm16.wav", place.folder / "a.wav")
    rate = ["--sample-rate", chance.choice(("8000", "8000", "22050", "1"))]
    return Case(("play", "x.tflite", "--audio", "a.wav", *rate, *BRIEF, *maybe(chance, 0.3, "-o", "out"), "-q", *json))
