"""The recipe's [search] section."""

from __future__ import annotations

from typing import Annotated

import pydantic

from device_profiles.record import Record
from reports.judging.shipping import SPEED

SEARCH = "search"
"""what stands in [variants] in place of precisions, where they are to be searched for"""


class SearchSpec(Record):
    """The recipe's [search] section."""

    minimise: str = SPEED
    """the metric that the bundle to ship has least of, among those that hold every budget, for example "size_bytes";
    one of which less is better"""
    minutes: Annotated[float, pydantic.Field(gt=0, le=30 * 24 * 60)] | None = None
    """after which a search stops with what it found; default: until nothing better can be found"""
