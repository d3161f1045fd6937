"""Damage to structured text: trees of dictionaries and lists, bent and written as JSON or TOML."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from typing import Any

from tests.fuzz.cases import Place
from tests.fuzz.oddities import JSON_TOKENS, SECRET_PATH, TOML_TOKENS, VICTIM_PATH, Raw, odd_text, odd_value

_AGAIN = "@again@"
"""before a key that is to stand there twice"""


def damage_tree(chance: random.Random, tree: Any, *, toml: bool = False, bends: int | None = None) -> Any:
    """A copy of a tree with one or some of its places bent; half of the time each keeps its type."""
    tree, tokens = copy.deepcopy(tree), TOML_TOKENS if toml else JSON_TOKENS
    bend = chance.choice((_bend, _bend_gently))
    for _ in range(chance.choice((1, 1, 1, 1, 2, 2, 4)) if bends is None else bends):
        places = [*_places(tree)]
        if not places:
            break
        # Deep places are many; a place is chosen by its depth first, so that the outer ones are not left alone.
        depth = chance.choice(sorted({depth for depth, _, _ in places}))
        _, container, key = chance.choice([place for place in places if place[0] == depth])
        bend(chance, container, key, tokens)
    return tree


def _places(tree: Any, depth: int = 0) -> Iterator[tuple[int, Any, Any]]:
    keys = list(tree) if isinstance(tree, dict) else range(len(tree)) if isinstance(tree, list) else ()
    for key in keys:
        yield depth, tree, key
        yield from _places(tree[key], depth + 1)


def _bend(chance: random.Random, container: Any, key: Any, tokens: tuple[str, ...]) -> None:
    way = chance.randrange(10)
    if way == 0:
        del container[key]
    elif way == 1 and isinstance(container, dict):
        container[odd_text(chance)] = container.pop(key) if chance.random() < 0.7 else container[key]
    elif way == 2 and isinstance(container, dict):
        container[f"{_AGAIN}{key}"] = container[key] if chance.random() < 0.5 else odd_value(chance, tokens)
    elif way == 2:
        container.insert(key, copy.deepcopy(container[key]))
    elif way == 3 and isinstance(container[key], list) and container[key]:
        container[key] = container[key] * chance.choice((2, 3, 50))
    elif way == 4 and isinstance(container[key], str):
        at = chance.randrange(len(container[key]) + 1)
        container[key] = container[key][:at] + odd_text(chance) + container[key][at:]
    elif way == 5 and isinstance(container[key], int | float):
        container[key] = chance.choice((-container[key], container[key] * 2, container[key] * 1e6, str(container[key])))
    else:
        container[key] = odd_value(chance, tokens)


def _bend_gently(chance: random.Random, container: Any, key: Any, tokens: tuple[str, ...]) -> None:
    """What a reader that looks only at types lets through."""
    value = container[key]
    if isinstance(value, bool):
        container[key] = not value
    elif isinstance(value, str):
        at = chance.choice((0, len(value), chance.randrange(len(value) + 1)))
        text = odd_text(chance)
        container[key] = chance.choice((text, f"{value[:at]}{text}{value[at:]}"))
    elif isinstance(value, int):
        container[key] = Raw(chance.choice([token for token in tokens if token.lstrip("-").isdigit()]))
    elif isinstance(value, float):
        container[key] = Raw(chance.choice([token for token in tokens if token.strip("-.e+0123456789") == ""]))
    elif isinstance(value, list):
        container[key] = chance.choice((value[1:], value[::-1], value * 2, value[:1] * chance.choice((2, 20)), []))
    elif isinstance(value, dict) and value:
        name = chance.choice(list(value))
        value[chance.choice((odd_text(chance), f"{name} ", f"{name}{odd_text(chance)}"))] = value.pop(name)


def write_json(tree: Any, place: Place, *, indent: int | None = None, ascii_only: bool = True) -> bytes:
    """A tree as JSON, raw tokens and doubled keys as they are; not `ascii_only`, half a pair of UTF-16 is no UTF-8."""
    return _fill(json.dumps(_mark(tree), indent=indent, ensure_ascii=ascii_only), place)


def write_toml(tree: dict[str, Any], place: Place) -> bytes:
    """A tree as TOML; what TOML cannot say (null, a value where a table must be) is written as it would be in JSON."""
    return _fill("".join(_tables(_mark(tree), "")), place)


def _tables(table: dict[str, Any], name: str) -> Iterator[str]:
    plain = {key: value for key, value in table.items() if not _is_table(value)}
    if name:
        yield f"[{name}]\n"
    for key, value in plain.items():
        yield f"{_key(key)} = {_inline(value)}\n"
    for key, value in table.items():
        full = f"{name}.{_key(key)}" if name else _key(key)
        if isinstance(value, dict):
            yield from _tables(value, full)
        elif _is_table(value):
            for item in value:
                yield from (line.replace(f"[{full}]", f"[[{full}]]", 1) for line in _tables(item, full))


def _is_table(value: Any) -> bool:
    return isinstance(value, dict) or (
        isinstance(value, list) and bool(value) and all(isinstance(item, dict) for item in value)
    )


def _key(key: str) -> str:
    bare = key.removeprefix(_AGAIN)
    return bare if bare.isascii() and bare.replace("_", "").replace("-", "").isalnum() else _quote(bare)


def _inline(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_inline, value))}]"
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{_key(key)} = {_inline(item)}' for key, item in value.items())} }}"
    return _quote(value)


def _quote(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _mark(tree: Any) -> Any:
    if isinstance(tree, Raw):
        return f"@raw@{tree.token.encode().hex()}@"
    if isinstance(tree, dict):
        return {key: _mark(value) for key, value in tree.items()}
    return [_mark(item) for item in tree] if isinstance(tree, list) else tree


def _fill(text: str, place: Place) -> bytes:
    text = text.replace(f'"{_AGAIN}', '"')
    text = text.replace(SECRET_PATH, str(place.secret)).replace(VICTIM_PATH, str(place.victim))
    first, *parts = text.split('"@raw@')
    for part in parts:
        token, _, rest = part.partition('@"')
        first += bytes.fromhex(token).decode() + rest
    return first.encode("utf-8", "surrogatepass")
