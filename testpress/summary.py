"""Results as a terminal shows them and as `--json` writes them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from device_profiles.text import shorten
from evaluators.evaluation import DeviceResult, Evaluation, VariantResult
from evaluators.formats.signatures import Port, Signature
from evaluators.formats.streaming_pairs import find_state_pairs
from packager.bundle import Bundle, Proof
from packager.compression import is_calibrated
from packager.package import Packaged
from packager.proving.clips import RECIPES_AUDIO
from packager.proving.proofs import describe_break, worst_stream
from reports.judging.applicability import find_inapplicable
from reports.judging.comparison import Comparison
from reports.judging.conditions import describe_worst
from reports.judging.cores import describe_core, describe_difference, describe_flips
from reports.notation import format_count, format_interval, format_number, format_score
from reports.renderers.shipping import describe_line, list_ship_lines
from reports.renderers.summary import STATUS_WORDS, describe_baseline, describe_counts, find_main_metric
from reports.write import Paths
from testpress.pipeline import RunResult
from testpress.table import align

_MOST_PHONES = 6
"""columns of a terminal"""


def cores_text(evaluation: Evaluation) -> str:
    """One line a bundle and type of core; or why nothing was played there; empty where nothing was asked for."""
    rows: list[tuple[str, ...]] = [("on Arm cores", "core", "windows", "against here", "decisions", "instructions")]
    for variant in evaluation.variants:
        for core in variant.cores:
            counted = "not counted" if core.counts is None else format_count(core.counts.instructions)
            found = core.fault or describe_difference(core)
            flips = "" if core.fault else describe_flips(core)
            windows = f"{len(core.windows)} of {core.n_windows}"
            name, fault = shorten(variant.variant, 60), shorten(found, 160)
            rows.append((name, describe_core(core), windows, fault, shorten(flips, 120), counted))
    if len(rows) > 1:
        return align(rows)
    if not evaluation.cores_reason:
        return ""
    return (
        f"Arm cores: nothing was played: {shorten(evaluation.cores_reason, 200)}; it would show what the phones' own "
        "kernels compute, which decisions flip, and how many instructions a call takes"
    )


def run_text(result: RunResult) -> str:
    """Verdict, one line a bundle, and where the report is."""
    cores = cores_text(result.evaluation)
    lines = [
        evaluation_table(result.evaluation),
        "",
        *([cores, ""] if cores else []),
        judged_text(result.comparison),
        "",
        f"report: {result.report.html}",
    ]
    return "\n".join(lines)


def run_data(result: RunResult) -> dict[str, Any]:
    """What `testpress run --json` writes."""
    return {
        "bundles": package_data(result.packaged),
        "evaluation": str(result.evaluation_path),
        "report": str(result.report.html),
        **check_data(result.comparison),
    }


def package_text(outcomes: list[Packaged]) -> str:
    """One line a bundle: its parity with the source, its size, where it is; then what failed and what is broken."""
    made = [outcome for outcome in outcomes if outcome.bundle is not None]
    rows: list[tuple[str, ...]] = [_PACKAGED_HEAD] if made else []
    rows += [_bundle_row(outcome, outcome.bundle) for outcome in made if outcome.bundle is not None]
    if all(row[2] == "" for row in rows[1:]):  # no model with states
        rows = [(*row[:2], *row[3:]) for row in rows]
    lines = [align(rows, right=tuple(range(1, len(rows[0]) - 1)))] if rows else []
    lines += [f"{o.variant.name} was not made: {o.reason} (log: {o.log})" for o in outcomes if o.bundle is None]
    lines += [*break_texts(made), *_caveat_texts(made)]
    return "\n".join(lines + _type_texts(made) + _calibration_texts(made) + _state_texts(made))


_PACKAGED_HEAD = ("bundle", "parity", "streamed", "promised", "size", "made in", "folder")


def _bundle_row(outcome: Packaged, bundle: Bundle) -> tuple[str, ...]:
    manifest, proof = bundle.manifest, bundle.manifest.proof
    size = sum(d.size_bytes for name, d in manifest.files.items() if name.split("/")[0] == manifest.file)
    seconds = "was there" if outcome.reused else "" if outcome.seconds is None else f"{outcome.seconds:.1f} s"
    promised = "" if proof is None else f"{'' if proof.holds else 'BROKEN '}{proof.tolerance_db:g} dB"
    parity = "" if proof is None else parity_text(proof)
    streamed = "" if proof is None else worst_stream(proof)
    return outcome.variant.name, parity, streamed, promised, format_number(size, "bytes"), seconds, str(bundle.path)


def parity_text(proof: Proof) -> str:
    """The worst output of a proof in one word: its SNR, or that all are identical or one cannot be compared."""
    if any(output.max_abs_error is None for output in proof.outputs) or not proof.outputs:
        return "none"
    measured = [output.snr_db for output in proof.outputs if output.snr_db is not None]
    return f"{min(measured):.1f} dB" if measured else "identical"


def break_texts(outcomes: list[Packaged]) -> list[str]:
    """One line a bundle that does not keep its precision's promise."""
    proofs = {outcome.variant.name: outcome.bundle.manifest.proof for outcome in outcomes if outcome.bundle is not None}
    return [f"{name} {text}" for name, proof in proofs.items() if (text := describe_break(proof)) is not None]


