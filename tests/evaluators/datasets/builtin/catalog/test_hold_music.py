from __future__ import annotations

from pathlib import Path

from evaluators.datasets.builtin.catalog.hold_music import HoldMusic
from evaluators.datasets.builtin.collection import CollectionOptions
from tests.evaluators.datasets.builtin.fake_archives import wav, write_deb


def test_recordings_are_cut_into_whole_pieces(tmp_path: Path) -> None:
    files = {f"./usr/share/asterisk/moh/{name}.wav": wav(seconds) for name, seconds in (("a", 25.0), ("b", 3.0))}
    path = write_deb(tmp_path / "moh.deb", files)
    clips = list(HoldMusic().make_clips(CollectionOptions(), {"asterisk-moh-opsound-wav": path}))
    assert [(clip.name, len(clip.samples), dict(clip.labels)) for clip in clips] == [
        ("a/00", 80_000, {"tags": ["a"]}),
        ("a/01", 80_000, {"tags": ["a"]}),
    ]
    (first,) = HoldMusic().make_clips(CollectionOptions(clips=1), {"asterisk-moh-opsound-wav": path})
    assert first.name == "a/00"
