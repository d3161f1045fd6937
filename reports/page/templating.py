"""The pages' templates, styles and scripts, and the rules by which Jinja fills them in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import resources
from typing import Any

import jinja2


def read_template(name: str) -> str:
    """The text of a file in `templates/`."""
    return resources.files("reports.page").joinpath("templates", name).read_text(encoding="utf-8")


def make_environment(filters: Mapping[str, Callable[..., Any]], shared: Mapping[str, Any]) -> jinja2.Environment:
    """What renders a page: all text is escaped, and a name that is not there is a fault.

    Args:
        filters: Of the page, beside Jinja's own.
        shared: What every template and macro of the page sees.
    """
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(read_template),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= filters
    environment.globals |= shared
    return environment
