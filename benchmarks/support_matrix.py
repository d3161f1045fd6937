"""Package every model of the corpus in both formats, and write what came of it as a table.

    python -m benchmarks.support_matrix                                   # all models, float32 and float16
    python -m benchmarks.support_matrix ds_cnn demucs --precisions int8   # some models, in 8 bits
    python -m benchmarks.support_matrix --write docs/support_matrix.md    # the document

One worker a format does what `testpress package` has its workers do, model after model, so that converters are imported
once; each bundle is proven in its emulator.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from packager.jobs.workers import Job, Limits, run_jobs
from tests.corpus.catalog import CATALOG

ROOT = Path(__file__).resolve().parent.parent

SETS = {
    "float": {"tflite": ["float32", "float16"], "coreml": ["float32", "float16"]},
    "int8": {"tflite": ["dynamic_wi8_afp32", "static_wi8_ai8"], "coreml": ["linear_w8", "palettized_w6"]},
}
MOST_OF_WEIGHTS, MOST_BESIDE_BYTES = 1.3, 20_000
"""how large a float32 file may be: so many times the source's weights, and so many bytes for ops, names and shapes"""

Event = dict[str, Any]


def main(arguments: list[str]) -> int:
    """Run the command; the exit code is 1 when a bundle is missing, or departs and no op can be named."""
    options = _parse(arguments)
    models = options.models or [entry.name for entry in CATALOG]
    events = _package(models, SETS[options.precisions], options.out)
    if options.write is not None:
        options.write.parent.mkdir(exist_ok=True)
        options.write.write_text(render(models, events, options), encoding="utf-8")
    print(summarise(events))
    return 0 if all(_is_good(event) for event in events) else 1


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.support_matrix", description=__doc__)
    parser.add_argument("models", nargs="*", metavar="MODEL", help="names in the corpus; default: all")
    parser.add_argument("--precisions", choices=sorted(SETS), default="float")
    parser.add_argument("-o", "--out", type=Path, metavar="DIR", help="where bundles and logs go")
    parser.add_argument("--write", type=Path, metavar="FILE", help="where the table goes")
    return parser.parse_args(arguments)


def _package(models: list[str], precisions: dict[str, list[str]], out: Path | None) -> list[Event]:
    # TensorFlow and PyTorch models in workers of their own: each framework's converters are then all that is imported.
    keras = {entry.name for entry in CATALOG if entry.framework == "tensorflow"}
    groups = [[name for name in models if name not in keras], [name for name in models if name in keras]]
    with tempfile.TemporaryDirectory() as folder:
        base = out or Path(folder)
        jobs = [
            Job(
                "tests.corpus.batches:package_all",
                {"models": group, "format": format_, "precisions": some, "out": str(base.resolve())},
                base / f"{'keras' if set(group) & keras else 'torch'}-{format_}.log",
                Limits(time_s=4 * 3600, memory_bytes=16 * 2**30),
            )
            for group in groups
            if group
            for format_, some in precisions.items()
        ]
        events: list[Event] = []
        ended = run_jobs(jobs, lambda _, event: events.append(_say(event)), parallel=2)
    for end in ended:
        if end.reason is not None:
            sys.exit(f"a worker failed: {end.reason}")
    return events


def _say(event: Event) -> Event:
    size = (
        ""
        if event["size_bytes"] is None
        else f"{event['size_bytes'] / 1000:.0f} kB for {event['weight_bytes'] / 1000:.0f}"
    )
    large = " LARGE" if _is_large(event) else ""
    words = f"{_parity(event):>10}  {size}{large}, {event['ops']} ops  {_remark(event)[:120]}"
    print(f"{event['model']:28} {event['variant']:26} {words}", flush=True)
    return event


def _is_good(event: Event) -> bool:
    return event["reason"] is None and (event["proof"]["holds"] or bool(event["proof"]["breaks_at"]))


def _is_large(event: Event) -> bool:
    """Whether a float32 file is larger than its source's weights explain."""
    if event["size_bytes"] is None or not event["variant"].endswith("-float32"):
        return False
    return bool(event["size_bytes"] > MOST_OF_WEIGHTS * event["weight_bytes"] + MOST_BESIDE_BYTES)


def _parity(event: Event) -> str:
    if event["reason"] is not None:
        return "none"
    measured = [one["snr_db"] for one in event["proof"]["outputs"] if one["snr_db"] is not None]
    return f"{min(measured):.0f} dB" if measured else "identical" if event["proof"]["holds"] else "none"


def _remark(event: Event) -> str:
    if event["reason"] is not None:
        return str(event["reason"])
    proof = event["proof"]
    if proof["holds"]:
        return ", ".join(event["rewrites"])
    return f"departs; most to blame: {proof['breaks_at']}" if proof["breaks_at"] else "departs"


def summarise(events: Iterable[Event]) -> str:
    """How many models are there in each variant, and how many of them keep the precision's promise."""
    events = list(events)
    lines = []
    for variant in sorted({event["variant"] for event in events}):
        some = [event for event in events if event["variant"] == variant]
        made = [event for event in some if event["reason"] is None]
        kept = sum(event["proof"]["holds"] for event in made)
        named = sum(not event["proof"]["holds"] and bool(event["proof"]["breaks_at"]) for event in made)
        large = sum(map(_is_large, some))
        lines.append(
            f"{variant}: {len(made)} of {len(some)} made, {kept} keep the promise, {named} name the op that breaks it"
            + (f", {large} larger than their weights explain" if variant.endswith("-float32") else "")
        )
    return "\n".join(lines)


def render(models: list[str], events: list[Event], options: argparse.Namespace) -> str:
    """The document."""
    names = f" --precisions {options.precisions}" if options.precisions != "float" else ""
    lines = [
        "# Support matrix",
        "",
        f"Made by `python -m benchmarks.support_matrix{names} --write {options.write}` from every model of",
        "`tests/corpus/`, random weights. Parity is the worst output's SNR beside the source, in the emulator of the",
        "format on this host; float32 promises 60 dB, float16 30 dB. The first variant of a format holds the seconds",
        "that all of them share: loading, exporting, rewriting, but not the import of the converters. Weights are what",
        "the source itself holds, in float32; a float32 file larger than 1.3 times them and 20 kB is marked.",
        "",
        *(f"- {line}" for line in summarise(events).splitlines()),
        "",
        "| model | variant | parity | kB | weights | ops | seconds | rewrites, or what is wrong |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for event in sorted(events, key=lambda event: (models.index(event["model"]), event["variant"])):
        size, weights = (
            "" if event[key] is None else f"{event[key] / 1000:.0f}" for key in ("size_bytes", "weight_bytes")
        )
        size += " (large)" if _is_large(event) else ""
        ops = "" if event["ops"] is None else event["ops"]
        seconds = "" if event["seconds"] is None else f"{event['seconds']:.1f}"
        remark = _remark(event).replace("|", "\\|").replace("\n", " ")[:200]
        cells = (event["model"], event["variant"], _parity(event), size, weights, ops, seconds, remark)
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
