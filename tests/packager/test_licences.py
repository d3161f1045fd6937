from __future__ import annotations

from pathlib import Path

import pytest

from packager.errors import PackagingError
from packager.licences import read_license


def test_the_file_that_a_recipe_names_comes_first(tmp_path: Path) -> None:
    (tmp_path / "L").write_text("mine\n")
    assert read_license(tmp_path / "L", ("pkg://pydantic/main.py",)) == "mine\n"
    with pytest.raises(PackagingError, match=r"none: no such file"):
        read_license(tmp_path / "none", ())


def test_a_package_hands_its_own_on() -> None:
    found = read_license(None, ("python:m:f", "pkg://pydantic/main.py"))
    assert found is not None and "MIT License" in found


@pytest.mark.parametrize("uris", [(), ("models/x.pt", ""), ("pkg://no_such_package/x",)])
def test_none_where_none_is_known(uris: tuple[str, ...]) -> None:
    assert read_license(None, uris) is None
