"""Whose voice, or which instrument: verification by the likeness of two clips' embeddings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
import pydantic

from device_profiles.record import Record
from device_profiles.text import shorten
from evaluators.chart_records import Axis, Charts, Mark
from evaluators.comparing.drawn import DrawnClips, Pairs, find_ties
from evaluators.decoding.vectors import Vector, pool_vector
from evaluators.errors import EvaluationError
from evaluators.label_columns import IDENTITY, LabelColumns
from evaluators.picture_records import Pictures
from evaluators.pictures.rate_curves import Frame, make_curve, make_point
from evaluators.task import Absent, ClipContext, Found, Metric, SideBySide, Task
from evaluators.windows import Stitched

MOST_CLIPS = 5000
"""every clip is compared with every other: twelve million trials, which take a gigabyte"""
Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.integer[Any]]


class EmbeddingOptions(Record):
    """How embeddings are made and what errors cost."""

    pool: Literal["mean", "max"] = "mean"
    """how embeddings of frames or windows become a clip's"""
    p_target: Annotated[float, pydantic.Field(gt=0, lt=1)] = 0.01
    """how likely the product finds two clips of one identity, for min_dcf"""


_COSINE, _NEIGHBOUR = "agreement_cosine", "agreement_nearest_neighbour"
_DET = Frame(
    "DET curve, pairs of clips",
    Axis(name="false accept rate", scale="probit"),
    Axis(name="miss rate", scale="probit"),
    "All pairs of clips. Axes by the normal distribution, on which likenesses that are so distributed give a straight "
    "line. Source: Martin et al., The DET curve in assessment of detection task performance, Eurospeech 1997.",
)


@dataclass(frozen=True)
class _Trials:
    """All pairs of two clips, the most alike first, cut where target trials are; all that no draw changes."""

    first: Places
    second: Places
    """the clips of each trial"""
    cuts: Places
    """where trials of the same likeness begin, and where they end, of which one is a target; from 0 on"""
    target_first: Places
    target_second: Places
    """the clips of each target trial"""
    targets_at: Places
    """of each cut, how many target trials come before it"""


class Embedding(Task):
    """Verification from the output `embedding`: one vector a clip, `(values,)`, or `(frames, values)`.

    A trial is a pair of two clips, each clip with each other once, scored by the cosine of their embeddings; a target
    trial is one of two clips of the same `identity`. At a threshold, misses are the share of target trials below it,
    false accepts the share of the others at or above it:

    - `equal_error_rate`: where both are equal, on the straight line between the two neighbouring thresholds;
    - `min_dcf`: the least over all thresholds of `p_target` x misses + (1 - `p_target`) x false accepts, divided by
      the lesser of `p_target` and 1 - `p_target`, which is the cost of deciding without listening; at most 1.
      Source: NIST 2018 Speaker Recognition Evaluation Plan, the normalised detection cost, with both costs 1.

    Intervals draw identities, each with all of its clips. A clip that is drawn twice makes no trial with its copy,
    which would be a perfect one, but counts twice in trials with others.

    Without a target trial, or without any other, neither metric has a value. Trials grow with the square of the clips:
    1000 draws of 1000 clips take some five seconds, and more than 5000 clips are refused.
    """

    Options = EmbeddingOptions
    label_keys = ("identity",)
    label_columns = MappingProxyType({"identity": LabelColumns((IDENTITY,), "value")})
    required_outputs = ("embedding",)
    metrics = MappingProxyType(
        {
            "equal_error_rate": Metric(
                "ratio",
                "lower",
                "Misses where they are as many, by share, as false accepts; all pairs of clips.",
                "dataset",
            ),
            "min_dcf": Metric(
                "ratio",
                "lower",
                "Least cost of misses and false accepts at any threshold; 1 is that of not listening.",
                "dataset",
            ),
        }
    )

    agreements = MappingProxyType(
        {
            _NEIGHBOUR: Metric(
                "ratio",
                "higher",
                "Share of the clips whose most alike other clip is the same for the bundle as for the source model.",
                "dataset",
                tolerance=0.01,
            ),
            _COSINE: Metric(
                "dimensionless",
                "higher",
                "Cosine of the angle between the bundle's embedding of a clip and the source model's.",
                tolerance=0.001,
            ),
        }
    )

    def __init__(self, options: EmbeddingOptions | None = None) -> None:
        """See `Task`."""
        super().__init__(options)
        self._drawn = DrawnClips(_compare)
        self._neighbours = DrawnClips(_find_same_neighbours)

    def parse_labels(self, line: Mapping[str, Any], clip: ClipContext) -> str:
        """Read `identity`, a name; see `Task.parse_labels`."""
        name = line["identity"]
        if not isinstance(name, str) or not name.strip():
            raise EvaluationError(f"{clip.where}: identity must be a name; found {shorten(repr(name))}")
        return name

    def label_folder(self, name: str, clip: ClipContext) -> Mapping[str, Any]:  # noqa: ARG002
        """The folder's name is the identity."""
        return {"identity": name}

    def decode(self, outputs: Mapping[str, Stitched]) -> Vector:
        """The embedding at length 1, float64; see `Task.decode`."""
        vector = pool_vector(outputs, "embedding", self.options.pool)
        largest = np.abs(vector).max()
        if largest == 0:
            raise EvaluationError("output 'embedding' is 0 throughout, which is like nothing")
        vector = vector / largest  # squares of what is very large or small are no numbers
        unit: Vector = vector / np.linalg.norm(vector)
        return unit

    def score_dataset(self, pairs: Sequence[tuple[str, Vector]]) -> Found:
        """Score all pairs of clips; see the class."""
        rates = self._find_rates(pairs)
        if isinstance(rates, Absent):
            return dict.fromkeys(self.metrics, rates)
        costs = self._find_costs(*rates)
        return {"equal_error_rate": _find_crossing(*rates)[1], "min_dcf": float(costs.min())}

    def draw_dataset(self, pairs: Sequence[tuple[str, Vector]]) -> Charts:
        """The DET curve, with the equal error rate and the least cost."""
        rates = self._find_rates(pairs)
        if isinstance(rates, Absent):
            return Charts()
        misses, false_accepts = rates
        after, equal = _find_crossing(misses, false_accepts)
        cheapest = int(np.argmin(self._find_costs(misses, false_accepts)))
        marks = [
            Mark(name="equal error rate", at=make_point(equal, equal)),
            Mark(
                name=f"least cost, p_target {self.options.p_target:g}",
                at=make_point(false_accepts[cheapest], misses[cheapest]),
            ),
        ]
        curve = make_curve(_DET, false_accepts, misses, marks=marks, keep=[after - 1, after, cheapest])
        return Charts(curves=(curve,))

    def _find_costs(self, misses: Floats, false_accepts: Floats) -> Floats:
        """The normalised detection cost at each threshold."""
        p_target = self.options.p_target
        costs: Floats = (p_target * misses + (1 - p_target) * false_accepts) / min(p_target, 1 - p_target)
        return costs

    def _find_rates(self, pairs: Sequence[tuple[str, Vector]]) -> tuple[Floats, Floats] | Absent:
        """Misses and false accepts at the thresholds that matter, the strictest first."""
        trials, counts = self._drawn.count(pairs)
        targets = np.append(0.0, (counts[trials.target_first] * counts[trials.target_second]).cumsum())
        if targets[-1] == 0:
            return Absent("no two clips are of one identity")
        # Whole numbers below 2^24, which float32 holds, in half the time.
        small = counts.astype(np.float32)
        weights = small[trials.first] * small[trials.second]
        accepted = np.append(0.0, np.add.reduceat(weights, trials.cuts, dtype=np.float64).cumsum())
        if accepted[-1] == targets[-1]:
            return Absent("no two clips are of different identities")
        accepted_targets = np.append(targets[trials.targets_at], targets[-1])
        others = accepted - accepted_targets
        # Between cuts, where there is no target trial, misses stay and false accepts rise.
        return 1 - accepted_targets / targets[-1], others / others[-1]

    def agree(self, clip: SideBySide) -> Found:
        """Of each clip, how alike its two embeddings are."""
        return {_COSINE: min(float(clip.source @ clip.estimate), 1.0)}

    def agree_dataset(self, clips: Sequence[SideBySide]) -> Found:
        """Neighbours are sought among all clips, whichever were drawn; of two clips each has only the other."""
        same, counts = self._neighbours.count([(clip, clip.estimate) for clip in clips])
        if len(same) < 3:
            return {_NEIGHBOUR: Absent("fewer than three clips, so that there is no choice of a neighbour")}
        return {_NEIGHBOUR: float(same @ counts / counts.sum())}

    def group(self, labels: str) -> str:
        """The identity."""
        return labels

    def draw(self, labels_or_estimate: str | Vector) -> Pictures:
        """The identity; an embedding shows nothing by itself."""
        return Pictures(text=labels_or_estimate[:200]) if isinstance(labels_or_estimate, str) else Pictures()


