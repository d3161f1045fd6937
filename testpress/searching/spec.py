"""The recipe's [search] section."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import pydantic

from device_profiles.record import Record
from packager.formats import format_names
from reports.judging.shipping import SPEED
from testpress.errors import RecipeError

SEARCH = "search"
"""what stands in [variants] in place of precisions, where they are to be searched for"""


Written = Mapping[str, Literal["search"] | tuple[str, ...]]


def split_searched(variants: Written | None) -> tuple[dict[str, tuple[str, ...]] | None, tuple[str, ...]]:
    """[variants] as far as it lists precisions, unknown formats too, and the formats that are to be searched."""
    if variants is None:
        return None, ()
    searched = tuple(name for name, words in variants.items() if words == SEARCH and name in format_names())
    rest = {name: words for name, words in variants.items() if name not in searched}
    return {name: (words,) if isinstance(words, str) else words for name, words in rest.items()}, searched


def refuse_unsettled(path: Path, searched: tuple[str, ...]) -> None:
    """Refuse a recipe of which it is not known yet what is to be packaged, see `settling.py`.

    Raises:
        RecipeError: A format is still to be searched.
    """
    if searched:
        named = ", ".join(f"variants.{name}" for name in searched)
        raise RecipeError(f'{path}: {named} is "search": run testpress search first')


class SearchSpec(Record):
    """The recipe's [search] section."""

    minimise: str = SPEED
    """the metric that the bundle to ship has least of, among those that hold every budget, for example "size_bytes";
    one of which less is better"""
    minutes: Annotated[float, pydantic.Field(gt=0, le=30 * 24 * 60)] | None = None
    """after which a search stops with what it found; default: until nothing better can be found"""
