"""What a long run says of a bundle, in words, and what of it speaks against the bundle."""

from __future__ import annotations

from collections.abc import Iterator

from device_profiles.text import shorten
from evaluators.evaluation import Evaluation, VariantResult
from evaluators.long_run_records import DecisionDelay, LongRun, OutputOverTime
from evaluators.score import Score
from reports.notation import format_interval, format_number

RULE = "is the same after minutes"
LEAST_FRAMES = 0.5
"""a median delay of less is no delay: decisions fall on frames"""
_MOST_NAMED = 3


def find_run(evaluation: Evaluation) -> LongRun | None:
    """One of the long runs that there is something of: what was heard is the same for all; none where none was asked.

    Where all failed it is one of those.
    """
    found = [variant.long_run for variant in evaluation.variants if variant.long_run is not None]
    return next((run for run in found if run.problem is None), found[0] if found else None)


def find_faults(run: LongRun) -> list[str]:
    """What speaks against a bundle, one sentence without its name each; none where nothing does."""
    if run.problem is not None:
        return [f"the long run has no result: {shorten(run.problem, 300)}"]
    return [*_find_growth(run), *_find_silence(run), *_find_repeats(run), *_find_delay(run)]


def _find_growth(run: LongRun) -> Iterator[str]:
    for one in run.outputs:
        if one.verdict == "grows":
            interval = format_interval(one.growth, signed=True)
            yield (
                f"the error of output {shorten(one.output)} grows by {_plain(one.growth)} a minute"
                f"{f' ({interval})' if interval else ''}"
            )


def _find_silence(run: LongRun) -> Iterator[str]:
    silence = run.silence
    if silence is None or silence.holds:
        return
    after = f"after {silence.silence_s:.3g} s of silence"
    if silence.stuck is not None:
        yield f"{after} it hangs: {shorten(silence.stuck, 200)}"
    else:
        yield f"{after} it does not come back to what its source gives"


def _find_repeats(run: LongRun) -> Iterator[str]:
    """Where a reset does not give the same, neither can what begins with one: then that alone is told."""
    broken = [one for one in run.repeats if not one.holds]
    for one in broken[: 1 if broken and broken[0] is run.repeats[0] else _MOST_NAMED]:
        size = (
            f"by up to {format_number(one.max_abs_error, 'dimensionless')}"
            if one.max_abs_error is not None
            else f"({shorten(one.reason or 'not comparable', 200)})"
        )
        yield f"heard again {shorten(one.name)}, its start is not the same, {size}"


def _find_delay(run: LongRun) -> Iterator[str]:
    found = run.decisions
    if found is not None and found.median.value is not None and _in_frames(found, found.median) > LEAST_FRAMES:
        yield f"it decides {describe_delay(found)} (median of {found.matched})"


def _in_frames(found: DecisionDelay, score: Score) -> float:
    """A delay in frames; of a model without frames, any delay is more than one."""
    value = score.value or 0.0
    return value / found.frame_ms if found.frame_ms else value


def describe_delay(found: DecisionDelay) -> str:
    """The median delay in words, for example "64 ms (2 frames) later than its source"."""
    value = found.median.value
    if value is None:
        return f"unknown: {found.median.reason}"
    if value == 0:
        return "in the same frame as its source"
    frames = f" ({_count_frames(abs(_in_frames(found, found.median)))})" if found.frame_ms else ""
    return f"{format_number(abs(value), 'ms')}{frames} {'later' if value > 0 else 'earlier'} than its source"


def _count_frames(frames: float) -> str:
    text = f"{frames:.3g}"
    return f"{text} frame{'' if text == '1' else 's'}"


def pick_output(run: LongRun) -> OutputOverTime | None:
    """The output that stands for a bundle: the one that grows, else the one that is farthest from its source's."""
    if not run.outputs:
        return None
    return min(
        run.outputs,
        key=lambda one: (
            one.verdict != "grows",
            one.snr.reason == "identical",
            float("-inf") if one.snr.value is None else one.snr.value,
        ),
    )


def describe_growth(one: OutputOverTime) -> str:
    """The verdict on an output in words, for example "grows by 3.1 dB a minute"."""
    if one.snr.reason == "identical":
        return "identical throughout"
    if one.verdict == "unknown" and one.growth.value is None:
        return f"unknown: {one.growth.reason}"
    interval = format_interval(one.growth, signed=True)
    size = format_number(one.growth.value or 0.0, "db", signed=True)
    word = f"grows by {_plain(one.growth)} a minute" if one.verdict == "grows" else f"{one.verdict}, {size} a minute"
    return f"{word}{f' ({interval})' if interval else ''}"


