"""Where else a bundle could run: what is minimised, predicted for the compute units and thread counts of a phone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from device_profiles.profile import DeviceProfile
from evaluators.costs.placement import NOTHING_ASKED, PlacementRequest, check_requests
from evaluators.errors import EvaluationError
from evaluators.evaluation import VariantResult
from packager.package import Packaged
from reports.judging.metrics import find_score
from reports.judging.shipping import Choice, Objective
from testpress.searching.records import Placed
from testpress.searching.stages import Stages

_THREADS = (1, 2, 4)
Places = Mapping[tuple[str, str], tuple[Placed, ...]]
"""of a bundle on a phone"""


def place_choices(
    choices: Sequence[Choice],
    packaged: Mapping[str, Packaged],
    profiles: Sequence[DeviceProfile],
    stages: Stages,
    objective: Objective,
) -> Places:
    """What is minimised, of each chosen bundle on its phone, wherever it could run there; the best first.

    Nothing where the recipe asks for a unit or threads, or where what is minimised is not a phone's.

    Args:
        choices: What is named.
        packaged: The bundles, by name.
        profiles: The phones.
        stages: Who predicts.
        objective: What is minimised.
    """
    named = list(dict.fromkeys(one.variant for one in choices if one.variant is not None))
    found: dict[tuple[str, str], list[Placed]] = {}
    if stages.evaluating.asked != NOTHING_ASKED or objective.metric.scope != "phone" or not named:
        return {}
    pairs = {(one.variant, one.device) for one in choices}
    for asked in _list_requests(profiles):
        for row in stages.place([packaged[name] for name in named], asked):
            for device, placed in _read(row, asked, objective):
                if (row.variant, device) in pairs and placed not in found.setdefault((row.variant, device), []):
                    found[row.variant, device].append(placed)
    return {pair: tuple(sorted(placed, key=_order)) for pair, placed in found.items()}


def _list_requests(profiles: Sequence[DeviceProfile]) -> Iterator[PlacementRequest]:
    """What may be asked of one of the phones at least."""
    on_cpu = [PlacementRequest(unit="cpu", threads=threads) for threads in _THREADS]
    for asked in (*on_cpu, PlacementRequest(unit="gpu"), PlacementRequest(unit="npu")):
        if any(_can(profile, asked) for profile in profiles):
            yield asked


def _can(profile: DeviceProfile, asked: PlacementRequest) -> bool:
    try:
        check_requests(asked, profile)
    except EvaluationError:
        return False
    return True


def _read(row: VariantResult, asked: PlacementRequest, objective: Objective) -> Iterator[tuple[str, Placed]]:
    """Of each phone that does as it is asked."""
    for result in row.devices:
        score = find_score(row, objective.name, "phone", result).score
        if score is not None and score.value is not None and result.compute_unit == asked.kind:
            yield result.device, Placed(unit=asked.kind, threads=result.threads, objective=score)


def _order(placed: Placed) -> float:
    return placed.objective.value or 0.0
