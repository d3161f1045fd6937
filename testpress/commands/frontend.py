"""`testpress frontend`: a front end's features, and which choice an app's own front end made differently."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from testpress.options import JSON, example, limited, present

if TYPE_CHECKING:
    from testpress.limits import LimitsSpec


@click.command(
    epilog=example("testpress frontend testpress-out/bundles/tflite-float32 --against features_of_the_app.npy")
)
@click.argument("file", type=click.Path(path_type=Path), metavar="RECIPE|BUNDLE")
@click.option("--audio", type=click.Path(path_type=Path), metavar="FILE", help="Audio; else a bundle's golden audio.")
@click.option(
    "--against",
    type=click.Path(path_type=Path),
    metavar="FEATURES",
    help="What your own front end computed of it: .npy, or raw little-endian float32.",
)
@click.option("--golden", default="noise", metavar="NAME", help="Which of a bundle's golden vectors (noise or chirp).")
@click.option("-o", "--out", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Features as .npy.")
@JSON
@limited
def frontend(file: Path, as_json: bool, limits: LimitsSpec, **options: Any) -> None:
    """Compute the features that a recipe's or bundle's model takes, and hold your own front end against them.

    Exit 1 when --against is something else; the message says which choice explains it, as far as one does.
    """
    from testpress import sandbox

    found = sandbox.probe_frontend(str(file), options, limits)
    present(found, as_json)
