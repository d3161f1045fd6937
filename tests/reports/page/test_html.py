from __future__ import annotations

import re
import time
from html.parser import HTMLParser

import pytest

from evaluators.evaluation import Evaluation, VariantResult
from reports.judging.comparison import Comparison, compare
from reports.page.html import hash_source, render
from tests.reports.example_evaluation import lower, make_drift, ratio

VOID = {"meta", "link", "br", "img", "input", "hr", "rect", "circle", "path"}


class Page(HTMLParser):
    """The page's elements, texts and faults of nesting."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[tuple[str, ...], str]] = []
        self.faults: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag in VOID:
            return
        if not self.open or self.open[-1] != tag:
            self.faults.append(f"</{tag}> closes {self.open[-1:]}")
        else:
            self.open.pop()

    def handle_data(self, data: str) -> None:
        self.texts.append((tuple(self.open), data))

    def visible(self) -> str:
        shown = (data for path, data in self.texts if not {"script", "style", "title"} & set(path[:3]))
        return " ".join(" ".join(shown).split())

    def inside(self, tag: str) -> str:
        return "".join(data for path, data in self.texts if path[-1:] == (tag,))

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="module")
def page(comparison: Comparison) -> Page:
    return Page(render(comparison))


@pytest.mark.slow
def test_elements_are_nested_and_closed(page: Page) -> None:
    assert (page.faults, page.open) == ([], [])


def test_the_same_comparison_gives_the_same_page(comparison: Comparison) -> None:
    assert render(comparison) == render(comparison)


def test_sections_stand_in_a_reviewers_order(page: Page) -> None:
    order = [attributes["id"] for attributes in page.named("section")]
    assert order == [
        "verdict",
        "budgets",
        "matrix",
        "frontier",
        "parity",
        "drift",
        "placement",
        "host",
        "clips",
        "origin",
    ]


def test_links_lead_somewhere_and_ids_are_unique(page: Page) -> None:
    ids = [attributes["id"] for _, attributes in page.elements if attributes.get("id")]
    assert len(ids) == len(set(ids))
    targets = [attributes["href"] or "" for attributes in page.named("a")]
    assert targets
    assert {target.removeprefix("#") for target in targets} <= set(ids)
    labels = [attributes["aria-labelledby"] for _, attributes in page.elements if attributes.get("aria-labelledby")]
    assert set(labels) <= set(ids)


def test_tables_have_captions_and_their_heads_a_scope(page: Page) -> None:
    assert len(page.named("caption")) == len(page.named("table")) > 5
    assert {attributes.get("scope") for attributes in page.named("th")} <= {"col", "row", "rowgroup"}


def test_every_figure_has_words(page: Page) -> None:
    figures = page.named("svg")
    assert len(figures) > 40
    assert all(attributes.get("aria-label") or attributes.get("aria-hidden") for attributes in figures)


def test_nothing_is_fetched(comparison: Comparison, page: Page) -> None:
    text = render(comparison)
    assert not re.search(r"https?://|@import|url\(", text)
    assert not {"link", "iframe", "object", "embed", "img"} & {tag for tag, _ in page.elements}
    assert all("src" not in attributes for _, attributes in page.elements)


def test_the_policy_allows_this_script_and_no_other(page: Page) -> None:
    (policy,) = [meta["content"] or "" for meta in page.named("meta") if meta.get("http-equiv")]
    assert "default-src 'none'" in policy
    assert f"script-src '{hash_source(page.inside('script'))}'" in policy
    assert "unsafe-inline" not in policy.split("script-src")[1]
    assert not [name for _, attributes in page.elements for name in attributes if name.startswith("on")]


def test_hash_source_is_the_standards_example() -> None:
    # W3C Content Security Policy Level 3, section 8.2 gives this script and its hash
    assert hash_source("doSomething();") == "sha256-RFWPLDbv2BY+rCkDzsE+0fr8ylGr2R2faWMhq4lfEQc="


def test_verdict_numbers_and_their_basis_are_in_words(page: Page) -> None:
    text = page.visible()
    assert "✗ Fail" in text
    assert "7 failed, 6 not judged, 53 passed, 1 not applicable." in text
    assert "Latency of a window ↓ lower is better ◇ predicted" in text
    assert "24.8 ms ◇ 80 %: 15.5 to 39.7 ms" in text
    assert "247 kB ● measured on this host" in text
    assert "↓ lower is better" in text
    assert "These are not phone times." in text
    assert "packaging it failed: the quantizer has no int8 kernel for LOG" in text


def test_the_drift_is_told_in_words(page: Page) -> None:
    text = page.visible()
    assert f"The departure starts at op 15 of 222, a {make_drift().steps[14].kind}:" in text
    assert "Most of the error comes from op 32, a log:" in text
    assert "the largest error falls from 0.131 to 0.0120" in text


def test_clips_stand_worst_first(comparison: Comparison, page: Page) -> None:
    source = {clip.clip: clip.scores["note_f1"].value or 0 for clip in comparison.evaluation.source.clips}
    losses = dict.fromkeys(source, 0.0)
    for variant in comparison.evaluation.variants:
        for clip in variant.clips:
            losses[clip.clip] = min(losses[clip.clip], (clip.scores["note_f1"].value or 0) - source[clip.clip])
    text = page.visible()
    text = text[text.index("Each clip under each bundle") :]
    shown = sorted(source, key=text.index)
    assert [losses[clip] for clip in shown] == sorted(losses.values())


def test_hostile_names_are_text_and_the_page_stays_whole(hostile: Comparison, page: Page) -> None:
    found = Page(render(hostile))
    assert (found.faults, found.open) == ([], [])
    assert {tag for tag, _ in found.elements} <= {tag for tag, _ in page.elements} | {"details", "summary", "ul"}
    assert len(found.named("script")) == 1
    assert found.inside("script") == page.inside("script")
    assert found.inside("style") == page.inside("style")
    assert not [name for _, attributes in found.elements for name in attributes if name.startswith("on")]
    text = found.visible()
    assert "</script></style><img src=x onerror=alert(1)>{{7*7}}" in text
    assert "n" * 4000 in text  # once in full
    assert text.count("n" * 200) == 20  # 4000 / 200: nowhere else
    assert "\u0645\u0631\u062d\u0628\u0627" in text
    assert "\x00" not in text
    assert "\x1b" not in text
    assert len(render(hostile).encode()) < 1_000_000


def test_names_are_isolated_from_the_text_around_them(hostile: Comparison) -> None:
    found = Page(render(hostile))
    assert not re.search("[\u202a-\u202e\u2066-\u2069]", render(hostile))
    paths = [path for path, data in found.texts if "\u0645\u0631\u062d\u0628\u0627" in data]
    assert len(paths) > 5
    assert {path[-1] for path in paths} == {"bdi", "title"}


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 2, 60])
def test_a_page_stays_small_however_many_clips(evaluation: Evaluation, count: int) -> None:
    infos, many = list(evaluation.dataset.clips), 24 * count
    clips = tuple(infos[n % 24].model_copy(update={"clip": f"clip-{n}"}) for n in range(many))

    def repeat(variant: VariantResult) -> VariantResult:
        rows = [
            variant.clips[n % 24].model_copy(update={"clip": f"clip-{n}"}) for n in range(many if variant.clips else 0)
        ]
        return variant.model_copy(update={"clips": tuple(rows)})

    source = tuple(evaluation.source.clips[n % 24].model_copy(update={"clip": f"clip-{n}"}) for n in range(many))
    grown = evaluation.model_copy(
        update={
            "dataset": evaluation.dataset.model_copy(update={"clips": clips}),
            "variants": tuple(map(repeat, evaluation.variants)),
            "source": evaluation.source.model_copy(update={"clips": source}),
        }
    )
    text = render(compare(grown))
    assert len(text.encode()) < 400_000
    assert (f"{many - 40} more clips" in text) == (many > 40)


def test_empty_parts_leave_their_sections_out(evaluation: Evaluation) -> None:
    bare = evaluation.variants[0].model_copy(
        update={"drift": None, "timing": None, "clips": (), "devices": (), "parity": (), "differences": {}}
    )
    found = Page(render(compare(evaluation.model_copy(update={"variants": (bare,)}), budgets=())))
    assert [attributes["id"] for attributes in found.named("section")] == [
        "verdict",
        "budgets",
        "matrix",
        "parity",
        "origin",
    ]
    assert "No budget was set." in found.visible()
    assert "no output was compared" in found.visible()


def test_nothing_but_failures_still_renders(evaluation: Evaluation) -> None:
    for variants in (evaluation.variants[-1:], ()):
        found = Page(render(compare(evaluation.model_copy(update={"variants": variants}))))
        assert found.faults == []
        assert "No bundle has a result." in found.visible()


def test_who_made_the_dataset_and_its_licence_are_told(evaluation: Evaluation, page: Page) -> None:
    text = page.visible()
    assert "Melodies composed by A. Nonymous (CC-BY-4.0)" in text
    assert "2 keys that the task does not read: mood, take" in text
    unknown = evaluation.dataset.model_copy(update={"attribution": None, "notices": ()})
    plain = Page(render(compare(evaluation.model_copy(update={"dataset": unknown})))).visible()
    assert "Its makers and licence" not in plain
    assert "Noted of it" not in plain


def test_the_baseline_is_told(evaluation: Evaluation) -> None:
    old = evaluation.model_copy(update={"variants": evaluation.variants[1:]})
    text = Page(render(compare(evaluation, old))).visible()
    assert "Since the baseline" in text
    assert "the baseline has no such bundle" in text


def test_what_became_worse_stands_first(evaluation: Evaluation) -> None:
    first, *others = evaluation.variants
    smaller = {**first.scores, "size_bytes": lower(200_000, "bytes", "measured_host")}
    old = evaluation.model_copy(update={"variants": (first.model_copy(update={"scores": smaller}), *others[:-2])})
    text = Page(render(compare(evaluation, old))).visible()
    text = text[text.index("Since the baseline") :]
    assert text.index("200 kB before, 247 kB now") < text.index("the baseline has no such bundle")


@pytest.mark.slow
def test_metrics_without_end_are_cut(evaluation: Evaluation) -> None:
    variants = tuple(
        evaluation.variants[0].model_copy(
            update={"variant": f"v{n}", "clips": (), "differences": {f"m{n}-{k}": ratio(0.5) for k in range(100)}}
        )
        for n in range(200)
    )
    start = time.process_time()
    text = render(compare(evaluation.model_copy(update={"variants": variants}), budgets=()))
    assert time.process_time() - start < 30
    assert "19979 more metrics stand in evaluation.json" in text
    assert len(text) < 10_000_000
