"""What a bundle itself makes of its vectors on its own emulator, with tolerances: recorded once, when it is made."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field

from evaluators.emulators import Emulator
from evaluators.errors import EvaluationError
from evaluators.formats import format_of
from evaluators.integration.app import App, BundleModel, Habits, Made
from evaluators.integration.tolerances import RoundedModel, make_tolerance
from evaluators.targets import default_target, get_player, open_model
from packager.bundle import Bundle
from packager.formats.format import FLOAT32
from packager.frontends.opening import Frontend
from packager.proving.golden import Recorded
from packager.vector_records import INPUTS, SAMPLES

_FRONT_END = 4 * FLOAT32
"""a Fourier transform in float32 rounds at each of its log2(n_fft) stages, and the square root of that adds up"""
_CALLS, _RECORDING = frozenset({"call", "calls"}), frozenset({"recording"})


@dataclass(frozen=True)
class _Way:
    """What is done otherwise than a plain play.

    Attributes:
        habits: What the app does.
        roundoff: What the model's inputs are off by.
        threads: How many the kernels may use.
        kernels: Which of the runtime's other kernels.
        kinds: Of vectors that are played so.
    """

    habits: Habits = field(default_factory=Habits)
    roundoff: float = 0.0
    threads: int = 1
    kernels: str | None = None
    kinds: frozenset[str] = _CALLS | _RECORDING


def record_vectors(bundle: Bundle, frontend: Frontend | None, roundoff: float) -> dict[str, dict[str, Recorded]]:
    """Play a bundle's vectors, and play them again with what a phone may do otherwise.

    Args:
        bundle: With its vectors' inputs in place.
        frontend: What computes features of audio, where the model takes them.
        roundoff: What its arithmetic rounds by, of the largest value.

    Returns:
        Vector → name → values and tolerances; of a recording, the app's stages too.

    Raises:
        EvaluationError: The model cannot be played.
    """
    target = default_target(format_of(bundle.model_path))
    plain = _play(bundle, frontend, _Way())
    heard = FLOAT32 if frontend is None else _FRONT_END
    varied = {
        "inputs off by one rounding": _play(bundle, frontend, _Way(Habits(rounding=heard), roundoff)),
        "two threads": _play(bundle, frontend, _Way(threads=2, kinds=_CALLS)),
        "resampled by soxr's VHQ": _play(bundle, frontend, _Way(Habits(resampler="VHQ"), kinds=_RECORDING)),
    }
    others = dict(_play_on_others(bundle, frontend))
    same = roundoff <= FLOAT32  # then other kernels are the same arithmetic in another order
    shared, apart = ({**varied, **others}, {}) if same else (varied, others)
    found: dict[str, dict[str, Recorded]] = {}
    for vector, made in plain.items():
        found[vector] = {}
        for name, values in made.items():
            is_stage = name == SAMPLES or name.startswith(f"{INPUTS}/")
            rounds = FLOAT32 if is_stage else roundoff
            changed = {what: one[vector][name] for what, one in shared.items() if name in one.get(vector, {})}
            tolerances = [make_tolerance(target.runtime, values, changed, rounds)]
            if not is_stage:
                tolerances += [
                    make_tolerance(f"{target.runtime}, {what}", values, {**changed, what: one[vector][name]}, rounds)
                    for what, one in apart.items()
                ]
            found[vector][name] = Recorded(values, tuple(tolerances))
    return found


def _play_on_others(bundle: Bundle, frontend: Frontend | None) -> Iterator[tuple[str, dict[str, Made]]]:
    """On other kernels of the same runtime; nothing of those that do not know an op of the file."""
    for name in get_player(default_target(format_of(bundle.model_path)).name).kernels:
        try:
            yield name, _play(bundle, frontend, _Way(kernels=name))
        except EvaluationError:
            continue


def _play(bundle: Bundle, frontend: Frontend | None, way: _Way) -> dict[str, Made]:
    with closing(_open(bundle, way)) as emulator:
        model = BundleModel(emulator, bundle.manifest)
        app = App(RoundedModel(model, way.roundoff) if way.roundoff else model, bundle, frontend, way.habits)
        return {vector.name: app.play(vector) for vector in bundle.manifest.vectors if vector.kind in way.kinds}


def _open(bundle: Bundle, way: _Way) -> Emulator:
    target = default_target(format_of(bundle.model_path))
    if way.kernels is not None:
        return get_player(target.name).kernels[way.kernels](bundle.model_path)
    return open_model(bundle.model_path, target, threads=way.threads)
