"""What a reviewer hears: one player for a clip, in which tracks are switched without losing the place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.browser.visiting import Open, Visit, find_serious

pytestmark = [pytest.mark.browser, pytest.mark.slow]

BOTH = ["listening_report", "hostile_listening_report"]


def _group(visit: Visit) -> Any:
    return visit.page.locator(".listening").first


def _sounding(visit: Visit) -> list[int]:
    """Which of the first clip's tracks play."""
    script = "group => [...group.querySelectorAll('.track')].flatMap((row, at) => {"
    script += " const audio = row.querySelector('audio'); return audio && !audio.paused ? [at] : []; })"
    return list(_group(visit).evaluate(script))


def test_switching_keeps_the_place(visit: Open, listening_report: Path) -> None:
    visited = visit(listening_report)
    script = """async group => {
        const rows = [...group.querySelectorAll(".track")].filter(row => row.querySelector("input"));
        const audios = rows.map(row => row.querySelector("audio"));
        const radios = rows.map(row => row.querySelector("input"));
        const until = (audio, name) => new Promise(done => audio.addEventListener(name, done, { once: true }));
        const places = [];
        let starts = until(audios[0], "playing");
        group.querySelector("button").click();
        await starts;
        for (const [from, to] of [[0, 1], [1, 2], [2, 0]]) {
            await new Promise(done => setTimeout(done, 250));
            const stops = until(audios[from], "pause");
            radios[to].click();
            await stops;
            places.push([audios[from].currentTime, audios[to].currentTime, audios[to].paused]);
        }
        group.querySelector("button").click();
        return places;
    }"""
    places = _group(visited).evaluate(script)
    assert all(not paused for _, _, paused in places)
    # By how long a slow machine takes to find the place.
    assert all(abs(before - after) < 0.4 for before, after, _ in places)
    starts = [before for before, _, _ in places]
    assert 0 < starts[0] < starts[1] < starts[2]
    assert _sounding(visited) == []
    assert visited.troubles == []


def test_the_keyboard_plays_switches_and_seeks(visit: Open, listening_report: Path) -> None:
    visited = visit(listening_report)
    group = _group(visited)
    button, slider, radios = group.get_by_role("button"), group.get_by_role("slider"), group.get_by_role("radio")
    assert radios.first.is_checked()
    button.focus()
    visited.page.keyboard.press("Enter")
    visited.page.wait_for_function("() => [...document.querySelectorAll('.listening audio')].some(one => !one.paused)")
    assert _sounding(visited) == [1]  # below the picture of the clip
    visited.page.keyboard.press("Enter")
    assert (button.inner_text(), _sounding(visited)) == ("Play", [])
    visited.page.keyboard.press("Tab")
    visited.page.keyboard.press("End")
    assert slider.get_attribute("aria-valuetext") == "3.0 s"
    visited.page.keyboard.press("Tab")
    visited.page.keyboard.press("ArrowDown")
    assert radios.nth(1).is_checked()
    assert group.locator(".track.chosen").count() == 1
    assert "3.0 s of 3.0 s" in group.locator("output").inner_text()


def test_what_is_the_same_is_said_once_and_can_be_chosen(visit: Open, listening_report: Path) -> None:
    visited = visit(listening_report)
    rows = _group(visited).locator(".track")
    same = rows.filter(has_text="sample for sample as source")
    assert same.count() == 1
    assert same.locator("audio").count() == 0
    assert same.get_by_role("radio").count() == 1


def test_without_scripts_each_track_has_its_own_player(visit: Open, listening_report: Path) -> None:
    visited = visit(listening_report, javascript=False)
    group = _group(visited)
    assert group.locator("input, button").count() == 0
    players = group.locator("audio[controls]")
    tracks = group.locator(".track:not([data-same], :has(img))")
    assert players.count() == tracks.count() > 3
    assert all(player.is_visible() for player in players.all())


