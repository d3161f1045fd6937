"""TFLite files, damaged."""

from __future__ import annotations

import random
import shutil

from tests.fuzz.byte_damage import damage_bytes
from tests.fuzz.cases import Case, Place
from tests.fuzz.staging import files_of, maybe, pick, read

SHARE = 120
SECONDS = 0.7


def make_case(chance: random.Random, place: Place) -> Case:
    path = pick(chance, place, "tflite")
    others = [read(other) for other in files_of(place.corpus, "tflite") if other.stat().st_size < 10_000]
    (place.folder / "x.tflite").write_bytes(damage_bytes(chance, read(path), others))
    json, way = maybe(chance, 0.3, "--json"), chance.random()
    if way < 0.4:
        return Case(("latency", "x.tflite", "--device", "pixel-8", *maybe(chance, 0.3, "--all"), *json))
    if way < 0.7:
        return Case(("inspect", "x.tflite", *json))
    shutil.copy(place.corpus / "audio" / "pcm16.wav", place.folder / "a.wav")
    rate = ["--sample-rate", chance.choice(("8000", "8000", "22050", "1"))]
    return Case(("play", "x.tflite", "--audio", "a.wav", *rate, *maybe(chance, 0.3, "-o", "out"), "-q", *json))
