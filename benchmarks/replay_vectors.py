"""Replay the golden vectors of every bundle of recipes on its own emulator, and commit known faults on them.

    python -m benchmarks.replay_vectors examples/*/testpress.toml --out /tmp/vectors

Bundles are made where they are not there yet, each recipe's in a folder of its own below --out. A row says what the
least tolerance asks of the outputs, and the least margin of a right integration: "exact" where not a bit differs, which
is so on the machine that made the bundle. "elsewhere" is the margin on other kernels of the runtime, where it has any:
what a right integration on another processor may come to. Then each fault that an app of ours commits: by how many dB
the worst value of a vector misses its tolerance, an app's stages and outputs counted; "-" where the model has no such
part (one output, no state, no front end).
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

from evaluators.emulators import Emulator
from evaluators.formats import format_of
from evaluators.integration.app import App, BundleModel, Habits, Made
from evaluators.integration.checking import ValueCheck, check_values, choose_runtime
from evaluators.integration.replaying import replay
from evaluators.targets import default_target, get_player, open_model
from packager.bundle import Bundle, read_bundle
from packager.frontends.opening import Frontend, FrontendSource, open_frontend
from testpress.pipeline import package_recipe
from testpress.progress import TerminalProgress
from testpress.recipe import read_recipe
from testpress.work import Work

HABITS = {
    "hop + 1": Habits(hop_offset=1),
    "gain 0.5": Habits(gain=0.5),
    "no reset": Habits(resets=False),
    "linear": Habits(resampler="linear"),
}
COLUMNS = ("swapped", *HABITS, "symmetric")
LEAST_MARGIN_DB = 10.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipes", nargs="+", type=Path, help="recipes, or folders of bundles that are there already")
    parser.add_argument("--out", type=Path, default=Path("testpress-out/vectors"))
    options = parser.parse_args()
    bad = 0
    print(f"| bundle | kB of vectors | asked | right | elsewhere | {' | '.join(COLUMNS)} |")
    print(f"|{'---|' * (5 + len(COLUMNS))}")
    for recipe in options.recipes:
        for bundle in _find(recipe, options.out):
            bad += _measure(bundle)
    print(f"\n{bad} bundles with less than {LEAST_MARGIN_DB:g} dB of margin, or with a fault that no vector tells")
    return bool(bad)


def _find(path: Path, out: Path) -> Iterator[Bundle]:
    if path.is_dir():
        yield from (read_bundle(manifest.parent) for manifest in sorted(path.glob("*/manifest.json")))
        return
    out = out / f"{path.parent.name}-{path.stem}"
    with TerminalProgress(quiet=True) as progress:
        for outcome in package_recipe(Work(read_recipe(path), out, progress)):
            if outcome.bundle is None:
                print(f"| {path}: {outcome.variant.name} failed: {outcome.reason} |", flush=True)
            else:
                yield read_bundle(outcome.bundle.path)


def _measure(bundle: Bundle) -> bool:
    """Print a bundle's row; whether it is bad."""
    manifest = bundle.manifest
    found = replay(bundle, _open(bundle))
    outputs = [check for check in found.checks if "/" not in check.name and check.least_snr_db is not None]
    with closing(open_model(bundle.model_path)) as emulator:
        faults = {**_swap(bundle), **{name: _commit(bundle, emulator, one) for name, one in HABITS.items()}}
        faults["symmetric"] = _commit(bundle, emulator, Habits(), flip=True)
    size = sum(path.stat().st_size for path in (bundle.path / "verify").rglob("*") if path.is_file())
    row = [
        f"{manifest.model.name} {manifest.variant}",
        f"{size / 1000:.0f}",
        f"{min((one.least_snr_db or 0.0 for one in outputs), default=math.nan):.0f} dB",
        _words(found.checks),
        _play_elsewhere(bundle),
        *("-" if faults[name] is None else _words(faults[name] or ()) for name in COLUMNS),
    ]
    print(f"| {' | '.join(row)} |", flush=True)
    margin = found.margin_db
    right = found.holds and not found.notices and (margin is None or margin >= LEAST_MARGIN_DB)
    return not right or any(one is not None and all(check.holds for check in one) for one in faults.values())


def _open(bundle: Bundle, flip: bool = False) -> Frontend | None:
    said, audio = bundle.manifest.frontend, bundle.manifest.audio
    if said is None or audio is None or said.spec.inside:
        return None
    spec = said.spec
    if flip:
        other = {"periodic": "symmetric", "symmetric": "periodic"}[getattr(spec, "window_symmetry", "periodic")]
        spec = spec.model_copy(update={"window_symmetry": other})
    return open_frontend(FrontendSource(spec=spec), audio)


def _play(bundle: Bundle, emulator: Emulator, frontend: Frontend | None, habits: Habits) -> dict[str, Made]:
    app = App(BundleModel(emulator, bundle.manifest), bundle, frontend, habits)
    return {vector.name: app.play(vector) for vector in bundle.manifest.vectors}


def _check(bundle: Bundle, made: dict[str, Made]) -> tuple[ValueCheck, ...]:
    runtime = choose_runtime(bundle, None)
    return tuple(
        check
        for vector in bundle.manifest.vectors
        for check in check_values(bundle, vector, made[vector.name], runtime)
    )


def _commit(bundle: Bundle, emulator: Emulator, habits: Habits, flip: bool = False) -> tuple[ValueCheck, ...] | None:
    frontend, manifest = _open(bundle, flip), bundle.manifest
    has_states = bool(manifest.state or manifest.internal_states)
    if (flip and frontend is None) or (not habits.resets and not has_states):
        return None
    return _check(bundle, _play(bundle, emulator, frontend, habits))


def _swap(bundle: Bundle) -> dict[str, tuple[ValueCheck, ...] | None]:
    """Two outputs of one shape, or else two of any, written in each other's place."""
    states = {*bundle.manifest.state.values()}
    names = [one.name for one in bundle.manifest.outputs if one.name not in states]
    if len(names) < 2:
        return {"swapped": None}
    with closing(open_model(bundle.model_path)) as emulator:
        made = _play(bundle, emulator, _open(bundle), Habits())
    for one in made.values():
        one[names[0]], one[names[1]] = one[names[1]], one[names[0]]
    return {"swapped": _check(bundle, made)}


def _play_elsewhere(bundle: Bundle) -> str:
    words = []
    target = default_target(format_of(bundle.model_path))
    for name, opens in get_player(target.name).kernels.items():
        with closing(opens(bundle.model_path)) as emulator:
            made = _play(bundle, emulator, _open(bundle), Habits())
        own = f"{target.runtime}, {name}"
        checks = [
            check
            for vector in bundle.manifest.vectors
            for check in check_values(bundle, vector, made[vector.name], own)
        ]
        words.append(f"{_words(checks)} {name}")
    return "; ".join(words) or "-"


def _words(checks: Sequence[ValueCheck]) -> str:
    if any(check.margin_db is None and check.reason != "identical" for check in checks):
        return "other shape"
    margins = [check.margin_db for check in checks if check.margin_db is not None]
    return f"{min(margins):.1f} dB" if margins else "exact"


if __name__ == "__main__":
    raise SystemExit(main())
