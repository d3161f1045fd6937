"""Package every model of the corpus in both formats, and write what came of it as a table.

    python -m benchmarks.support_matrix                                   # all models, float32 and float16
    python -m benchmarks.support_matrix ds_cnn demucs --precisions int8   # some models, the int8 precisions
    python -m benchmarks.support_matrix --write docs/support_matrix.md    # the document

What is packaged already is not packaged again (`-o` keeps it), so that a killed run goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
CORPUS = ROOT / "tests" / "corpus"
sys.path.insert(0, str(ROOT / "tests"))

from corpus.catalog import CATALOG, Entry  # noqa: E402  the corpus is the tests', and stays there

SETS = {
    "float": {"tflite": ["float32", "float16"], "coreml": ["float32", "float16"]},
    "int8": {"tflite": ["dynamic_wi8_afp32", "static_wi8_ai8"], "coreml": ["linear_w8", "palettized_w6"]},
}
PROMISES_DB = {"float32": 60.0, "float16": 30.0}


@dataclass(frozen=True)
class Row:
    """One variant of one model."""

    model: str
    variant: str
    parity: str
    holds: bool
    size_bytes: int | None
    seconds: float | None
    remark: str


def main(arguments: list[str]) -> int:
    """Run the command; the exit code is 1 when a model lacks a format or breaks a promise without a named op."""
    options = _parse(arguments)
    known = {entry.name: entry for entry in CATALOG}
    entries = [known[name] for name in options.models] if options.models else list(CATALOG)
    rows: list[Row] = []
    for entry in entries:
        found = _package(entry, SETS[options.precisions], options.out / entry.name)
        rows += found
        for row in found:
            print(
                f"{row.model:28} {row.variant:26} {row.parity:>10} {row.seconds or 0:7.1f} s  {row.remark}", flush=True
            )
    if options.write is not None:
        options.write.write_text(render(rows, options), encoding="utf-8")
    print(summarise(rows))
    return 0 if all(row.holds or "most to blame" in row.remark for row in rows) else 1


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.support_matrix", description=__doc__)
    parser.add_argument("models", nargs="*", metavar="MODEL", help="names in the corpus; default: all")
    parser.add_argument("--precisions", choices=sorted(SETS), default="float")
    parser.add_argument("-o", "--out", type=Path, default=ROOT / ".cache" / "support_matrix", metavar="DIR")
    parser.add_argument("--write", type=Path, metavar="FILE", help="where the table goes")
    return parser.parse_args(arguments)


def _package(entry: Entry, precisions: dict[str, list[str]], out: Path) -> list[Row]:
    out.mkdir(parents=True, exist_ok=True)
    recipe = out / "testpress.toml"
    recipe.write_text(recipe_text(entry, precisions), encoding="utf-8")
    command = [sys.executable, "-m", "testpress", "package", str(recipe), "-o", str(out), "--json", "-q"]
    paths = os.pathsep.join([str(CORPUS), str(ROOT)])  # where the recipe's module and the command are found
    environment = {**os.environ, "PYTHONPATH": paths}
    ended = subprocess.run(command, capture_output=True, text=True, timeout=3600, check=False, env=environment)
    if not ended.stdout:
        reason = (ended.stderr.strip().splitlines() or ["no message"])[0]
        names = [f"{format_}-{precision}" for format_, some in precisions.items() for precision in some]
        return [Row(entry.name, name, "none", False, None, None, reason) for name in names]
    rows = [_row(entry.name, outcome, out) for outcome in json.loads(ended.stdout)]
    (out / "rows.json").write_text(json.dumps([row.__dict__ for row in rows], indent=1))
    return rows


def recipe_text(entry: Entry, precisions: dict[str, list[str]]) -> str:
    """A recipe for a model of the corpus; the audio contract is left out, so that shapes are the example's own."""
    lines = [
        "[model]",
        f'name = "{entry.name}"',
        'version = "1"',
        'license = "Apache-2.0"',
        f'source = "{entry.source}"',
        f'framework = "{entry.framework}"',
        *([f"state = {_table(entry.state)}"] if entry.state else []),
        *([f"outputs = {{ {', '.join(f'{name} = {{}}' for name in entry.outputs)} }}"] if entry.outputs else []),
        "[variants]",
        *(f"{format_} = {json.dumps(some)}" for format_, some in precisions.items()),
    ]
    return "\n".join(lines) + "\n"


def _table(pairs: dict[str, str]) -> str:
    return "{ " + ", ".join(f"{key} = {json.dumps(value)}" for key, value in pairs.items()) + " }"


def _row(model: str, outcome: dict[str, Any], out: Path) -> Row:
    proof = outcome["proof"]
    if outcome["path"] is None:
        return Row(model, outcome["variant"], "none", False, None, outcome["seconds"], outcome["reason"])
    manifest = json.loads((Path(outcome["path"]) / "manifest.json").read_text())
    size = sum(one["size_bytes"] for name, one in manifest["files"].items() if name.split("/")[0] == manifest["file"])
    remark = ", ".join(manifest["rewrites"])
    if not proof["holds"]:
        remark = f"departs; most to blame: {proof['breaks_at']}" if proof["breaks_at"] else "departs"
        remark += "".join(f"; {o['output']}: {o['reason']}" for o in proof["outputs"] if o["max_abs_error"] is None)
    seconds = outcome["seconds"] if not outcome["reused"] else _remembered(out, outcome["variant"])
    return Row(model, outcome["variant"], _parity(proof), proof["holds"], size, seconds, remark)


def _parity(proof: dict[str, Any]) -> str:
    measured = [one["snr_db"] for one in proof["outputs"] if one["snr_db"] is not None]
    return f"{min(measured):.0f} dB" if measured else "identical" if proof["holds"] else "none"


def _remembered(out: Path, variant: str) -> float | None:
    """The seconds of the run that made a bundle which was there already."""
    try:
        rows = json.loads((out / "rows.json").read_text())
    except (OSError, json.JSONDecodeError):
        return None
    return next((row["seconds"] for row in rows if row["variant"] == variant), None)


def summarise(rows: Iterable[Row]) -> str:
    """How many models are there in each variant, and how many of them keep the promise."""
    rows = list(rows)
    lines = []
    for variant in dict.fromkeys(row.variant for row in rows):
        some = [row for row in rows if row.variant == variant]
        made = [row for row in some if row.size_bytes is not None]
        lines.append(f"{variant}: {len(made)} of {len(some)} made, {sum(row.holds for row in made)} keep the promise")
    return "\n".join(lines)


def render(rows: list[Row], options: argparse.Namespace) -> str:
    """The document."""
    names = f" --precisions {options.precisions}" if options.precisions != "float" else ""
    lines = [
        "# Support matrix",
        "",
        f"Made by `python -m benchmarks.support_matrix{names} --write {options.write}`: `testpress package` on every",
        "model of `tests/corpus/`, random weights. Parity is the worst output's SNR beside the source, in the format's",
        "emulator on this host; float32 promises 60 dB and float16 30 dB. The first variant of a format holds what all",
        "of them share: loading, exporting, rewriting.",
        "",
        *(f"- {line}" for line in summarise(rows).splitlines()),
        "",
        "| model | variant | parity | kB | seconds | rewrites, or what is wrong |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        size = "" if row.size_bytes is None else f"{row.size_bytes / 1000:.0f}"
        seconds = "" if row.seconds is None else f"{row.seconds:.1f}"
        remark = row.remark.replace("|", "\\|").replace("\n", " ")[:240]
        lines.append(f"| {row.model} | {row.variant} | {row.parity} | {size} | {seconds} | {remark} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
