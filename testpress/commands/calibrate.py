"""`testpress calibrate`: measured times of a phone, made a calibration of its predictions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from testpress.options import JSON, example, limited, present

if TYPE_CHECKING:
    from testpress.limits import LimitsSpec


@click.command(epilog=example("testpress calibrate --device pixel-8 measured.csv --out calibration.json"))
@click.argument("measured", nargs=-1, required=True, metavar="MEASURED...")
@click.option("--device", required=True, metavar="ID|PROFILE.toml", help="The phone that was measured.")
@click.option(
    "--model", "models", multiple=True, metavar="FILE", help="What was measured, where a report does not say."
)
@click.option(
    "--unit", type=click.Choice(["cpu", "gpu", "npu", "ane"]), help="Where it ran, where a report does not say."
)
@click.option(
    "--threads", type=click.IntRange(1, 64), metavar="N", help="In how many threads, where a report does not say."
)
@click.option(
    "-o", "--out", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Where the calibration goes."
)
@JSON
@limited
def calibrate(measured: tuple[str, ...], as_json: bool, limits: LimitsSpec, **options: Any) -> None:
    """Calibrate predictions on a handful of measured times of a phone.

    MEASURED is a CSV with the columns file, unit, threads, ms (and runtime, signature where wanted), whose paths start
    from its folder; or a report of benchmark_model, LiteRT's benchmark, Xcode or AI Hub. `testpress latency
    --calibration FILE` and recipes use what --out writes.
    """
    from testpress import sandbox

    present(sandbox.calibrate_phone(measured, options, limits), as_json)
