"""What the baseline's bundles made of the clips that are shown now."""

from __future__ import annotations

from dataclasses import dataclass, field

from evaluators.evaluation import ClipScores, VariantResult
from reports.judging.comparison import Comparison


@dataclass(frozen=True)
class EarlierClips:
    """The baseline's clips by bundle; nothing where there is no baseline, or its clips are others.

    Attributes:
        clips: Bundle → clip → what the baseline's bundle made of it.
        names: Bundle → the baseline's, where that has another name.
    """

    clips: dict[str, dict[str, ClipScores]] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)

    def find(self, variant: str, clip: str) -> ClipScores | None:
        """A clip under the baseline's bundle."""
        return self.clips.get(variant, {}).get(clip)

    def loss(self, variant: str, now: ClipScores | None, metric: str) -> float:
        """By how much a clip is worse than in the baseline; 0 where it is not, or there is no such number."""
        before = None if now is None else self.find(variant, now.clip)
        pair = [None if one is None else one.scores.get(metric) for one in (before, now)]
        first, second = (None if score is None else score.goodness for score in pair)
        return 0.0 if first is None or second is None else max(first - second, 0.0)


def list_earlier_clips(report: Comparison) -> EarlierClips:
    """Those of bundles of one name; of a bundle that took the place of a single one that is gone, those of that one."""
    baseline, evaluation = report.baseline, report.evaluation
    if baseline is None or baseline.dataset.sha256 != evaluation.dataset.sha256:
        return EarlierClips()
    old = {variant.variant: variant for variant in baseline.variants}
    new = {variant.variant for variant in evaluation.variants}
    clips, names = {}, {}
    for variant in evaluation.variants:
        earlier = old.get(variant.variant) or _find_predecessor(variant, report, new)
        if earlier is None or not earlier.clips:
            continue
        clips[variant.variant] = {clip.clip: clip for clip in earlier.clips}
        if earlier.variant != variant.variant:
            names[variant.variant] = earlier.variant
    return EarlierClips(clips, names)


def _find_predecessor(variant: VariantResult, report: Comparison, new: set[str]) -> VariantResult | None:
    assert report.baseline is not None
    known = {one.variant for one in report.baseline.variants}
    come = [one for one in report.evaluation.variants if one.variant not in known and one.format == variant.format]
    gone = [one for one in report.baseline.variants if one.variant not in new and one.format == variant.format]
    return gone[0] if len(come) == len(gone) == 1 else None
