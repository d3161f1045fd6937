"""Which bundles are judged on which phones: those that the recipe means for a phone, as far as the phone runs them.

A bundle that a phone cannot run is no failure where the phone runs another one of the recipe's, for an app ships that
one there. Where it runs none, each of those that are meant for it is a failure.
"""

from __future__ import annotations

from collections.abc import Sequence

from device_profiles.text import shorten
from evaluators.evaluation import DeviceResult, Evaluation, VariantResult
from reports.judging.baseline import Change

_MOST_PHONES = 4

Pair = tuple[str, str]
"""a bundle and a phone"""


def find_inapplicable(evaluation: Evaluation) -> dict[Pair, str]:
    """Bundles and phones that are not judged together, each with the reason."""
    phones: dict[str, list[tuple[VariantResult, DeviceResult]]] = {}
    for variant in evaluation.variants:
        for result in variant.devices:
            phones.setdefault(result.device, []).append((variant, result))
    return {
        (variant.variant, device): reason
        for device, pairs in phones.items()
        for variant, result in pairs
        if (reason := _find_reason(variant, result, pairs, evaluation)) is not None
    }


def _find_reason(
    variant: VariantResult,
    result: DeviceResult,
    beside: Sequence[tuple[VariantResult, DeviceResult]],
    evaluation: Evaluation,
) -> str | None:
    if not result.meant:
        return f"it is meant for {_name_phones(variant, evaluation)}, not for this phone"
    if result.runs:
        return None
    own = [there for other, there in beside if other.origin == "bundle"] or [there for _, there in beside]
    if not any(there.runs and there.meant for there in own):
        return None
    return f"the phone runs other bundles, and cannot run this one: {shorten(result.floor_reason, 300)}"


def _name_phones(variant: VariantResult, evaluation: Evaluation) -> str:
    names = [
        shorten(evaluation.device_names.get(result.device, result.device)) for result in variant.devices if result.meant
    ]
    more = f" and {len(names) - _MOST_PHONES} more" if len(names) > _MOST_PHONES else ""
    return ", ".join(names[:_MOST_PHONES]) + more if names else "other phones"


def drop_inapplicable(changes: Sequence[Change], evaluation: Evaluation) -> tuple[Change, ...]:
    """The changes that are judged: none of a pair that is not. That a phone ceased to run a bundle stays one."""
    pairs = find_inapplicable(evaluation)
    elsewhere = {(v.variant, result.device) for v in evaluation.variants for result in v.devices if not result.meant}
    return tuple(
        change
        for change in changes
        if change.device is None
        or (change.variant, change.device) not in pairs
        or (change.metric is None and (change.variant, change.device) not in elsewhere)
    )
