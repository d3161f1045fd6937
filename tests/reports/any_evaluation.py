"""Any evaluation that the schema takes: odd names, extreme numbers, parts that are missing or do not fit."""

from __future__ import annotations

import base64
import functools
import json
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

from device_profiles.record import dump_json
from evaluators.condition_records import ConditionInfo, ConditionStep
from evaluators.drift_records import Drift, DriftStep
from evaluators.environment import Environment
from evaluators.evaluation import (
    PARITY_NUMBERS,
    TIMINGS,
    ClipInfo,
    ClipScores,
    ConditionResult,
    DatasetInfo,
    DeviceResult,
    Evaluation,
    ExtraLoss,
    SourceResult,
    Timing,
    VariantResult,
)
from evaluators.long_run_records import (
    AfterSilence,
    DecisionDelay,
    LongRun,
    OtherLength,
    OutputOverTime,
    Repeat,
    StreamPlan,
)
from evaluators.metrics import BUILT_IN
from evaluators.picture_records import Curve, Envelope, Note, Pictures, Preview, Span, Spectrogram, Track
from evaluators.score import MetricInfo, Score
from evaluators.target_records import Failure, OutputParity
from packager.bundle import AudioContract, Floor, ModelIdentity
from reports.judging.budgets import Budget
from tests.reports.any_charts import alike, charts
from tests.reports.any_cores import CORES, core_results
from tests.reports.example_evaluation import make_evaluation

Draw = st.DrawFn
HOSTILE_NAMES = (
    "",
    " ",
    "</script><script>alert(1)</script>",
    "</title></bdi><img src=x onerror=alert(1)>",
    '" onload="alert(1)',
    "' x='{{7*7}}{% raw %}",
    "]]><x/>&amp;&#0;<!--",
    "--><b>",
    "a\x00b\x1b[31m\x07\x85",
    "\u202eevil\u2066\u200f\u061c",
    "line\u2028para\u2029\r\nnext",
    "\ufeff\ufffe\uffff\U000e0041\U0010ffff",
    "# heading",
    "- item",
    "1. item",
    "2) item",
    "> quote",
    "+ item",
    "===",
    "---",
    "    code",
    "```\nfence",
    "~~~",
    "| a | b |",
    "\\",
    "\\|",
    "`code`",
    "*bold* _it_ ~~gone~~",
    "[link](https://example.com)",
    "[ref]: https://example.com",
    "![image](https://example.com/x.png)",
    "[^1]",
    "<https://example.com>",
    "https://example.com/x",
    "http://[::1]/",
    "ftp://example.com",
    "ssh+git://example.com/x",
    "www.example.com",
    "WWW.example.com",
    "mailto:a@example.com",
    "xmpp:a@example.com/b",
    "a.b+c@example.com",
    "_a@example.com",
    "@octocat",
    "@github/support",
    "#1",
    "GH-26",
    "gh-7",
    "octo-org/octo-repo#42",
    "octocat@0123abc",
    "octo-org/octo-repo@a5c3785ed8d6a35868bc169f07e40e889087fd2e",
    "a5c3785ed8d6a35868bc169f07e40e889087fd2e",
    "deadbee",
    "0cafe12-dirty",
    ":shipit:",
    ":+1:",
    "$x^2$",
    "$`x`$",
    "/close",
    "!5 ~bug %v1 &3 $9 ^alert#1 [vulnerability:1]",
    "&copy; &#64;octocat &#x40;octocat",
    "::error title=x::y",
    "%0A%0D",
    "[[ATTACHMENT|/etc/passwd]]",
    'a",phone="x',
    "a # b",
    "../../etc/passwd",
    "C:\\x",
    "CON",
    "nul",
    "A" * 300,
    "a" * 300,
    "\u0645\u0631\u062d\u0628\u0627",
    "e\u0301",
    "\u00e9",
    "ß",
    "ss",
    "İ",
    "\u1e9e",
)
EXTREMES = (
    0.0,
    -0.0,
    5e-324,
    -5e-324,
    2.3e-308,
    1e-300,
    1e-5,
    0.05,
    1.0,
    1 + 2**-52,
    99.99999,
    100.0,
    999.9996,
    1e12,
    1e15 + 1,
    2.0**53,
    1e100,
    1e300,
    8.9e307,
    1.7e308,
    1.7976931348623157e308,
    -1e300,
    -1.7976931348623157e308,
)
BUDGET_TEXTS = (
    "1B", "900kB", "0.5GiB", "1e99GB", "0e0", "25ms", "1e-99ns", "1e99min", "5%", "1e99%", "+1e-99%", "-0.5pp", "0dB",
    "-1e99dB", "0.01", "-0", "1e99", "999999999999999999999999",
)  # fmt: skip

