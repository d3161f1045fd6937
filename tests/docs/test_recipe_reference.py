"""docs/recipe.md lists every key and precision that there is, as the types have them now."""

from __future__ import annotations

from device_profiles.record import Record, read_meaning
from packager.formats import format_names, get_format
from testpress.recipe import DevicesSpec, RecipeFile, TaskSpec
from testpress.reference import write_reference
from tests.specimens import ROOT

TEXT = (ROOT / "docs" / "recipe.md").read_text(encoding="utf-8")


def test_the_page_is_what_the_types_say() -> None:
    assert write_reference() == TEXT, "python -m testpress.reference > docs/recipe.md"


def test_every_section_key_and_precision_is_in_it() -> None:
    for name in RecipeFile.model_fields:
        assert f"## `[{name}]`" in TEXT or f"## `[[{name}]]`" in TEXT
    records: tuple[type[Record], ...] = (DevicesSpec, TaskSpec)
    for record in records:
        for name in record.model_fields:
            meaning = " ".join((read_meaning(record, name) or "").split())
            assert meaning
            assert any(f"| `{name}` |" in line and meaning in line for line in TEXT.splitlines())
    for format_ in format_names():
        for precision, one in get_format(format_).precisions.items():
            assert f"| `{precision}` | {one.meaning} | {one.tolerance_db:g} dB" in TEXT


def test_every_row_has_its_four_or_five_cells() -> None:
    rows = [line for line in TEXT.splitlines() if line.startswith("|")]
    assert len(rows) > 150
    assert {line.replace("\\|", "").count("|") for line in rows} == {5, 6}
