"""`testpress verify`: whether a bundle is what it says, and whether an app has integrated it rightly."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from testpress.options import DEVICE, JSON, QUIET, example, limited, show, tell

if TYPE_CHECKING:
    from testpress.limits import LimitsSpec

_PATH = click.Path(path_type=Path)


@click.command(epilog=example("testpress verify testpress-out/bundles/tflite-float32 --outputs written-by-the-app"))
@click.argument("bundle", type=_PATH, metavar="BUNDLE", required=False)
@click.option("--key", type=_PATH, metavar="PUBLIC", help="The public key it must be signed for.")
@click.option("--replay", is_flag=True, help="Play its golden vectors here, on its own emulator.")
@click.option("--outputs", type=_PATH, metavar="FOLDER", help="Hold what an app wrote against its golden vectors.")
@click.option("--runtime", metavar="NAME", help="Whose tolerances hold for --outputs; else the bundle's own runtime's.")
@click.option("--recipe", type=_PATH, metavar="RECIPE", help="For vectors: whose code is the bundle's front end.")
@click.option("--rebuild", type=_PATH, metavar="RECIPE", help="Make it anew and compare bytes.")
@click.option("--schema", is_flag=True, help="Print the JSON Schema of manifests, and do nothing else.")
@DEVICE
@JSON
@QUIET
@limited
def verify(
    bundle: Path | None,
    key: Path | None,
    replay: bool,
    outputs: Path | None,
    runtime: str | None,
    recipe: Path | None,
    rebuild: Path | None,
    schema: bool,
    devices: tuple[str, ...],
    as_json: bool,
    quiet: bool,
    limits: LimitsSpec,
) -> None:
    """Hold every file of a bundle against its manifest; asked, its signature, golden vectors and recipe too.

    --outputs takes a folder of files named as those below the bundle's verify/: raw little-endian values, which an app
    wrote on a phone. What is off is named by vector and value, in dB, and where a known fault explains it, that too.

    Exit 1 when a file is missing, changed or added, when the signature is missing or of another key or other files,
    when a golden vector does not hold, or when the bundle is made differently now.
    """
    from testpress import verification
    from testpress.progress import TerminalProgress
    from testpress.recipe import read_recipe

    if schema:
        from packager.manifest_schema import make_schema

        show(make_schema(), True)
        return
    if bundle is None:
        raise click.UsageError("Missing argument 'BUNDLE'.")
    if devices and rebuild is None:
        raise click.UsageError("--device says what --rebuild makes the bundle for; give --rebuild")
    if replay and outputs is not None:
        raise click.UsageError("--replay plays the vectors here, --outputs takes what an app wrote; give one of them")
    if runtime is not None and outputs is None:
        raise click.UsageError("--runtime says whose tolerances --outputs is held to; give --outputs")
    if recipe is not None and not replay and outputs is None:
        raise click.UsageError("--recipe names the front end of golden vectors; give --replay or --outputs")
    vectors = None
    if replay or outputs is not None:
        vectors = verification.VectorOrder(outputs, runtime, recipe, limits)
    made_from = None if rebuild is None else read_recipe(rebuild, devices=devices, limits=limits)
    with TerminalProgress(quiet=quiet) as progress:
        found = verification.verify_bundle(bundle, progress, key=key, recipe=made_from, vectors=vectors)
    data = {**found.model_dump(mode="json"), "holds": not found.reasons}
    show(data if as_json else verification.as_text(found), as_json)
    if found.reasons:
        tell(f"testpress: {bundle}: does not hold: {'; '.join(found.reasons)}")
        sys.exit(1)
