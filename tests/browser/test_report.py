"""What a reviewer does with the page, each in a browser of its own. Screenshots are left in the test's folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.browser.visiting import Open, Visit, find_serious
from tests.reports.example_evaluation import HOSTILE

pytestmark = [pytest.mark.browser, pytest.mark.slow]

MATRIX = "table.matrix tbody tr"


def _shoot(visit: Visit, path: Path, *, full: bool = True) -> None:
    visit.page.screenshot(path=path, full_page=full)
    assert path.stat().st_size > 10_000


def _column(visit: Visit, number: int) -> list[str]:
    cells = visit.page.locator(f"{MATRIX}:visible > :nth-child({number})").all()
    return [cell.inner_text() for cell in cells]


def _numbers(visit: Visit, name: str) -> list[float | None]:
    """The sort keys of a column of the matrix, in the order shown."""
    script = """name => {
        const table = document.querySelector("table.matrix");
        const at = [...table.tHead.rows[0].cells].findIndex(cell => cell.textContent.startsWith(name));
        return [...table.tBodies[0].rows].filter(row => !row.hidden).map(row => row.cells[at].dataset.v ?? null);
    }"""
    return [None if value is None else float(value) for value in visit.page.evaluate(script, name)]


@pytest.mark.parametrize("which", ["report", "parity_report", "hostile_report"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_asks_for_nothing_and_complains_of_nothing(
    which: str, scheme: str, visit: Open, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    path = request.getfixturevalue(which)
    visited = visit(path, color_scheme=scheme)
    _shoot(visited, tmp_path / f"{which}-{scheme}.png")
    assert visited.troubles == []
    assert [url for url in visited.requests if not url.startswith("data:")] == [path.as_uri()]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_dark_and_light_are_the_readers_choice(scheme: str, visit: Open, report: Path) -> None:
    visited = visit(report, color_scheme=scheme)
    colour = visited.page.evaluate("getComputedStyle(document.body).backgroundColor")
    channels = [int(part) for part in colour.removeprefix("rgb(").removesuffix(")").split(",")]
    assert (sum(channels) / 3 < 60) == (scheme == "dark")


def test_a_click_sorts_a_second_turns_it_round_and_a_third_puts_it_back(
    visit: Open, report: Path, tmp_path: Path
) -> None:
    visited = visit(report)
    before = _numbers(visited, "Latency")
    button = visited.page.get_by_role("button", name="Latency of a window")
    head = visited.page.locator("table.matrix th", has=button)
    found = []
    for _ in range(3):
        button.click()
        found.append((head.get_attribute("aria-sort"), _numbers(visited, "Latency")))
    known = sorted(value for value in before if value is not None)
    assert found == [("ascending", known), ("descending", known[::-1]), ("none", before)]
    visited.page.get_by_role("button", name="Phone").click()
    assert head.get_attribute("aria-sort") == "none"
    phones = _column(visited, 3)
    assert phones == sorted(phones, key=str.lower)
    visited.page.locator("#matrix").screenshot(path=tmp_path / "sorted.png")


def test_text_and_choices_filter_together_and_the_count_says_so(visit: Open, report: Path, tmp_path: Path) -> None:
    visited = visit(report)
    bar = visited.page.get_by_role("search")
    count = bar.get_by_role("status")
    assert count.inner_text() == "All 14 lines"
    bar.get_by_label("Text").fill("pixel FLOAT")
    assert count.inner_text() == "2 of 14 lines"
    assert all("Pixel 8" in phone for phone in _column(visited, 3))
    bar.get_by_label("Text").fill("")
    bar.get_by_label("Format").select_option("coreml")
    bar.get_by_label("Verdict").select_option("✗ failed")
    shown = visited.page.locator(f"{MATRIX}:visible")
    assert count.inner_text() == f"{shown.count()} of 14 lines"
    assert 0 < shown.count() < 14
    assert set(_column(visited, 2)) == {"coreml"}
    assert set(_column(visited, 5)) == {"✗ failed"}
    visited.page.locator("#matrix").screenshot(path=tmp_path / "filtered.png")
    bar.get_by_label("Text").fill("no such thing")
    assert count.inner_text() == "0 of 14 lines"


def test_what_passed_can_be_hidden(visit: Open, report: Path) -> None:
    visited = visit(report)
    passed = visited.page.locator("#budgets tr[data-status=passed]:visible")
    assert passed.count() > 10
    button = visited.page.get_by_role("button", name="Hide what passed")
    button.click()
    assert (passed.count(), button.get_attribute("aria-pressed")) == (0, "true")


def test_the_keyboard_reaches_and_works_everything(visit: Open, report: Path) -> None:
    visited = visit(report)
    visited.page.keyboard.press("Tab")
    assert visited.page.evaluate("document.activeElement.textContent") == "Skip to the verdict"
    visited.page.keyboard.press("Enter")
    assert visited.page.evaluate("document.activeElement.id") == "main"
    reached = []
    for _ in range(60):
        visited.page.keyboard.press("Tab")
        reached.append(visited.page.evaluate("document.activeElement.outerHTML.slice(0, 60)"))
        if "sort" in reached[-1]:
            break
    assert any("toggle" in element for element in reached)
    assert any("<input" in element for element in reached)
    assert sum("<select" in element for element in reached) == 4
    outline = visited.page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    visited.page.keyboard.press("Enter")
    assert outline != "none"
    assert visited.page.locator("th[aria-sort=ascending]").count() == 1


@pytest.mark.parametrize("which", ["report", "parity_report", "hostile_report"])
def test_a_narrow_screen_scrolls_in_one_direction(
    which: str, visit: Open, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    visited = visit(request.getfixturevalue(which), viewport={"width": 360, "height": 740})
    _shoot(visited, tmp_path / f"narrow-{which}.png")
    assert visited.page.evaluate("document.documentElement.scrollWidth") <= 360


def test_it_reads_the_same_without_scripts(visit: Open, report: Path, tmp_path: Path) -> None:
    plain, full = visit(report, javascript=False), visit(report)
    _shoot(plain, tmp_path / "no-scripts.png")
    assert plain.page.locator("button, input, select").count() == 0
    assert plain.page.locator(MATRIX).count() == full.page.locator(MATRIX).count() == 14
    for section in ("verdict", "budgets", "matrix", "frontier", "drift", "placement", "clips", "origin"):
        assert plain.page.locator(f"section#{section}").is_visible()
    assert plain.troubles == []


def test_it_prints(visit: Open, report: Path, tmp_path: Path) -> None:
    visited = visit(report)
    visited.page.emulate_media(media="print", color_scheme="dark")
    assert visited.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert visited.page.evaluate("getComputedStyle(document.body).color") == "rgb(0, 0, 0)"
    _shoot(visited, tmp_path / "print.png")
    visited.page.pdf(path=tmp_path / "report.pdf", format="A4")
    data = (tmp_path / "report.pdf").read_bytes()
    assert data.startswith(b"%PDF")
    assert 3 < data.count(b"/Type /Page\n") + data.count(b"/Type /Page ") + data.count(b"/Type/Page/") < 40


@pytest.mark.parametrize("which", ["report", "baseline_report", "listening_report"])
def test_paper_cuts_nothing(which: str, visit: Open, request: pytest.FixtureRequest) -> None:
    """At the width that A4 has within its margins; and what a track's axis says stands clear of its name."""
    visited = visit(request.getfixturevalue(which), viewport={"width": 703, "height": 1032})
    visited.page.evaluate("dispatchEvent(new Event('beforeprint'))")
    visited.page.emulate_media(media="print")
    script = """() => {
        const box = each => each.getBoundingClientRect();
        const ends = [...document.querySelectorAll("td, th, svg, pre")].map(each => box(each).right);
        const cut = [...document.querySelectorAll(".upright")].filter(
            each => [...each.querySelectorAll("text")].some(text => box(text).left < box(each).left - 1));
        return [Math.max(...ends), cut.length];
    }"""
    end, cut = visited.page.evaluate(script)
    assert (end <= 704, cut) == (True, 0)


