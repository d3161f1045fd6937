"""A search's result as a file, and a recipe whose `"search"` gave way to what was found."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from device_profiles.record import dump_json, read_json
from packager.package import Variant
from packager.storage import lock_folder, write_text_atomically
from testpress.errors import RecipeError
from testpress.recipe import Recipe
from testpress.searching.records import SearchResult
from testpress.searching.search import Search
from testpress.searching.spec import SearchSpec
from testpress.work import Work

RESULT_NAME = "search.json"


def search_recipe(work: Work, *, command: str, minutes: float | None = None) -> SearchResult:
    """Find the best bundle for each phone, unless that is done already.

    Args:
        work: The recipe; the result is `search.json` in its output folder, beside bundles and stored results.
        command: What reproduces this.
        minutes: After which to stop; default: as the recipe says.

    Raises:
        TestpressError: The user can mend it.
    """
    path = work.out / RESULT_NAME
    written = work.recipe.written.search
    if minutes is None and written is not None:
        minutes = written.minutes
    with lock_folder(work.out):
        search = Search(work, command=command, minutes=minutes)
        known = _read_result(path)
        if known is not None and known.is_complete and known.key == search.find_key():
            return known
        result = search.run()
        write_text_atomically(path, dump_json(result))
        return result


def override_objective(recipe: Recipe, minimise: str) -> Recipe:
    """The recipe with another metric to be minimised."""
    spec = (recipe.written.search or SearchSpec()).model_copy(update={"minimise": minimise})
    return dataclasses.replace(recipe, written=recipe.written.model_copy(update={"search": spec}))


def _read_result(path: Path) -> SearchResult | None:
    """What an earlier search wrote; None where there is nothing that can be used."""
    try:
        return read_json(path, SearchResult, error=RecipeError) if path.is_file() else None
    except RecipeError:
        return None


def settle(work: Work, *, command: str, searches: bool = True) -> Work:
    """The work with what a search found in place of each `"search"` in [variants]; as it is where there is none.

    Args:
        work: The recipe.
        command: What reproduces this.
        searches: Whether to search where that was not done; else what an earlier search found is taken.

    Raises:
        TestpressError: Nothing was found to be packaged or was searched for, or the user can mend something else.
    """
    recipe = work.recipe
    if not recipe.searched:
        return work
    result = search_recipe(work, command=command) if searches else _read_result(work.out / RESULT_NAME)
    if result is None:
        raise RecipeError(
            f'{recipe.path}: [variants] says "search"; testpress search {recipe.path} finds what to package'
        )
    found = [_as_variant(name) for name in result.list_variants()]
    variants = (*recipe.variants, *(one for one in found if one.format in recipe.searched))
    if not variants:
        told = next((one.reason for one in result.options if one.state == "failed"), "nothing could be tried")
        raise RecipeError(f"{recipe.path}: the search found nothing to package: {told}")
    settled = dataclasses.replace(
        recipe,
        variants=tuple(dict.fromkeys(variants)),
        searched=(),
        meant_elsewhere={one.id: _list_meant_elsewhere(recipe, one.id, result) for one in recipe.profiles},
    )
    return dataclasses.replace(work, recipe=settled)


def _list_meant_elsewhere(recipe: Recipe, device: str, result: SearchResult) -> frozenset[str]:
    """Bundles that are not for a phone: those that the recipe says, and those that were found for others."""
    found = {name for one in result.recommendations if (name := one.variant or one.nearest) is not None}
    own = {one.variant or one.nearest for one in result.recommendations if one.device == device}
    named = device in (recipe.written.variants_for or {})  # what is made for it is said
    listed = {one.name for one in recipe.variants}
    return recipe.meant_elsewhere.get(device, frozenset()) | (found - listed if named else found - own - listed)


def _as_variant(name: str) -> Variant:
    format_, _, precision = name.partition("-")
    return Variant(format_, precision)
