"""The history in a browser: light, dark, on a phone and on paper. Screenshots are left in the test's folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.browser.visiting import Open, find_serious

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 360])
def test_it_is_quiet_and_can_be_read(scheme: str, width: int, visit: Open, history_page: Path, tmp_path: Path) -> None:
    visited = visit(history_page, color_scheme=scheme, viewport={"width": width, "height": 900})
    visited.page.screenshot(path=tmp_path / f"history-{scheme}-{width}.png", full_page=True)
    assert visited.troubles == []
    assert visited.requests == [history_page.as_uri()]
    assert find_serious(visited.page) == []
    assert visited.page.evaluate("document.documentElement.scrollWidth") <= width
    assert "tflite-float16 on Pixel 8: latency_ms" in visited.page.locator("#steps").inner_text()


def test_the_keyboard_skips_to_the_steps(visit: Open, history_page: Path) -> None:
    visited = visit(history_page)
    visited.page.keyboard.press("Tab")
    assert visited.page.evaluate("document.activeElement.textContent") == "Skip to the steps"
    visited.page.keyboard.press("Enter")
    assert visited.page.evaluate("document.activeElement.id") == "main"


def test_it_prints_in_ink_on_white_and_cuts_nothing(visit: Open, history_page: Path, tmp_path: Path) -> None:
    visited = visit(history_page, viewport={"width": 700, "height": 1000})  # about A4 without its margins
    visited.page.emulate_media(media="print", color_scheme="dark")
    style = "getComputedStyle(document.body)"
    colours = visited.page.evaluate(f"[{style}.backgroundColor, {style}.color]")
    assert colours == ["rgb(255, 255, 255)", "rgb(0, 0, 0)"]
    assert visited.page.evaluate("document.documentElement.scrollWidth") <= 700
    ends = "[...document.querySelectorAll('td, th, svg')].map(each => each.getBoundingClientRect().right)"
    assert max(visited.page.evaluate(ends)) <= 701
    visited.page.pdf(path=tmp_path / "history.pdf", format="A4")
    assert (tmp_path / "history.pdf").read_bytes().startswith(b"%PDF")
