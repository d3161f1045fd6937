"""Inside the worker: what `testpress.sandbox` asks for. Whatever the files hold ends here."""

from __future__ import annotations

import gc
import queue
import signal
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from device_profiles.record import Record, dump_json
from device_profiles.text import clean_text
from testpress.model_file import locate_model
from testpress.sandbox import Found, OnStep, Told

_PATHS = frozenset({"audio", "calls", "recipe", "out"})

T = TypeVar("T")


def inspect(request: dict[str, Any]) -> Iterator[Told]:
    """The facts at once, and once more when it is known whether the model plays here."""
    from testpress.inspection.reading import as_text, read_facts, try_to_play

    model = locate_model(request["file"], to_run=False)
    facts = read_facts(model, signature=request["signature"])
    changed = f"{request['file']}: {len(facts.hash_faults)} files are not what the manifest says"
    fault = changed if facts.hash_faults else None
    yield _tell(facts, as_text(facts), fault)
    # The system's own end of a process, since a runtime that loops never comes back to Python.
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, request["call_s"])
    tried = try_to_play(facts, model)
    signal.setitimer(signal.ITIMER_REAL, 0)
    yield _tell(tried, as_text(tried), fault)


def predict(request: dict[str, Any]) -> Iterator[Told]:
    """Latency and memory on phones."""
    from evaluators.costs.own_measurements import read_calibrations
    from testpress.latency import TOP_OPS, as_text, predict_costs, read_phones, read_request

    gc.freeze()  # what was imported stays; looking through it again and again is a sixth of the work
    profiles = read_phones(request["devices"], request.get("runtime"))
    asked = read_request(request.get("unit"), request.get("threads"))
    options = {name: request.get(name) for name in ("signature", "window")}
    calibrations = read_calibrations([Path(file) for file in request.get("calibrations", ())], profiles)
    predicted = predict_costs(locate_model(request["file"]), profiles, asked, calibrations=calibrations, **options)
    yield _tell(predicted, as_text(predicted, top=None if request["show_all"] else TOP_OPS))


def calibrate(request: dict[str, Any]) -> Iterator[Told]:
    """Measured times beside predicted ones, the calibration saved where `out` says."""
    from evaluators.measurements.measured_row import UNITS
    from packager.formats.phones import read_phone
    from packager.storage import write_text_atomically
    from testpress.calibration import as_text
    from testpress.calibration import calibrate as calibrate_on
    from testpress.measured_models import Measurements

    options = _with_paths(request)
    files = tuple(Path(file) for file in options["measured"])
    unit = None if options["unit"] is None else UNITS[options["unit"]]
    measurements = Measurements(files, tuple(options["models"]), unit, options["threads"])
    report = calibrate_on(read_phone(options["device"]), measurements)
    if options["out"] is not None:
        write_text_atomically(options["out"], dump_json(report.calibration))
    yield _tell(report, as_text(report, options["out"]))


def play(request: dict[str, Any]) -> Iterator[Told]:
    """A recording through a model, its outputs saved where `out` says."""
    from testpress.playing.contract import make_request
    from testpress.playing.playback import as_text
    from testpress.playing.playing import play as play_file
    from testpress.playing.playing import save_outputs

    options = _with_paths(request)
    out = options.pop("out")
    order = make_request(**options)
    played = yield from _steps(lambda on_step: play_file(order, on_step))
    if out is not None:
        save_outputs(played, out)
    yield _tell(played.summary, as_text(played.summary, out))


def call(request: dict[str, Any]) -> Iterator[Told]:
    """Calls with arrays, their outputs saved where `out` says."""
    from testpress.playing.calling import call_model

    call_model(_with_paths(request))
    yield Told(found=Found(data={}, text=""))


def watch(request: dict[str, Any]) -> Iterator[Told]:
    """The ranges of a model's ops, or where it parts from another."""
    from testpress.inspection.observation import TOP_OPS, as_text
    from testpress.inspection.watching import make_request
    from testpress.inspection.watching import watch as watch_models

    options = _with_paths(request)
    top = None if options.pop("show_all") else TOP_OPS
    order = make_request(**options)
    found = yield from _steps(lambda on_step: watch_models(order, on_step))
    yield _tell(found, as_text(found, top=top))


def probe(request: dict[str, Any]) -> Iterator[Told]:
    """Features held against a front end, its own saved where `out` says."""
    from testpress.frontends import ProbeRequest, as_text, find_fault, probe_frontend, save_features

    options = {**_with_paths(request), "file": Path(request["file"])}
    out, against = options.pop("out"), options.pop("against")
    found = probe_frontend(ProbeRequest(**options, against=None if against is None else Path(against)))
    if out is not None:
        save_features(found.features, out)
    yield _tell(found.probe, as_text(found.probe, out), find_fault(found.probe))


def _tell(found: Record, text: str, fault: str | None = None) -> Told:
    return Told(found=Found(data=found.model_dump(mode="json"), text=clean_text(text), fault=fault))


def _with_paths(request: dict[str, Any]) -> dict[str, Any]:
    return {name: Path(value) if name in _PATHS and value is not None else value for name, value in request.items()}


def _steps(work: Callable[[OnStep], T]) -> Generator[Told, None, T]:
    """What is told to a callback, as events; returns what the work returns."""
    steps: queue.SimpleQueue[tuple[int, int] | None] = queue.SimpleQueue()
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(work, lambda done, total: steps.put((done, total)))
        future.add_done_callback(lambda _: steps.put(None))
        while (step := steps.get()) is not None:
            yield Told(step=step)
        return future.result()
