"""What can be heard of the clips that lost most: chosen once all was played, kept by one more short play of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from evaluators.comparing.ranking import order_by_loss
from evaluators.evaluation import MAX_ABS_ERROR, ClipScores, DatasetInfo, SourceResult, VariantResult
from evaluators.playing.listening import ListenResult, add_tracks
from evaluators.playing.schedule import Outcome, TrialSetup, listen_all
from evaluators.playing.trial import TrialEvent

MAX_HEARD_CLIPS = 4
MAX_HEARD_BUNDLES = 6
_SOURCE = "source"
_STAGE = "keep the sound"
OnProgress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Heard:
    """What an evaluation found, of which some can be heard."""

    dataset: DatasetInfo
    source: SourceResult
    variants: tuple[VariantResult, ...]


def add_sound(
    found: Heard,
    shown: Sequence[str],
    models: Mapping[str, Path],
    setup: TrialSetup,
    on_progress: OnProgress,
) -> Heard:
    """What was found, with sound of the clips that lost most under the bundles that lost most on them.

    A model that fails at this has none, and a notice; its scores stand.

    Args:
        found: What was found.
        shown: The clips that a report shows, the worst first.
        models: The bundles that played, by their rows' names.
        setup: What all trials share.
        on_progress: Who is told.
    """
    if not setup.task.is_heard or not shown or not models:
        return found
    heard = [clip for clip in setup.clips if clip in shown[:MAX_HEARD_CLIPS]]
    metric = next(iter(setup.task.names_of_scope("clip")), MAX_ABS_ERROR)
    chosen = choose_bundles(found.source.clips, found.variants, heard, metric)
    played = {_SOURCE: None, **{name: models[name] for name in chosen if name in models}}
    done = 0

    def on_event(_: str, event: TrialEvent | None) -> None:
        nonlocal done
        done += event is None or event.result is not None
        on_progress(_STAGE, done, len(played))

    outcomes = listen_all(played, heard, setup, on_event)
    on_progress(_STAGE, len(played), len(played))
    own: ListenResult | None = outcomes.pop(_SOURCE).result
    rows = tuple(_add(row, outcomes.get(row.variant)) for row in found.variants)
    if own is None:
        return replace(found, variants=rows)
    source = found.source.model_copy(update={"clips": add_tracks(found.source.clips, own)})
    return Heard(_add_labels(found.dataset, own), source, rows)


def choose_bundles(
    source: Sequence[ClipScores], rows: Sequence[VariantResult], heard: Sequence[str], metric: str
) -> list[str]:
    """The bundles that lost most on any of the clips that are heard, in the rows' order.

    Args:
        source: The source model's clips.
        rows: The bundles; those without clips are none.
        heard: Identifiers of the clips.
        metric: By which loss is told.
    """
    own = {clip.clip: clip.scores.get(metric) for clip in source}

    def place(row: VariantResult) -> tuple[float, float]:
        there = [clip for clip in row.clips if clip.clip in heard]
        return min(order_by_loss(own.get(clip.clip), [clip.scores.get(metric)]) for clip in there)

    played = [row for row in rows if any(clip.clip in heard for clip in row.clips)]
    chosen = {row.variant for row in sorted(played, key=place)[:MAX_HEARD_BUNDLES]}
    return [row.variant for row in played if row.variant in chosen]


def _add(row: VariantResult, outcome: Outcome | None) -> VariantResult:
    if outcome is None:
        return row
    if outcome.result is None:
        return row.model_copy(update={"notices": (*row.notices, f"cannot be heard: {outcome.reason}")})
    return row.model_copy(update={"clips": add_tracks(row.clips, outcome.result)})


def _add_labels(info: DatasetInfo, result: ListenResult) -> DatasetInfo:
    kept = {clip.clip: clip.label_tracks for clip in result.clips}
    clips = (clip.model_copy(update={"tracks": kept[clip.clip]}) if clip.clip in kept else clip for clip in info.clips)
    return info.model_copy(update={"clips": tuple(clips)})