def test_the_worst_clips_can_be_heard(visit: Open, report: Path) -> None:
    visited = visit(report)
    players = visited.page.locator("audio[src]")
    assert 5 < players.count() <= 12  # as many as fit
    script = """async player => {
        player.preload = "auto";
        player.load();
        await new Promise((done, failed) => {
            player.oncanplay = done;
            player.onerror = () => failed(player.error.message);
        });
        return player.duration;
    }"""
    assert players.first.evaluate(script) > 1.0
    assert visited.troubles == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("which", ["report", "parity_report", "hostile_report"])
def test_axe_finds_nothing_serious(which: str, scheme: str, visit: Open, request: pytest.FixtureRequest) -> None:
    assert find_serious(visit(request.getfixturevalue(which), color_scheme=scheme).page) == []


def test_hostile_names_are_text(visit: Open, hostile_report: Path, report: Path) -> None:
    hostile, plain = visit(hostile_report), visit(report)
    assert hostile.troubles == []
    assert HOSTILE.split("{{")[0] in hostile.page.locator("#clips").inner_text()
    assert "n" * 4000 in hostile.page.locator("body").inner_html()
    for tag in ("script", "style", "iframe", "object", "img:not(.spectrogram)", "[onerror]", "a[href^=javascript]"):
        assert hostile.page.locator(tag).count() == plain.page.locator(tag).count()
    order = "[...document.querySelectorAll('section')].map(section => section.id)"
    assert hostile.page.evaluate(order) == plain.page.evaluate(order)


def test_a_script_that_was_smuggled_in_does_not_run(visit: Open, report: Path, tmp_path: Path) -> None:
    """The policy's second line of defence: even what got past the escaping has no hash."""
    attack = "<script>document.title = 'broken into'</script><img src=x onerror=\"document.title = 'broken into'\">"
    path = tmp_path / "attacked.html"
    path.write_text(report.read_text(encoding="utf-8").replace("</main>", f"{attack}</main>"), encoding="utf-8")
    visited = visit(path)
    assert visited.page.title() != "broken into"
    assert visited.page.get_by_role("search").count() == 1
    assert any("Content Security Policy" in trouble for trouble in visited.troubles)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1400, 360])
def test_charts_are_seen_and_their_numbers_are_read(
    scheme: str, width: int, visit: Open, report: Path, tmp_path: Path
) -> None:
    visited = visit(report, color_scheme=scheme, viewport={"width": width, "height": 900}, javascript=False)
    section = visited.page.locator("#charts")
    figures = section.get_by_role("img")
    assert figures.count() == 6
    for figure in figures.all():
        assert figure.bounding_box()["width"] > 150
    roc = section.get_by_role("img", name="ROC curve, mean over classes")
    lines = roc.locator("path.line")
    drawn = [
        line.evaluate("element => [getComputedStyle(element).stroke, element.getAttribute('stroke-dasharray')]")
        for line in lines.all()
    ]
    assert len({colour for colour, _ in drawn}) == len({dashes for _, dashes in drawn}) == len(drawn) == 4
    section.get_by_text("The curves in numbers").first.click()
    assert section.get_by_text(
        "Greatest recall at any threshold where the false alarm rate is at most:"
    ).first.is_visible()
    section.screenshot(path=tmp_path / f"charts-{scheme}-{width}.png")
    assert visited.page.evaluate("document.documentElement.scrollWidth") <= width