def _caveat_texts(outcomes: list[Packaged]) -> list[str]:
    """One line a bundle that phones compute otherwise than its proof did."""
    made = {outcome.variant.name: outcome.bundle.manifest.proof for outcome in outcomes if outcome.bundle is not None}
    return [f"{name} was {proof.caveat}" for name, proof in made.items() if proof is not None and proof.caveat]


def _type_texts(outcomes: list[Packaged]) -> list[str]:
    """What was computed in other types than the source's own; one line, since it is the same for all bundles."""
    said = (outcome.bundle.manifest.types for outcome in outcomes if outcome.bundle is not None)
    return [f"the source is {text}" for text in dict.fromkeys(said) if text is not None]


def _calibration_texts(outcomes: list[Packaged]) -> list[str]:
    """One line a bundle whose activations were calibrated on nothing that the recipe knows to be real."""
    lines = []
    for manifest in (outcome.bundle.manifest for outcome in outcomes if outcome.bundle is not None):
        heard = manifest.proof.inputs if manifest.proof else "test signals"
        if is_calibrated(manifest.precision) and RECIPES_AUDIO not in heard:
            way = (
                "the dataset of a [task] gives real audio"
                if manifest.audio
                else "a recipe can name data for audio only"
            )
            lines.append(
                f"{manifest.variant} is calibrated on test signals alone ({heard}), and may cut off what is real: {way}"
            )
    return lines


def _state_texts(outcomes: list[Packaged]) -> list[str]:
    """What the recipe should perhaps have bound as states, in one line; nothing where it binds some."""
    manifests = [outcome.bundle.manifest for outcome in outcomes if outcome.bundle is not None]
    for manifest in manifests:
        if manifest.state or manifest.internal_states:
            return []
        ports = [
            tuple(Port(name=one.name, shape=one.shape, dtype=one.dtype) for one in tensors)
            for tensors in (manifest.inputs, manifest.outputs)
        ]
        pairs = find_state_pairs(Signature(name=None, inputs=ports[0], outputs=ports[1]))
        if pairs:
            bound = ", ".join(f'{name} = "{output}"' for name, output in pairs.items())
            return [f"looks like state, by names and shapes: {bound}; [model.state] carries it from call to call"]
    return []


def package_data(outcomes: list[Packaged]) -> list[dict[str, Any]]:
    """What `testpress package --json` writes."""
    return [
        {
            "variant": outcome.variant.name,
            "path": str(outcome.bundle.path) if outcome.bundle else None,
            "reused": outcome.reused,
            "seconds": outcome.seconds,
            "proof": outcome.bundle.manifest.proof.model_dump(mode="json")
            if outcome.bundle and outcome.bundle.manifest.proof
            else None,
            "reason": outcome.reason,
            "log": str(outcome.log) if outcome.log else None,
        }
        for outcome in outcomes
    ]


def evaluation_text(evaluation: Evaluation, path: Path) -> str:
    """The table and where the evaluation is."""
    return f"{evaluation_table(evaluation)}\n\nevaluation: {path}"


def describe_nothing(evaluation: Evaluation) -> str | None:
    """One sentence where not one row of an evaluation has a result, which is no success; else None."""
    if any(variant.failure is None for variant in evaluation.variants):
        return None
    count = "the one row" if len(evaluation.variants) == 1 else f"all {len(evaluation.variants)} rows"
    return f"nothing was evaluated: {count} failed; the reason stands in each row"


def evaluation_table(evaluation: Evaluation) -> str:
    """One line a bundle: score, largest error, size, time here; then its times on phones, and its worst condition."""
    scores, leading = evaluation.source.scores, evaluation.leading_metric
    metric = leading if leading in scores else next(iter(scores), None)
    if metric is None and any(leading in variant.scores for variant in evaluation.variants):
        metric = leading  # an agreement with the source, which has none itself
    compared = ["against the source"] if metric in scores else []
    scored = [] if metric is None else [metric, *compared]
    rows: list[list[str]] = [["bundle", *scored, "largest error", "size", "median here"]]
    if metric is not None and metric in scores:
        rows.append(["source", format_score(evaluation.source.scores[metric]), "", "", "", ""])
    rows += [_row(variant, metric, len(rows[0])) for variant in evaluation.variants]
    worst = describe_worst(evaluation, metric)
    parts = [align(rows), latency_table(evaluation), worst]
    return "\n\n".join(part for part in parts if part)


