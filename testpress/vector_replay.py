"""Inside the worker: a bundle's golden vectors replayed on its emulator, or an app's outputs held against them."""

from __future__ import annotations

from pathlib import Path

from device_profiles.record import read_toml
from device_profiles.text import shorten
from evaluators.errors import EvaluationError
from evaluators.integration.checking import ValueCheck
from evaluators.integration.replaying import OnStep, Replay, check_app, replay
from packager.bundle import Bundle, read_bundle
from packager.frontends.opening import Frontend, FrontendSource, find_frontend, open_frontend
from testpress.errors import RecipeError
from testpress.recipe import RecipeFile
from testpress.table import align


def replay_bundle(
    file: Path, *, outputs: Path | None, runtime: str | None, recipe: Path | None, on_step: OnStep
) -> Replay:
    """Replay, or hold an app's outputs against the vectors.

    Args:
        file: A bundle whose files hold.
        outputs: The folder that an app wrote; None plays the vectors here.
        runtime: Whose tolerances count; None takes the bundle's own.
        recipe: Whose code is the bundle's front end, where it is code.
        on_step: Called with the number of vectors done and their total.

    Raises:
        TestpressError: The model cannot be played, the recipe is another one, or there is nothing to be held against.
    """
    bundle = read_bundle(file)
    frontend = _open_frontend(bundle, recipe)
    if outputs is None:
        return replay(bundle, frontend, on_step)
    return check_app(bundle, frontend, outputs, runtime)


def _open_frontend(bundle: Bundle, recipe: Path | None) -> Frontend | None:
    said, audio = bundle.manifest.frontend, bundle.manifest.audio
    if said is None or audio is None or said.spec.inside:
        return None
    if said.sha256 is None:
        return open_frontend(FrontendSource(spec=said.spec), audio)
    if recipe is None:
        return None
    written = read_toml(recipe, RecipeFile, error=RecipeError).frontend
    found = None if written is None else find_frontend(written, recipe.parent)
    if found is None or found.sha256 != said.sha256:
        raise EvaluationError(
            f"{bundle.path}: was made with another front end than {recipe} has now; package it anew, or name its recipe"
        )
    return open_frontend(found, audio)


def as_text(found: Replay) -> str:
    """For people: one line a value, then what explains what is broken."""
    rows: list[tuple[str, ...]] = [("vector", "value", "SNR", "at least", "largest error", "at most", "margin")]
    rows += [_row(check) for check in found.checks]
    made_by = f"on {found.runtime}" if found.made_by == "emulator" else "by the app"
    lines = [f"golden vectors {made_by}, tolerances of {found.tolerances_of}"]
    lines.append(align(rows, right=(2, 3, 4, 5, 6), indent="  "))
    lines += [f"  {notice}" for notice in found.notices]
    little = [f"{check.vector}/{shorten(check.name)}" for check in found.checks if check.asks_little]
    if little:
        lines.append(f"  asks little, for rounding alone changes as much as there is: {', '.join(little)}")
    lines += [f"  it looks as if {suspect}" for suspect in found.suspects]
    if found.broken and not found.suspects and found.made_by == "app":
        lines.append("  none of the known faults explains it")
    lines.append(f"  {_verdict(found)}")
    return "\n".join(lines)


def _row(check: ValueCheck) -> tuple[str, ...]:
    if check.max_abs_error is None:
        return (check.vector, shorten(check.name), "", "", "", "", f"BROKEN: {check.reason}")
    snr = "" if check.snr_db is None else f"{check.snr_db:.1f} dB"
    return (
        check.vector,
        shorten(check.name),
        "identical" if check.reason == "identical" else snr,
        f"{check.least_snr_db:.1f} dB",
        f"{check.max_abs_error:.2g}",
        f"{check.largest_error:.2g}",
        _margin(check),
    )


def _margin(check: ValueCheck) -> str:
    words = (
        "exact" if check.reason == "identical" else "none" if check.margin_db is None else f"{check.margin_db:.1f} dB"
    )
    return words if check.holds else f"BROKEN {words}"


def _verdict(found: Replay) -> str:
    if found.broken:
        names = dict.fromkeys(f"{check.vector}/{check.name}" for check in found.broken)
        return f"BROKEN: {len(found.broken)} of {len(found.checks)} values: {', '.join(map(shorten, names))}"
    margin = "all identical" if found.margin_db is None else f"at least {found.margin_db:.1f} dB of margin"
    return f"holds: {len(found.checks)} values, {margin}"