numbers = st.one_of(st.sampled_from(EXTREMES), st.floats(allow_nan=False, allow_infinity=False), st.floats(0, 1))
positive = numbers.map(abs)
counts = st.one_of(st.sampled_from((0, 1, 2**31, 2**53 - 1)), st.integers(0, 2**53 - 1))
plain = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
names = st.one_of(st.sampled_from(HOSTILE_NAMES), plain, st.sampled_from(("tflite-float32", "coreml-float16")))
bases = st.sampled_from(("measured_host", "emulated", "predicted", "measured_device"))
units = st.one_of(st.sampled_from(("ratio", "ms", "bytes", "db", "dimensionless", "ns", "s", "Hz")), names)
metric_names = st.one_of(
    st.sampled_from(
        (
            *(name for name, metric in BUILT_IN.items() if metric.scope in ("phone", "bundle")),
            "note_f1",
            "note_f1_ratio",
            "latency_seconds",
            "max_abs_error",
            "host_latency_p50_ms",
            "snr_db",
        )
    ),
    names,
)
some = st.integers(0, 3)


kinds = st.fixed_dictionaries({"unit": units, "direction": st.sampled_from(("higher", "lower")), "basis": bases})
Kinds = dict[str, dict[str, Any]]


@st.composite
def scores(draw: Draw, shape: dict[str, Any] | None = None) -> Score:
    shape = shape or draw(kinds)
    kind = draw(st.integers(0, 6))
    if kind == 0:
        return Score(value=None, reason=draw(st.one_of(st.just("identical"), names)), **shape)
    if kind <= 3:
        return Score(value=draw(numbers), **shape)
    low, high = sorted((draw(numbers), draw(numbers)))
    coverage = draw(st.sampled_from((5e-324, 0.5, 0.8, 0.95, 1 - 2**-53)))
    return Score(value=draw(numbers), low=low, high=high, confidence=coverage, **shape)


def tables(known: Kinds) -> st.SearchStrategy[dict[str, Score]]:
    """Scores of some of the case's metrics, in their units, so that they can be compared."""
    return st.fixed_dictionaries({}, optional={metric: scores(shape) for metric, shape in known.items()})


notes = st.lists(st.builds(Note, onset_s=numbers, offset_s=numbers, pitch_midi=st.integers(0, 127)), max_size=4)


@st.composite
def curves(draw: Draw, outputs: list[str]) -> tuple[Curve, ...]:
    return tuple(
        Curve(
            output=output,
            start_s=draw(numbers),
            step_s=draw(positive),
            values=tuple(draw(st.lists(st.one_of(st.none(), numbers), max_size=5))),
            meaning=draw(st.sampled_from(("value", "pitch_hz", "probability"))),
            thresholds=tuple(draw(st.lists(numbers, max_size=2))),
        )
        for output in outputs
    )


