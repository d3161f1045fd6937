"""`testpress accept`: changes since a baseline that are meant, written down for review."""

from __future__ import annotations

from pathlib import Path

import click

from testpress.options import EVALUATION, JSON, Against, baseline_needed, example, show


@click.command(
    epilog=example('testpress accept testpress-out --baseline main/testpress-out --why "mended: float32 where needed"')
)
@EVALUATION
@baseline_needed
@click.option("--bundle", "bundles", multiple=True, metavar="NAME", help="Only changes of this bundle.")
@click.option("--metric", "metrics", multiple=True, metavar="M", help="Only changes of this metric.")
@click.option("--phone", "phones", multiple=True, metavar="ID", help="Only changes on this phone.")
@click.option("--by", metavar="LIMIT", help="5%, 0.01, 2dB, or gone; default: exactly what was found.")
@click.option("--why", required=True, metavar="TEXT", help="The reason, for whoever reviews it.")
@click.option("--until", metavar="DATE", help="The last day on which it holds, for example 2027-03-31.")
@click.option("--who", metavar="NAME", help="Who accepts it.")
@click.option(
    "-o", "--out", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Where it is written."
)
@JSON
def accept(
    evaluation: Path,
    against: Against,
    bundles: tuple[str, ...],
    metrics: tuple[str, ...],
    phones: tuple[str, ...],
    by: str | None,
    why: str,
    until: str | None,
    who: str | None,
    out: Path | None,
    as_json: bool,
) -> None:
    """Accept what is worse than a baseline: a small file beside the recipe, to be reviewed and committed.

    Without --bundle, --metric and --phone it proposes entries for everything that broke, each with exactly what was
    found as its limit; a bundle that is gone names the new one of its format. `testpress run`, `check` and `report`
    read the file, testpress.accept.toml beside testpress.toml.
    """
    from reports.judging.proposals import Wish
    from testpress import acceptances

    wish = Wish(why=why, bundles=bundles, metrics=metrics, phones=phones, by=by, until=until, who=who)
    old = against.open()
    found = acceptances.accept(evaluation, old, wish, out)
    show(found.as_data() if as_json else found.as_text(), as_json)
