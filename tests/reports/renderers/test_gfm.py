"""A name from outside stays text in GitHub-flavoured Markdown: rendered, and as GitHub links what was rendered."""

from __future__ import annotations

import re
from collections.abc import Callable
from html.parser import HTMLParser
from importlib.util import find_spec

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from device_profiles.text import shorten
from reports.renderers.gfm import bullet, code, escape, row, table
from tests.reports.any_evaluation import HOSTILE_NAMES, names

APART = "\u200b"
# What GitHub's filters look for in the text of rendered Markdown. Source: GitHub docs, "Autolinked references and
# URLs", "Basic writing and formatting syntax" (people and emoji), "Writing mathematical expressions".
LINKED = re.compile(
    r"""
      (?<![^\W_])@[a-z0-9]              # people and teams
    | \#\d                              # issues, also octo-org/octo-repo#1
    | (?<![^\W_])gh-\d
    | (?<![^\W_])[0-9a-f]{7,40}(?![^\W_])
    | @[0-9a-f]{7,40}
    | :[+a-z0-9_-]+:                    # emoji
    | \w:// | www\.
    | \$[^\s$].*\$                      # mathematics
    """,
    re.VERBOSE | re.IGNORECASE,
)
SIGNS = " \t\n.:/@#-_*`~!()<>[]{}|\\$&^%"
TIMES = re.compile(r"\d\d:\d\d:\d\d")

texts = st.one_of(
    names,
    st.lists(st.sampled_from((*HOSTILE_NAMES, *SIGNS, "a", "1", "http", APART)), max_size=8).map("".join),
    st.text("abcdef0123456789@#.:/-_*`~[]()<>!|\\$&;^% wGHgh+=\n", max_size=40),
)


class Rendered(HTMLParser):
    """Elements in order, and text in which code and each <span> around a dollar is one sign that links nothing.

    GitHub looks for links in each node of text by itself: what stands on both sides of an element never meets.
    """

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.open: list[str] = []
        self.text = ""
        self.shown = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.open.append(tag)
        if tag == "span":
            assert attrs == []

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.shown += data
        self.text += "\n" if self.open[-1:] in (["code"], ["span"]) else data


def render_by_cmark(text: str) -> str:
    """By GitHub's own renderer, with all that links text of itself."""
    import cmarkgfm
    from cmarkgfm.cmark import Options

    options = Options.CMARK_OPT_UNSAFE | Options.CMARK_OPT_FOOTNOTES
    return str(cmarkgfm.markdown_to_html_with_extensions(text, options=options, extensions=EXTENSIONS))


def render_by_markdown_it(text: str) -> str:
    """By JavaScript's renderer, which links every host's name where its finder of links is installed."""
    import markdown_it

    try:
        import linkify_it  # noqa: F401
    except ImportError:
        return str(markdown_it.MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(text))
    return str(markdown_it.MarkdownIt("gfm-like").render(text))


EXTENSIONS = ["table", "autolink", "strikethrough", "tagfilter", "tasklist"]
RENDERERS = [
    pytest.param(render, marks=pytest.mark.skipif(find_spec(package) is None, reason=f"needs {package}"))
    for package, render in (("cmarkgfm", render_by_cmark), ("markdown_it", render_by_markdown_it))
]
LINES: dict[str, tuple[Callable[[str], str], list[str]]] = {
    "paragraph": (escape, ["p"]),
    "bullet": (bullet, ["ul", "li"]),
    "table": (
        lambda text: table(["a", "b"], [row([escape(text), escape(text)])]),
        ["table", "thead", "tr", "th", "th", "tbody", "tr", "td", "td"],
    ),
    "heading": (lambda text: f"### On {escape(text)}", ["h3"]),
}


@pytest.mark.slow
@settings(max_examples=150, deadline=None, derandomize=True)
@example("99:shipit:")
@example("a@-b.c")
@example("_www.example.com")
@example(":0$:")
@example("0 #")
@example("0 ## ##")
@example("a$@b $1234567")
@example("x GH-1 1234567 12345678901234567890")
@given(texts)
@pytest.mark.parametrize("render", RENDERERS)
@pytest.mark.parametrize("place", LINES)
def test_a_name_stays_text(render: Callable[[str], str], place: str, text: str) -> None:
    write, tags = LINES[place]
    found = Rendered(render(write(text)))
    expected = tags if shorten(text) or place != "paragraph" else []
    # markdown-it takes a host's name for a link however it is written; GitHub does not
    lists = [tag for tag in found.tags if tag != "span" and (tag != "a" or render is render_by_cmark)]
    assert lists == expected, found.tags
    assert not LINKED.search(TIMES.sub("", found.text)), found.text
    wanted = shorten(text, 600 if place == "bullet" else 96)
    repeats = 2 if place == "table" else 1
    assert found.shown.replace(APART, "").count(wanted.replace(APART, "")) >= repeats or not wanted


@pytest.mark.slow
@settings(max_examples=150, deadline=None, derandomize=True)
@given(texts)
@pytest.mark.parametrize("render", RENDERERS)
def test_a_command_stays_code(render: Callable[[str], str], text: str) -> None:
    found = Rendered(render(f"before\n\n{code(text)}\n\nafter"))
    assert found.tags == (["p", "p", "code", "p"] if shorten(text) else ["p"] * 3)


def test_a_time_stays_as_it_is() -> None:
    assert escape("2026-11-23T09:30:00Z") == "2026-11-23T09:30:00Z"


@pytest.mark.parametrize("text", ["24.1 ms (80 %: 18.0 to 41.0 ms)", "size\\_bytes at most 300kB: 5% over", "+0.5 - 3"])
def test_what_links_nothing_gets_no_sign(text: str) -> None:
    assert APART not in escape(text)
