from __future__ import annotations

from html.parser import HTMLParser

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.stack.page import page
from ansible_collections.sophia.replatform.plugins.module_utils.stack.verdicts import KINDS, Verdict, markdown
from hypothesis import given
from hypothesis import strategies as st

EVIL = "<script>alert('x')</script>\"><img src=x onerror=y>|`[a](javascript:b)\n# c"


class Seen(HTMLParser):
    """Tags, attributes and text of a page."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.open, self.text = [], [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in ("meta", "input", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def rows(text=EVIL):
    drift = [{"service": text, "key": text, "file": text, "live": [text]}]
    return [Verdict(text, text, kind, text) for kind in KINDS], drift


def test_the_page_is_whole_and_fetches_nothing():
    verdicts, drift = rows("plain")
    seen = Seen(page(verdicts, "shop", drift))
    assert seen.open == []
    assert set(seen.tags).isdisjoint({"script", "link", "img", "iframe", "base", "object"})
    assert {name for name, _value in seen.attributes}.isdisjoint({"src", "href", "style", "action", "srcset"})
    text = page(verdicts, "shop", drift)
    assert "url(" not in text and "@import" not in text and "http:" not in text and "https:" not in text
    assert "width=device-width" in text and "prefers-color-scheme:dark" in text


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_can_be_chosen(kind):
    text = page(rows("plain")[0], "shop")
    assert f'id="f-{kind}"' in text
    assert f"body:has(#f-{kind}:checked) .row:not(.{kind})" in text


@given(st.text())
def test_what_strangers_wrote_is_text(text):
    verdicts, drift = rows(text + EVIL)
    seen = Seen(page(verdicts, text, drift))
    plain = Seen(page(*_plain()))
    assert seen.tags == plain.tags
    assert seen.attributes == plain.attributes


def _plain():
    verdicts, drift = rows("plain")
    return verdicts, "plain", drift


def test_the_markdown_keeps_its_rows_whatever_strangers_wrote():
    verdicts, drift = rows()
    wanted = markdown(*_plain()).splitlines()
    lines = markdown(verdicts, EVIL, drift).splitlines()
    assert len(lines) == len(wanted)
    assert [line[:2] for line in lines] == [line[:2] for line in wanted]
    assert "<script" not in "".join(lines) and "<img" not in "".join(lines)
    for line in (line for line in lines if line.startswith("| ")):
        assert len(line.replace("\\|", "").split("|")) in (5, 6)