_BLOCK = 1024
"""clips whose likeness to all others is held at once"""


def _find_same_neighbours(pairs: Pairs) -> Floats:
    """Of each clip, 1 where its nearest neighbour is the same in both spaces."""
    sides = [np.stack([getattr(clip, name) for clip, _ in pairs]) for name in ("source", "estimate")]
    nearest = [np.concatenate([_find_nearest(side, start) for start in range(0, len(side), _BLOCK)]) for side in sides]
    same: Floats = (nearest[0] == nearest[1]).astype(np.float64)
    return same


def _find_nearest(vectors: Floats, start: int) -> Places:
    likeness = vectors[start : start + _BLOCK] @ vectors.T
    rows = np.arange(len(likeness))
    likeness[rows, start + rows] = -np.inf
    found: Places = likeness.argmax(axis=1)
    return found


def _compare(pairs: Pairs) -> _Trials:
    if len(pairs) > MOST_CLIPS:
        raise EvaluationError(f"{len(pairs)} clips make too many pairs; right is at most {MOST_CLIPS} clips")
    vectors = np.stack([vector for _, vector in pairs])
    _, identities = np.unique([identity for identity, _ in pairs], return_inverse=True)
    first, second = (places.astype(np.int32) for places in np.triu_indices(len(pairs), 1))
    likeness = (vectors @ vectors.T)[first, second]
    order = np.argsort(-likeness, kind="stable")
    first, second = first[order], second[order]
    targets = np.flatnonzero(identities[first] == identities[second])
    ends = np.flatnonzero(find_ties(likeness[order]))
    tie = np.searchsorted(ends, targets)
    cuts = np.unique(np.concatenate([[0], np.where(tie > 0, ends[tie - 1] + 1, 0), ends[tie] + 1]))
    cuts = cuts[cuts < max(len(first), 1)]  # after the last trial there is nothing to cut
    return _Trials(first, second, cuts, first[targets], second[targets], np.searchsorted(targets, cuts))


def _find_crossing(misses: Floats, false_accepts: Floats) -> tuple[int, float]:
    """Where falling misses meet rising false accepts, each a straight line between two places; the second of them."""
    gap = misses - false_accepts  # from 1 to -1
    after = int(np.argmax(gap <= 0))
    share = gap[after - 1] / (gap[after - 1] - gap[after])
    return after, float(misses[after - 1] + share * (misses[after] - misses[after - 1]))


TASK = Embedding
