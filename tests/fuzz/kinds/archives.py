"""Model files that are archives: damaged, bent inside, blown up, two formats at once, and hostile ones as they are.

Nothing is trusted. What one of them writes lies in the home folder or at the canary place, which is seen.
"""

from __future__ import annotations

import functools
import io
import json
import random
import shutil
import warnings
import zipfile
from pathlib import Path

from tests.fuzz.archives import keep_archives as prepare
from tests.fuzz.byte_damage import damage_bytes
from tests.fuzz.cases import Case, Place
from tests.fuzz.oddities import odd_text
from tests.fuzz.staging import maybe, read, read_tree
from tests.fuzz.tree_damage import damage_tree, write_json, write_toml

SHARE = 17
SECONDS = 6.0
_BOMB_BYTES = 1 << 30
_EPOCH = (1980, 1, 1, 0, 0, 0)


@functools.cache
def _files() -> tuple[Path, ...]:
    return tuple(sorted(path for path in prepare().iterdir() if not path.name.startswith(".")))


def make_case(chance: random.Random, place: Place) -> Case:
    source = chance.choice(_files())
    target = place.folder / source.name
    if source.is_dir():
        shutil.copytree(source, target)
        _damage_folder(chance, target)
    else:
        target = target.with_suffix(_suffix(chance, source))
        target.write_bytes(_damage_file(chance, source, place))
    recipe = read_tree(place.corpus / "recipes" / "notes.json")
    recipe = {"model": {**recipe["model"], "source": target.name, "outputs": {}}, "variants": {"tflite": ["float32"]}}
    if source.suffix == ".pt":  # TorchScript knows no shapes
        recipe["model"]["inputs"] = {"x": {"shape": [1, 64]}}
    if chance.random() < 0.3:
        recipe["variants"] = {"coreml": ["float32"]}
    (place.folder / "testpress.toml").write_bytes(write_toml(recipe, place))
    return Case(("package", "testpress.toml", *maybe(chance, 0.3, "--json"), "-o", "out"))


def _suffix(chance: random.Random, source: Path) -> str:
    return source.suffix if chance.random() < 0.85 else chance.choice((".keras", ".h5", ".pt", ".pt2", ".hdf5", ".jit"))


def _damage_file(chance: random.Random, source: Path, place: Place) -> bytes:
    data, way = read(source), chance.random()
    if source.name.startswith("hostile") and way < 0.5:
        return data
    if zipfile.is_zipfile(source) and way < 0.6:
        return _bend_zip(chance, data, place)
    if way < 0.75:
        other = chance.choice([read(path) for path in _files() if path.is_file()])
        return data + other if chance.random() < 0.6 else other[:512] + data
    return damage_bytes(chance, data)


def _bend_zip(chance: random.Random, data: bytes, place: Place) -> bytes:
    """The same archive with a member bent, named otherwise, twice, or blown up."""
    written = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(written, "w") as new:
        warnings.simplefilter("ignore", UserWarning)  # of a name that is there twice
        chosen, way = chance.choice(old.namelist()), chance.randrange(12) // 2
        if way == 2 and chance.random() < 0.5:  # a gibibyte of zeros takes seconds to press
            way = 5
        for name in old.namelist():
            content = old.read(name)
            if name != chosen:
                new.writestr(_entry(name), content)
                continue
            if way == 0:
                new.writestr(_entry(odd_text(chance).replace("\ud800", "").replace("\udcff", "") or "x"), content)
            elif way == 1:
                new.writestr(_entry(name), content)
                new.writestr(_entry(name), damage_bytes(chance, content))
            elif way == 2:
                new.writestr(_entry(name), bytes(_BOMB_BYTES), zipfile.ZIP_DEFLATED, 1)
            elif way < 5:
                new.writestr(_entry(name), _bend_member(chance, content, place))
    return written.getvalue()


def _entry(name: str) -> zipfile.ZipInfo:
    return zipfile.ZipInfo(name, _EPOCH)


def _bend_member(chance: random.Random, content: bytes, place: Place) -> bytes:
    try:
        return write_json(damage_tree(chance, json.loads(content)), place)
    except ValueError:
        return damage_bytes(chance, content)


def _damage_folder(chance: random.Random, folder: Path) -> None:
    if folder.name.startswith("hostile") and chance.random() < 0.5:
        return
    path = chance.choice(sorted(path for path in folder.rglob("*") if path.is_file()))
    way, data = chance.randrange(5), path.read_bytes()
    if way == 0:
        path.unlink()
    elif way == 1:
        path.unlink()
        path.symlink_to(chance.choice(("/dev/zero", "../../../../../../secret.txt", path.name)))
    else:
        path.write_bytes(damage_bytes(chance, data))