def describe_silence(run: LongRun) -> str:
    """What came of the silence in words."""
    silence = run.silence
    if silence is None:
        return "no silence was played"
    hung = f"its source hangs too: {shorten(silence.source_stuck, 200)}" if silence.source_stuck else ""
    if silence.stuck is not None:
        told = f"hangs: {shorten(silence.stuck, 200)}"
    elif silence.back_after_s is None:
        told = "does not come back"
    else:
        told = "back at once" if silence.back_after_s == 0 else f"back after {silence.back_after_s:.3g} s"
    small = f"{silence.subnormal_share:.0%} of its states are subnormal" if silence.subnormal_share else ""
    return "; ".join(part for part in (told, hung, small) if part)


def describe_repeats(run: LongRun) -> str:
    """Whether the start is the same when it is heard again, in words."""
    broken = [one for one in run.repeats if not one.holds]
    if not run.repeats:
        return "not heard again"
    lengths = _describe_lengths(run)
    if not broken:
        return f"the same bits, {len(run.repeats)} ways{lengths}"
    errors = [one.max_abs_error for one in broken if one.max_abs_error is not None]
    size = f", by up to {format_number(max(errors), 'dimensionless')}" if errors else ""
    return f"not the same {shorten(broken[0].name)}{size}{lengths}"


def _describe_lengths(run: LongRun) -> str:
    """How near calls of other lengths come; told alone, since the source itself may be another one in other lengths."""
    told = [one for one in run.lengths if one.snr.value is not None]
    if told:
        worst = min(told, key=lambda one: one.snr.value or 0.0)
        return f"; in calls of {worst.samples} samples {format_number(worst.snr.value or 0.0, 'db')} from them"
    if not run.lengths:
        return ""
    reason = run.lengths[0].snr.reason or ""
    return f"; calls of {run.lengths[0].samples} samples: {shorten(reason, 100)}"


def describe_decisions(run: LongRun) -> str:
    """When it decides, in words."""
    found = run.decisions
    if found is None:
        return f"not compared: {shorten(run.decisions_reason or 'no reason was given', 200)}"
    same = found.worst.value is None or found.worst.value == found.median.value
    latest = "" if same else f", the latest by {format_number(found.worst.value or 0.0, 'ms', signed=True)}"
    alone = [f"{found.source_alone} of its source's missing"] if found.source_alone else []
    alone += [f"{found.bundle_alone} of its own"] if found.bundle_alone else []
    return f"{describe_delay(found)}{latest} ({'; '.join([f'{found.matched} decisions', *alone])})"


def summarize(evaluation: Evaluation) -> str:
    """One sentence on all bundles; empty where no long run was asked."""
    runs = [(one.variant, one.long_run) for one in evaluation.variants if one.long_run is not None]
    if not runs:
        return ""
    runs.sort(key=lambda one: one[1].problem is not None)  # what was found says more than what was not
    found = [(name, faults) for name, run in runs if (faults := find_faults(run))]
    if not found:
        unknown = sum(any(one.verdict == "unknown" for one in run.outputs) for _, run in runs)
        hedge = f" (of {unknown} it is unknown)" if unknown else ""
        return f"Of {_count(runs)} no error is shown to grow{hedge}, and all come back after silence and resets."
    name, faults = found[0]
    more = f"; {len(found) - 1} more {'has' if len(found) == 2 else 'have'} faults" if len(found) > 1 else ""
    return f"{shorten(name)}: {faults[0]}{more}."


def _count(runs: list[tuple[str, LongRun]]) -> str:
    return "1 bundle" if len(runs) == 1 else f"{len(runs)} bundles"


def list_runs(evaluation: Evaluation) -> list[tuple[VariantResult, LongRun]]:
    """The bundles that were played so."""
    return [(one, one.long_run) for one in evaluation.variants if one.long_run is not None]


def describe_heard(run: LongRun) -> str:
    """What was heard, in words; empty where nothing was."""
    plan = run.plan
    if plan is None:
        return ""
    silence = plan.silent_windows // plan.stretch_windows * plan.stretch_s
    one_round = plan.round_stretches * plan.stretch_s
    between = f", {silence:.3g} s of digital silence," if silence else ""
    text = f"{one_round:.3g} s of {plan.clips} clips{between} and the same again: {plan.duration_s / 60:.3g} minutes."
    wait = run.algorithmic_latency_ms
    waits = (
        "" if wait is None else f" By window and hop a sample waits {format_number(wait, 'ms')} at most for its call."
    )
    return text + waits


def _plain(score: Score) -> str:
    return format_number(abs(score.value or 0.0), score.unit)
