from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest


@dataclass
class Visit:
    """A page that was opened, and what it did besides being shown."""

    page: Any
    requests: list[str] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)
    """console messages that warn or fail (violations of the policy among them), exceptions and dialogs"""


Open = Callable[..., Visit]


def watch(visit: Visit) -> None:
    """Note down all that the page does from here on."""

    def on_dialog(dialog: Any) -> None:
        visit.troubles.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def on_console(message: Any) -> None:
        if message.type in ("error", "warning"):
            visit.troubles.append(message.text)

    visit.page.on("dialog", on_dialog)
    visit.page.on("console", on_console)
    visit.page.on("pageerror", lambda error: visit.troubles.append(str(error)))
    visit.page.on("request", lambda request: visit.requests.append(request.url))


def find_serious(page: Any) -> list[str]:
    """What axe-core calls serious or critical; the test is skipped where it is not installed."""
    sync = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    found = sync.Axe().run(page).response["violations"]
    return [
        f"{each['id']}: {each['help']}: {node['html'][:200]}"
        for each in found
        if each["impact"] in ("serious", "critical")
        for node in each["nodes"]
    ]