@st.composite
def tracks(draw: Draw) -> tuple[Track, ...]:
    levels = draw(st.binary(min_size=2, max_size=12).filter(lambda data: len(data) % 2 == 0))
    one = st.builds(
        Track,
        name=names.map(lambda name: name[:200]),
        sound=st.builds(Preview, path=names, sha256=names, duration_s=positive),
        envelope=st.just(Envelope(columns=len(levels) // 2, levels=base64.b64encode(levels).decode())),
        turned_down_db=positive,
        clipped_samples=counts,
    )
    return tuple(draw(st.lists(one, max_size=3)))


@st.composite
def pictures(draw: Draw, outputs: list[str]) -> Pictures:
    ends = draw(st.lists(st.tuples(numbers, numbers).map(sorted), max_size=3))
    return Pictures(
        events=draw(st.one_of(st.none(), notes.map(tuple))),
        spans=draw(
            st.one_of(st.none(), st.just(tuple(Span(start_s=a, end_s=b, label=draw(names)[:200]) for a, b in ends)))
        ),
        text=draw(st.one_of(st.none(), names)),
        words=draw(st.booleans()),
        moments=draw(st.booleans()),
        curves=draw(curves(outputs)),
    )


@st.composite
def clip_scores(draw: Draw, clips: list[str], outputs: list[str], known: Kinds) -> tuple[ClipScores, ...]:
    return tuple(
        ClipScores(
            clip=clip,
            scores=draw(tables(known)),
            notes=draw(st.one_of(st.none(), notes.map(tuple))),
            curves=draw(curves(outputs)),
            pictures=draw(st.one_of(st.none(), pictures(outputs))),
            tracks=draw(tracks()),
        )
        for clip in clips
        if draw(st.booleans())
    )


@st.composite
def spectrograms(draw: Draw) -> Spectrogram:
    frames, bands = draw(st.sampled_from(((1, 1), (3, 2), (512, 128))))
    return Spectrogram(
        frames=frames,
        bands=bands,
        low_hz=draw(st.floats(0, 768_000)),
        high_hz=draw(st.floats(0, 768_000)),
        range_db=draw(positive),
        levels=base64.b64encode(bytes(frames * bands)).decode(),
    )


@st.composite
def clip_infos(draw: Draw, clip: str) -> ClipInfo:
    preview = st.builds(Preview, path=names, sha256=names, duration_s=positive)
    return ClipInfo(
        clip=clip,
        duration_s=draw(positive),
        reference_notes=draw(st.one_of(st.none(), notes.map(tuple))),
        notices=tuple(draw(st.lists(names, max_size=2))),
        spectrogram=draw(st.one_of(st.none(), spectrograms())),
        preview=draw(st.one_of(st.none(), preview)),
        reference=draw(st.one_of(st.none(), pictures(["pitch"]))),
        tracks=draw(tracks()),
        group=draw(st.one_of(st.none(), names)),
    )


drifts = st.builds(
    Drift,
    reference=names,
    output_error=positive,
    first_op=names,
    worst_op=names,
    explanation=names,
    steps=st.lists(st.builds(DriftStep, op=names, kind=names, error_after=positive), max_size=4).map(tuple),
)
timings = st.builds(
    Timing,
    threads=counts,
    warmup_calls=counts,
    samples_ns=st.lists(counts, max_size=5).map(tuple),
    p50_ms=scores(),
    p90_ms=scores(),
)
floors = st.builds(
    Floor,
    platform=st.sampled_from(("android", "ios")),
    minimum_os=st.one_of(st.none(), names),
    minimum_runtime=st.one_of(st.none(), names),
    because=names,
)


@st.composite
def condition_results(draw: Draw, conditions: list[str], known: Kinds) -> tuple[ConditionResult, ...]:
    failure = st.builds(Failure, stage=st.just("evaluate"), reason=names)
    chance = st.one_of(st.none(), st.sampled_from((0.0, 5e-324, 0.049, 1.0)))
    return tuple(
        ConditionResult(
            condition=condition,
            failure=draw(st.one_of(st.none(), st.none(), failure)),
            scores=draw(tables(known)),
            differences=draw(tables(known)),
            parity=(
                OutputParity(output="o", snr_db=draw(scores()), max_abs_error=draw(scores()), cosine=draw(scores())),
            ),
            extra_losses={
                metric: ExtraLoss(change=draw(scores(shape)), p_value=draw(chance), loses_more=draw(st.booleans()))
                for metric, shape in known.items()
                if draw(st.booleans())
            },
            worst_clips=tuple(draw(st.lists(names, max_size=2))),
        )
        for condition in conditions
        if draw(st.integers(0, 3))
    )


@st.composite
def long_runs(draw: Draw) -> LongRun:
    if draw(st.booleans()):
        return LongRun(problem=draw(names), log=draw(st.one_of(st.none(), names)))
    rounds, silent = draw(st.integers(1, 30)), draw(st.integers(0, 3))
    plan = StreamPlan(
        round_windows=rounds, silent_windows=silent, stretch_windows=1, stretch_s=draw(positive), clips=draw(counts)
    )
    values = st.lists(st.one_of(st.none(), numbers), min_size=plan.count, max_size=plan.count)
    outputs = [
        OutputOverTime(
            output=output,
            snr=draw(scores()),
            growth=draw(scores()),
            verdict=draw(st.sampled_from(("grows", "does not grow", "unknown"))),
            snr_db=tuple(draw(values)),
        )
        for output in draw(st.lists(names, max_size=2, unique=True))
    ]
    maybe, some_time = st.one_of(st.none(), names), st.one_of(st.none(), positive)
    silences = st.builds(
        AfterSilence, silence_s=positive, back_after_s=some_time, loss=scores(), source_stuck=maybe, stuck=maybe
    )
    repeats = st.builds(Repeat, name=names.filter(bool), windows=counts, max_abs_error=some_time, reason=maybe)
    lengths = st.builds(OtherLength, samples=st.integers(1, 9), snr=scores(), reason=maybe)
    decisions = st.builds(
        DecisionDelay,
        median=scores(),
        worst=scores(),
        frame_ms=positive,
        matched=counts,
        source_alone=counts,
        bundle_alone=counts,
    )
    return LongRun(
        plan=plan,
        outputs=tuple(outputs),
        silence=draw(st.one_of(st.none(), silences)),
        repeats=tuple(draw(st.lists(repeats, max_size=2))),
        lengths=tuple(draw(st.lists(lengths, max_size=2))),
        decisions=draw(st.one_of(st.none(), decisions)),
        decisions_reason=draw(maybe),
        algorithmic_latency_ms=draw(some_time),
    )


@st.composite
def variants(draw: Draw, variant: str, parts: dict[str, list[str]], known: Kinds) -> VariantResult:
    failure = st.builds(Failure, stage=st.just("package"), reason=names, log=st.one_of(st.none(), names))
    devices = [
        DeviceResult(
            device=device,
            runs=draw(st.booleans()),
            floor_reason=draw(names),
            compute_unit=draw(names),
            placement_reason=draw(names),
            scores=draw(tables(known)),
            cores=tuple(draw(st.sets(st.sampled_from(CORES)))),
            cores_missing=tuple(draw(st.lists(names, max_size=1))),
        )
        for device in parts["devices"]
        if draw(st.booleans())
    ]
    return VariantResult(
        variant=variant,
        origin="bundle",
        path=draw(names),
        format=draw(st.sampled_from(("tflite", "coreml"))),
        precision=draw(names),
        key=draw(names),
        failure=draw(st.one_of(st.none(), st.none(), st.none(), failure)),
        broken=draw(st.one_of(st.none(), st.none(), names)),
        floor=draw(st.one_of(st.none(), floors)),
        scores=draw(tables(known)),
        differences=draw(tables(known)),
        charts=draw(st.one_of(st.none(), alike, charts(names))),
        parity=tuple(
            OutputParity(output=output, snr_db=draw(scores()), max_abs_error=draw(scores()), cosine=draw(scores()))
            for output in parts["outputs"]
        ),
        timing=draw(st.one_of(st.none(), timings)),
        drift=draw(st.one_of(st.none(), drifts)),
        devices=tuple(devices),
        clips=draw(clip_scores(parts["clips"], parts["outputs"], known)),
        notices=tuple(draw(st.lists(st.one_of(names, st.just("run by LiteRT 2")), max_size=2))),
        conditions=draw(condition_results(parts["conditions"], known)),
        long_run=draw(st.one_of(st.none(), long_runs())),
        cores=tuple(
            draw(core_results(core, parts["outputs"], scores(), names)) for core in CORES if draw(st.booleans())
        ),
    )


parts_of = st.fixed_dictionaries(
    {
        part: st.lists(names, min_size=0 if part == "clips" else 1, max_size=3, unique=True)
        for part in ("variants", "devices", "clips", "outputs")
    }
    | {"conditions": st.lists(names.filter(lambda name: 0 < len(name) <= 200), max_size=2, unique=True)}
)


@st.composite
def metric_infos(draw: Draw, known: Kinds) -> dict[str, MetricInfo]:
    """Of some of the case's metrics, in units and directions of their own: files from outside say anything."""
    return {
        metric: MetricInfo(
            unit=draw(names)[:100],
            direction=draw(st.sampled_from(("higher", "lower"))),
            scope=draw(st.sampled_from(("clip", "dataset", "bundle", "phone"))),
            description=draw(names),
            tolerance=draw(positive),
            relative_tolerance=draw(positive),
            machine_bound=draw(st.booleans()),
            only_told=draw(st.booleans()),
            with_source=draw(st.booleans()),
            repeats=draw(st.one_of(st.none(), names)),
        )
        for metric in known
        if metric not in {*PARITY_NUMBERS, *TIMINGS} and draw(st.booleans())
    }


@st.composite
def evaluations(
    draw: Draw, parts: dict[str, list[str]], known: Kinds, identity: ModelIdentity, task: str
) -> Evaluation:
    """An evaluation of the given bundles, phones, clips and outputs, or of some of them."""
    rate = draw(st.sampled_from((1, 22050, 768_000)))
    window = draw(st.sampled_from((1, rate, 1800 * rate)))
    return Evaluation(
        testpress_version=draw(names),
        created=draw(st.one_of(st.just("2026-11-23T09:30:00Z"), names)),
        command=draw(names),
        model=identity,
        audio=AudioContract(sample_rate_hz=rate, window_samples=window, hop_samples=draw(st.integers(1, window))),
        task=task,
        metrics=draw(metric_infos(known)),
        leading_metric=draw(st.one_of(st.none(), st.sampled_from(sorted(known) or ["x"]))),
        recipe=draw(st.dictionaries(names, st.one_of(names, numbers, counts), max_size=2)),
        dataset=DatasetInfo(
            name=draw(names),
            sha256=draw(st.sampled_from(("a", "b"))),
            clips=tuple(draw(clip_infos(clip)) for clip in parts["clips"]),
        ),
        environment=Environment(
            platform=draw(names),
            processor=draw(names),
            cores=draw(counts),
            python=draw(names),
            packages=draw(st.dictionaries(names, names, max_size=2)),
        ),
        source=SourceResult(
            framework=draw(names),
            sha256=draw(names),
            scores=draw(tables(known)),
            clips=draw(clip_scores(parts["clips"], parts["outputs"], known)),
            conditions=draw(condition_results(parts["conditions"], known)),
            charts=draw(st.one_of(st.none(), alike, charts(names))),
        ),
        conditions=tuple(
            ConditionInfo(
                name=name, steps=(ConditionStep(kind=draw(names)[:200] or "x", parameters={draw(names): draw(names)}),)
            )
            for name in parts["conditions"]
        ),
        variants=tuple(draw(variants(name, parts, known)) for name in parts["variants"] if draw(st.integers(0, 3))),
        device_names={device: draw(names) for device in parts["devices"] if draw(st.booleans())},
    )


@st.composite
def budgets(draw: Draw, evaluation: Evaluation) -> Budget:
    """A budget on a number that is there, in that number's direction where it is a change."""
    found = {metric: each for v in evaluation.variants for metric, each in (v.scores | v.differences).items()}
    found |= {metric: each for v in evaluation.variants for d in v.devices for metric, each in d.scores.items()}
    metric = draw(st.sampled_from([*found, "latency_ms", "size_bytes", "max_abs_error", "host_latency_p90_ms"]))
    right = "max_drop" if metric in found and found[metric].direction == "higher" else "max_rise"
    limit = draw(st.sampled_from(("max", "min", right)))
    change = limit in ("max_drop", "max_rise")
    written = draw(st.one_of(numbers.map(abs) if change else numbers, st.sampled_from(BUDGET_TEXTS)))
    against = draw(st.sampled_from(("source", "baseline"))) if change else "source"
    level = draw(st.sampled_from(("error", "warn")))
    data = {"metric": metric, limit: written, "against": against, "level": level}
    try:
        return Budget.model_validate(data)
    except ValueError:  # for example a drop that is written with its sign
        return Budget.model_validate({"metric": metric, "max": 1.0})


@st.composite
def cases(draw: Draw) -> tuple[Evaluation, Evaluation | None, tuple[Budget, ...]]:
    """An evaluation, a baseline of the same model or none, and budgets."""
    parts = draw(parts_of)
    identity = ModelIdentity(name=draw(names), version=draw(names), license=draw(names))
    task = draw(names)
    known = draw(st.dictionaries(metric_names, kinds, min_size=1, max_size=4))
    evaluation = draw(evaluations(parts, known, identity, task))
    baseline = draw(st.one_of(st.none(), evaluations(parts, known, identity, task)))
    return evaluation, baseline, tuple(draw(st.lists(budgets(evaluation), max_size=3)))


@st.composite
def disturbed(draw: Draw) -> tuple[Evaluation, Evaluation, tuple[Budget, ...]]:
    """The example evaluation, twice, with some numbers of each made extreme, and budgets on what it holds."""
    evaluation, baseline = (_disturb(draw(st.lists(_changes, min_size=1, max_size=12))) for _ in range(2))
    return evaluation, baseline, tuple(draw(st.lists(budgets(evaluation), max_size=3)))


_changes = st.tuples(st.integers(0, 10**9), st.one_of(st.sampled_from(EXTREMES), numbers))


@functools.cache
def _example() -> tuple[str, tuple[tuple[Any, ...], ...]]:
    """A small example as JSON, and the places of its numbers."""
    whole = make_evaluation()
    few = {clip.clip for clip in whole.dataset.clips[:3]}
    small = tuple(
        v.model_copy(update={"clips": tuple(clip for clip in v.clips if clip.clip in few)}) for v in whole.variants[2:6]
    )
    evaluation = whole.model_copy(
        update={
            "variants": small,
            "dataset": whole.dataset.model_copy(update={"clips": whole.dataset.clips[:3]}),
            "source": whole.source.model_copy(update={"clips": whole.source.clips[:3]}),
        }
    )
    text = dump_json(evaluation)
    return text, tuple(place for place in _places(json.loads(text)) if "notes" not in place)


def _places(data: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(data, float):
        yield at
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in items:
        yield from _places(value, (*at, key))


def _disturb(changes: list[tuple[int, float]]) -> Evaluation:
    """The example with numbers replaced, as far as the schema takes each."""
    text, places = _example()
    data = json.loads(text)
    for number, value in changes:
        *path, last = places[number % len(places)]
        at = functools.reduce(lambda part, key: part[key], path, data)
        kept, at[last] = at[last], value
        try:
            Evaluation.model_validate_json(json.dumps(data))
        except ValueError:
            at[last] = kept
    return Evaluation.model_validate_json(json.dumps(data))
