"""`testpress verify`: whether a bundle is what it says."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from testpress.options import DEVICE, JSON, QUIET, example, limited, show, tell

if TYPE_CHECKING:
    from testpress.limits import LimitsSpec


@click.command(
    epilog=example("testpress verify testpress-out/bundles/tflite-float32 --key public.pem --rebuild testpress.toml")
)
@click.argument("bundle", type=click.Path(path_type=Path), metavar="BUNDLE")
@click.option("--key", type=click.Path(path_type=Path), metavar="PUBLIC", help="The public key it must be signed for.")
@click.option("--rebuild", type=click.Path(path_type=Path), metavar="RECIPE", help="Make it anew and compare bytes.")
@DEVICE
@JSON
@QUIET
@limited
def verify(
    bundle: Path,
    key: Path | None,
    rebuild: Path | None,
    devices: tuple[str, ...],
    as_json: bool,
    quiet: bool,
    limits: LimitsSpec,
) -> None:
    """Hold every file of a bundle against its manifest; asked, its signature and its recipe too.

    Exit 1 when a file is missing, changed or added, when the signature is missing or of another key or other files,
    or when the bundle is made differently now.
    """
    from testpress import verification
    from testpress.progress import TerminalProgress
    from testpress.recipe import read_recipe

    if devices and rebuild is None:
        raise click.UsageError("--device says what --rebuild makes the bundle for; give --rebuild")
    recipe = None if rebuild is None else read_recipe(rebuild, devices=devices, limits=limits)
    with TerminalProgress(quiet=quiet) as progress:
        found = verification.verify_bundle(bundle, progress, key=key, recipe=recipe)
    data = {**found.model_dump(mode="json"), "holds": not found.reasons}
    show(data if as_json else verification.as_text(found), as_json)
    if found.reasons:
        tell(f"testpress: {bundle}: does not hold: {'; '.join(found.reasons)}")
        sys.exit(1)
