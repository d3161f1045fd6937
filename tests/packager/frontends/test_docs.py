"""`docs/frontends.md`: its presets are those that are held against the libraries, and it names every field."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pydantic
import pytest

from packager.frontend_spec import FrontendSpec, LogMelSpec, MfccSpec
from tests.packager.frontends.settings import SETTINGS, make_spec

TEXT = (Path(__file__).parents[3] / "docs" / "frontends.md").read_text(encoding="utf-8")
PRESETS = dict(re.findall(r"```toml\n# (\w+)\n(\[frontend\]\n.*?)```", TEXT, re.DOTALL))


def test_there_is_a_preset_for_each_library() -> None:
    assert set(PRESETS) == {"librosa_db", "kaldi_fbank", "whisper_80"}


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_what_is_tested(name: str) -> None:
    said = tomllib.loads(PRESETS[name])["frontend"]
    adapter: pydantic.TypeAdapter[LogMelSpec] = pydantic.TypeAdapter(FrontendSpec)
    assert adapter.validate_python({**said, "axes": tuple(said["axes"])}) == make_spec(SETTINGS[name])


@pytest.mark.parametrize("field", sorted({*LogMelSpec.model_fields, *MfccSpec.model_fields}))
def test_every_field_is_explained(field: str) -> None:
    assert re.search(rf"^\|[^|]*`{field}`", TEXT, re.MULTILINE)
