from __future__ import annotations

from pathlib import Path

from evaluators.datasets.builtin.catalog.instrument_samples import InstrumentSamples
from evaluators.datasets.builtin.collection import CollectionOptions
from tests.evaluators.datasets.builtin.fake_archives import wav, write_deb


def test_the_class_is_what_a_name_begins_with(tmp_path: Path) -> None:
    names = ("ambi_choir", "bd_808", "sn_dub", "unknown_x")
    root = "./usr/share/sonic-pi/samples"
    path = write_deb(tmp_path / "s.deb", {f"{root}/{name}.flac": wav(format_="FLAC") for name in names})
    clips = InstrumentSamples().make_clips(CollectionOptions(), {"sonic-pi-samples": path})
    assert {clip.name: dict(clip.labels) for clip in clips} == {
        "ambi_choir": {"labels": ["ambience"], "tags": ["ambience"]},
        "bd_808": {"labels": ["bass_drum"], "tags": ["bass_drum"]},
        "sn_dub": {"labels": ["snare"], "tags": ["snare"]},
        "unknown_x": {},
    }