@pytest.mark.parametrize("which", BOTH)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_with_sound_are_quiet_and_can_be_read(
    which: str, scheme: str, visit: Open, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    path = request.getfixturevalue(which)
    visited = visit(path, color_scheme=scheme)
    visited.page.locator("#clips").screenshot(path=tmp_path / f"{which}-{scheme}.png")
    assert visited.troubles == []
    assert [url for url in visited.requests if not url.startswith("data:")] == [path.as_uri()]
    assert find_serious(visited.page) == []


@pytest.mark.parametrize("which", BOTH)
def test_a_narrow_screen_holds_them(which: str, visit: Open, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    visited = visit(request.getfixturevalue(which), viewport={"width": 360, "height": 740})
    visited.page.locator("#clips").screenshot(path=tmp_path / f"{which}-narrow.png")
    assert visited.page.evaluate("document.documentElement.scrollWidth") <= 360


def test_links_lead_to_the_worst_clips(visit: Open, listening_report: Path) -> None:
    visited = visit(listening_report)
    link = visited.page.locator("#clips .keys a").first
    link.click()
    target = visited.page.locator("#clips tr:target")
    assert target.count() == 1
    assert link.inner_text() in target.locator("th").inner_text()


def _stage(visit: Visit) -> Any:
    return visit.page.locator(".listening.notes").first


def test_notes_are_played_as_they_are_drawn(visit: Open, baseline_report: Path) -> None:
    """The first note that is drawn begins where sound begins, at its pitch."""
    visited = visit(baseline_report)
    script = """async group => {
        const rows = [...group.querySelectorAll(".track")];
        const row = rows[1];
        const numbers = row.querySelector("path").getAttribute("d").match(/[\\d.]+/g).map(Number);
        row.querySelector("input").click();
        group.querySelector("button").click();
        const audio = row.querySelector("audio");
        await new Promise(done => audio.addEventListener("playing", done, { once: true }));
        group.querySelector("button").click();
        const bytes = Uint8Array.from(atob(audio.src.split(",")[1]), sign => sign.charCodeAt(0));
        const samples = new Int16Array(bytes.buffer, 44);
        const first = samples.findIndex(value => Math.abs(value) > 50);
        const box = row.querySelector("svg.notes").viewBox.baseVal;
        const seconds = Number(group.dataset.seconds);
        return { name: row.innerText.trim().split("\\n")[0], duration: audio.duration, seconds,
                 heard: first / 16000, drawn: numbers[0] / box.width * seconds };
    }"""
    found = _stage(visited).evaluate(script)
    assert found["name"] == "labels"
    assert abs(found["duration"] - found["seconds"]) < 0.01
    assert abs(found["heard"] - found["drawn"]) < 0.02
    assert visited.troubles == []


def test_a_bundle_and_its_baseline_are_switched_in_place(visit: Open, baseline_report: Path) -> None:
    visited = visit(baseline_report)
    group = _stage(visited)
    names = [name.inner_text().split("\n")[0] for name in group.locator("span.track-name").all()]
    assert names[:3] == ["clip", "labels", "source"]
    assert names[3].startswith("A ")
    assert names[4].startswith("baseline A")
    group.get_by_role("slider").focus()
    for _ in range(5):
        visited.page.keyboard.press("PageUp")
    place = group.evaluate("group => Number(group.style.getPropertyValue('--place'))")
    assert place > 0.2
    group.get_by_role("radio").nth(4).check()
    assert group.evaluate("group => Number(group.style.getPropertyValue('--place'))") == place
    heads = group.locator(".playhead")
    lefts = {round(head.bounding_box()["x"]) for head in heads.all()}
    assert (heads.count(), len(lefts)) == (5, 1)  # one place on every lane


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
def test_a_page_with_a_baseline_is_quiet_and_can_be_read(
    scheme: str, width: int, visit: Open, baseline_report: Path, tmp_path: Path
) -> None:
    visited = visit(baseline_report, color_scheme=scheme, viewport={"width": width, "height": 900})
    for section in ("verdict", "baseline"):
        visited.page.locator(f"#{section}").screenshot(path=tmp_path / f"{section}-{scheme}-{width}.png")
    assert visited.page.evaluate("document.documentElement.scrollWidth") <= width
    assert visited.troubles == []
    assert find_serious(visited.page) == []
    assert "nobody ships it, until 2999-12-31" in visited.page.locator("#verdict").inner_text()
    bars = visited.page.locator("#baseline svg.share.worse")
    assert bars.count() >= 1


def test_folds_open_for_paper_and_for_who_is_sent_there(visit: Open, baseline_report: Path) -> None:
    visited = visit(baseline_report)
    table = visited.page.locator("#placement table")
    assert not table.is_visible()
    visited.page.get_by_role("navigation").get_by_role("link", name="Where ops run").click()
    table.wait_for(state="visible")
    folds = "[...document.querySelectorAll('details')].map(fold => fold.open)"
    before = visited.page.evaluate(folds)
    visited.page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert all(visited.page.evaluate(folds))
    visited.page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert visited.page.evaluate(folds) == before
    plain = visit(baseline_report, javascript=False)
    assert plain.page.locator("#placement summary").is_visible()
