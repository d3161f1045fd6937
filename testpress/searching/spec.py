"""The recipe's [search] section."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

import pydantic

from device_profiles.record import Record
from packager.formats import format_names
from reports.judging.shipping import SPEED

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


class SearchSpec(Record):
    """The recipe's [search] section."""

    minimise: str = SPEED
    """the metric that the bundle to ship has least of, among those that hold every budget, for example "size_bytes";
    one of which less is better"""
    minutes: Annotated[float, pydantic.Field(gt=0, le=30 * 24 * 60)] | None = None
    """after which a search stops with what it found; default: until nothing better can be found"""
