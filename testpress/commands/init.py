"""`testpress init`: a recipe for a model and data, and jobs for CI."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from testpress.options import JSON, QUIET, SAMPLE_RATE, example, show

if TYPE_CHECKING:
    from testpress.starter import Starter
    from testpress.starting.inquiry import Wishes


@click.command(epilog=example("testpress init --model net.py --data recordings --device pixel-8"))
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), default=Path(), metavar="[DIR]")
@click.option(
    "--model", "source", metavar="SOURCE", help='A file such as net.py, "python:module:function", "pkg://package/path".'
)
@click.option("--data", metavar="PATH", help='A folder of audio, a CSV or JSONL of clips, or "builtin:NAME".')
@click.option("--device", "devices", multiple=True, metavar="ID", help="A phone; may be said again. Default: four.")
@click.option("--task", metavar="KIND", help="What the model is for. Default: what is certain, else parity.")
@SAMPLE_RATE
@click.option("--yes", "-y", is_flag=True, help="Ask nothing.")
@click.option(
    "--ci", "systems", multiple=True, type=click.Choice(["github", "gitlab", "none"]), help="Whose job; default: both."
)
@JSON
@QUIET
def init(
    folder: Path,
    source: str | None,
    data: str | None,
    devices: tuple[str, ...],
    task: str | None,
    sample_rate: int | None,
    yes: bool,
    systems: tuple[str, ...],
    as_json: bool,
    quiet: bool,
) -> None:
    """Write a recipe that runs, testpress.toml, and jobs for GitHub and GitLab. Nothing is overwritten.

    The model is loaded once, by a worker, to find its inputs, outputs and states. On a terminal what is not given is
    asked. Without data a few clips are written beside the recipe; without a model it is a recipe to fill in.
    """
    from testpress import starter

    if "none" in systems and len(set(systems)) > 1:
        raise click.UsageError("--ci none goes with no other --ci")
    wanted = tuple(system for system in systems or starter.CI_FILES if system != "none")
    starter.refuse_existing([folder / starter.RECIPE_NAME])
    asker = Prompts() if not (yes or as_json) and sys.stdin.isatty() and sys.stderr.isatty() else None
    if asker is not None and source is None:
        source = asker.ask_model(folder)
    if source is None:
        if data is not None or task is not None or sample_rate is not None:
            raise click.UsageError("--data, --task and --sample-rate go with --model, which says whose they are")
        made = starter.make_starter(folder, systems=wanted, devices=devices or starter.DEFAULT_DEVICES)
    else:
        if asker is not None:
            data, devices = data or asker.ask_data(), devices or asker.ask_devices(starter.DEFAULT_DEVICES)
        from testpress.starting.inquiry import Wishes

        wishes = Wishes(source, data, devices, task, sample_rate)
        made = _start(folder, wishes, wanted, asker=asker, quiet=quiet)
    show(made.as_data() if as_json else starter.as_text(made), as_json)


def _start(
    folder: Path,
    wishes: Wishes,
    systems: Sequence[str],
    *,
    asker: Prompts | None,
    quiet: bool,
) -> Starter:
    from testpress import starter
    from testpress.progress import TerminalProgress
    from testpress.starting.inquiry import check_phones, find_draft

    devices = wishes.devices or starter.DEFAULT_DEVICES
    check_phones(devices)
    with TerminalProgress(quiet=quiet) as progress:
        progress.say(f"load {wishes.source} …")
        source, draft = find_draft(wishes, folder, asker=asker)
    return starter.make_starter(folder, source=source, systems=systems, draft=draft, data=wishes.data, devices=devices)


class Prompts:
    """Asks on a terminal, each question with what is taken where nothing is typed."""

    def ask_model(self, folder: Path) -> str | None:
        """The model; None for a recipe to fill in."""
        likely = [path.name for path in sorted(folder.glob("*.py"))] if folder.is_dir() else []
        default = str(folder / likely[0]) if len(likely) == 1 else ""
        text = "Model: a file such as net.py or model.pt2, or python:module:function; nothing for a recipe to fill in"
        return self._ask(text, default) or None

    def ask_data(self) -> str | None:
        """The data; None for a sample of clips."""
        return (
            self._ask("Audio: a folder, a CSV or JSONL of clips, builtin:NAME; nothing for a few clips made here", "")
            or None
        )

    def ask_devices(self, default: Sequence[str]) -> tuple[str, ...]:
        """Phones."""
        answer = self._ask("Phones, with commas (testpress devices lists them)", ", ".join(default))
        return tuple(word.strip() for word in answer.split(",") if word.strip())

    def ask_rate(self, default_hz: int) -> int:
        """The sample rate that the model expects."""
        found: int = click.prompt(
            "Sample rate of the model's audio in Hz", default_hz, type=click.IntRange(1), err=True
        )
        return found

    def ask_task(self, kinds: Sequence[str], default: str) -> str:
        """The task."""
        found: str = click.prompt("Task", default, type=click.Choice([*kinds]), err=True, show_choices=True)
        return found

    def _ask(self, text: str, default: str) -> str:
        found: str = click.prompt(text, default, err=True, show_default=bool(default))
        return found.strip()