def latency_table(evaluation: Evaluation) -> str:
    """What a window is predicted to take, one line a bundle and one column a phone; empty where there is no phone."""
    rows_with = [variant for variant in evaluation.variants if variant.devices]
    phones = list(dict.fromkeys(result.device for variant in rows_with for result in variant.devices))
    if not phones:
        return ""
    inapplicable = find_inapplicable(evaluation)
    head = [shorten(evaluation.device_names.get(phone, phone)) for phone in phones[:_MOST_PHONES]]
    rows = [["predicted latency", *head]]
    for variant in rows_with:
        results = {result.device: result for result in variant.devices}
        cells = [_time(variant.variant, results.get(phone), inapplicable) for phone in phones[:_MOST_PHONES]]
        rows.append([shorten(variant.variant), *cells])
    left = len(phones) - _MOST_PHONES
    return align(rows) + (f"\n({left} more phones stand in the report)" if left > 0 else "")


def _time(variant: str, result: DeviceResult | None, inapplicable: Mapping[tuple[str, str], str]) -> str:
    if result is None:
        return "–"
    if (variant, result.device) in inapplicable:
        return STATUS_WORDS["not_applicable"]
    if not result.runs:
        return "cannot run it"
    measured, predicted = result.scores.get("measured_latency_ms"), result.scores.get("latency_ms")
    if measured is not None and measured.value is not None:
        return f"{format_score(measured)} measured"
    return "not known" if predicted is None or predicted.value is None else format_score(predicted)


def check_text(comparison: Comparison) -> str:
    """The verdict and every reason against it."""
    outcome = comparison.outcome
    lines = [f"verdict: {outcome.status} ({describe_counts(outcome)})"]
    lines += [f"  - {reason}" for reason in outcome.reasons]
    lines += [f"  - {accepted}" for accepted in comparison.accepted]
    lines += [f"  - {removable}" for removable in comparison.removable]
    return "\n".join([*lines, f"  {describe_baseline(comparison)}"])


def judged_text(comparison: Comparison) -> str:
    """The verdict, then what to ship on each phone."""
    lines, main = list_ship_lines(comparison), find_main_metric(comparison)
    shipped = [] if not lines else ["", "ship:", align([(f"  {x.phone}", describe_line(x, main)) for x in lines])]
    return "\n".join([check_text(comparison), *shipped])


def check_data(comparison: Comparison) -> dict[str, Any]:
    """What `testpress check --json` writes."""
    return {
        "outcome": comparison.outcome.model_dump(mode="json"),
        "baseline": comparison.baseline_created,
        "accepted": list(comparison.accepted),
        "removable": list(comparison.removable),
        "ship": [choice.model_dump(mode="json") for choice in comparison.choices],
        "verdicts": [verdict.model_dump(mode="json") for verdict in comparison.verdicts],
    }


def report_data(paths: Paths) -> dict[str, Any]:
    """What `testpress report --json` writes: where each file is."""
    return {
        "html": str(paths.html),
        "markdown": str(paths.markdown),
        "comment": str(paths.comment),
        "junit": str(paths.junit),
        "metrics": str(paths.metrics),
        "drift": [str(path) for path in paths.drift],
    }


def _row(variant: VariantResult, metric: str | None, width: int) -> list[str]:
    if variant.failure is not None:
        row = [variant.variant, "no result", variant.failure.reason.splitlines()[0][:60]]
        return row + [""] * (width - len(row))
    errors = [parity.max_abs_error for parity in variant.parity]
    worst = max(errors, key=lambda score: score.value or 0.0, default=None)
    measured = [
        "" if worst is None else format_score(worst),
        format_score(variant.scores["size_bytes"]),
        "" if variant.timing is None else format_score(variant.timing.p50_ms),
    ]
    return [variant.variant, *([] if metric is None else _scored(variant, metric)), *measured]


def _scored(variant: VariantResult, metric: str) -> list[str]:
    if metric not in variant.differences:
        return [format_score(variant.scores[metric])]
    difference = variant.differences[metric]
    interval = format_interval(difference, signed=True)
    text = format_score(difference, signed=True)
    return [format_score(variant.scores[metric]), f"{text} ({interval})" if interval else text]
