from __future__ import annotations

import numpy as np
import pytest

from evaluators.evaluation import ClipScores
from evaluators.pictures.curves import MAX_VALUES, draw_curves, keep_curves
from evaluators.windows import Stitched
from packager.model import OutputSpec


def _stitched(values: np.ndarray) -> Stitched:
    return Stitched(values, np.arange(len(values)) * 0.01)


def test_outputs_with_one_value_a_frame_are_drawn_and_others_are_not() -> None:
    outputs = {
        "speech": _stitched(np.array([0.0, 0.25, 1.0], np.float32)),
        "pitch": _stitched(np.array([[100.0], [np.nan], [200.0]])),
        "note": _stitched(np.zeros((3, 88))),
        "embedding": _stitched(np.zeros(3)),
        "unnamed": _stitched(np.zeros(3)),
    }
    specs = {
        "speech": OutputSpec(axes=("frame",)),
        "pitch": OutputSpec(axes=("frame", "value")),
        "note": OutputSpec(axes=("frame", "pitch")),
        "embedding": OutputSpec(axes=("feature",)),
        "unnamed": OutputSpec(),
    }
    speech, pitch = draw_curves(outputs, specs)
    assert (speech.output, speech.start_s, speech.values) == ("speech", 0.0, (0.0, 0.25, 1.0))
    assert speech.step_s == pytest.approx(0.01)
    assert pitch.values == (100.0, None, 200.0)


def test_thinning_keeps_every_spike_in_its_place() -> None:
    values = np.zeros(10_001)
    values[7_000], values[7_002] = 1.0, -1.0
    (curve,) = draw_curves({"speech": _stitched(values)}, {"speech": OutputSpec(axes=("frame",))})
    assert len(curve.values) == MAX_VALUES
    spikes = {value: number for number, value in enumerate(curve.values) if value}
    assert list(spikes) == [1.0, -1.0]
    assert curve.step_s * spikes[1.0] == pytest.approx(70.0, abs=2 * curve.step_s)


def test_one_frame_is_no_curve() -> None:
    assert draw_curves({"speech": _stitched(np.ones(1))}, {"speech": OutputSpec(axes=("frame",))}) == ()


def test_only_clips_that_are_shown_keep_their_curves() -> None:
    curves = draw_curves({"speech": _stitched(np.ones(3))}, {"speech": OutputSpec(axes=("frame",))})
    clips = tuple(ClipScores(clip=name, scores={}, curves=curves) for name in ("a", "b"))
    assert [len(clip.curves) for clip in keep_curves(clips, frozenset({"b"}))] == [0, 1]
