"""`testpress latency`: a model file's predicted latency and memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from testpress.options import JSON, MODEL, SIGNATURE, example, limited, present

if TYPE_CHECKING:
    from testpress.limits import LimitsSpec


@click.command(
    epilog=example("testpress latency testpress-out/bundles/tflite-float32 --device pixel-8 --unit cpu --threads 2")
)
@MODEL
@click.option(
    "--device",
    "devices",
    multiple=True,
    required=True,
    metavar="ID|PROFILE.toml",
    help="A phone of the catalogue, or the file of a profile; may be given again.",
)
@click.option(
    "--unit",
    type=click.Choice(["cpu", "gpu", "npu", "ane"]),
    help="The compute unit the app asks for; ane is an iPhone's npu. Else the runtime's own choice.",
)
@click.option(
    "--threads",
    type=click.IntRange(1),
    metavar="N",
    help="Threads of the CPU. Else as many as apps of the runtime take.",
)
@click.option("--runtime", metavar="NAME", help="What plays the file, of what the profiles list, for example TFLite.")
@SIGNATURE
@click.option("--window", type=click.IntRange(1), metavar="SAMPLES", help="Length of what the file leaves open.")
@click.option("--calibration", "calibrations", multiple=True, metavar="FILE", help="Of `testpress calibrate`.")
@click.option("--all", "show_all", is_flag=True, help="List every op, not only the ten dearest.")
@JSON
@limited
def latency(file: str, as_json: bool, limits: LimitsSpec, **options: Any) -> None:
    """Predict latency and memory of a model on phones, with intervals, and which ops cost most.

    No phone is asked. Where the ops would run is inferred from the runtime's rules, and told with the reason. A Core ML
    model of open length is run once on zeros of that length, to know its sizes: of --window, or of its default.
    """
    from testpress import sandbox

    present(sandbox.predict_file(file, options, limits), as_json)
