"""Any results of emulated cores that an evaluation may hold."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from evaluators.core_records import CoreResult, Flips, NotFinite, OpDeparture, OpTrace
from evaluators.emulators.arm.counts import CLASSES, InstructionCounts
from evaluators.target_records import Failure, OutputParity, Target
from packager.bounds import MAX_COUNT

CORES = ("arm_cortex_a53", "arm_cortex_a76")
_counts = st.one_of(st.integers(0, 9), st.integers(0, MAX_COUNT // 100))


@st.composite
def instruction_counts(draw: st.DrawFn) -> InstructionCounts:
    classes = {name: draw(_counts) for name in CLASSES}
    caches = {name: draw(_counts) for name in ("bytes_loaded", "bytes_stored", "l2_misses")}
    misses = caches["l2_misses"] + draw(_counts)
    caches |= {"l1d_misses": misses, "l1d_accesses": misses + draw(_counts)}
    chosen = caches if draw(st.booleans()) else {}
    return InstructionCounts(instructions=sum(classes.values()), **classes, **chosen, threads=1)


@st.composite
def core_results(draw: st.DrawFn, name: str, outputs: list[str], scores: Any, words: Any) -> CoreResult:
    short = words.map(lambda word: word[:200])
    departures = st.builds(
        OpDeparture,
        op=short,
        tensor=short,
        max_abs_error=st.one_of(st.none(), st.floats(0, 1.7e308)),
        share=st.one_of(st.none(), st.floats(0, 1.7e308)),
    )
    maybe = st.one_of(st.none(), departures)
    traces = st.builds(OpTrace, window=_counts, first_not_finite=maybe, first=maybe, worst=maybe)
    flips = st.builds(
        Flips,
        decisions=_counts,
        gained=_counts,
        lost=_counts,
        examples=st.lists(short, max_size=2).map(tuple),
    )
    broken = draw(st.sets(st.sampled_from(outputs))) if outputs else set()
    return CoreResult(
        target=Target(
            name=name, runtime="LiteRT", version="LiteRT 2", core=draw(st.sampled_from((None, "Cortex-A76")))
        ),
        failure=draw(st.one_of(st.none(), st.none(), st.builds(Failure, stage=st.just("evaluate"), reason=words))),
        windows=tuple(draw(st.lists(_counts, max_size=2))),
        n_windows=draw(_counts),
        parity=tuple(
            OutputParity(output=output, snr_db=draw(scores), max_abs_error=draw(scores), cosine=draw(scores))
            for output in outputs
            if output not in broken
        ),
        not_finite=tuple(
            NotFinite(output=output[:300], windows=draw(_counts), values=draw(_counts)) for output in sorted(broken)
        ),
        flips=draw(st.one_of(st.none(), flips)),
        flips_reason=draw(words),
        trace=draw(st.one_of(st.none(), traces)),
        counts=draw(st.one_of(st.none(), instruction_counts())),
        counts_reason=draw(words),
        notices=(),
    )
