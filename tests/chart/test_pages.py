"""The pages that are made for people, in headless Chromium: on a phone and at a desk, in the light and in the dark."""

from __future__ import annotations

import base64
import json
import pathlib

import evidence_folder
import jinja2
import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.evidence.folder import read_evidence
from ansible_collections.sophia.replatform.plugins.module_utils.evidence.page import page_data
from ansible_collections.sophia.replatform.plugins.module_utils.evidence.report import build_report
from ansible_collections.sophia.replatform.plugins.module_utils.evidence.verdicts import Wanted, judge
from ansible_collections.sophia.replatform.plugins.module_utils.stack.convert import convert
from ansible_collections.sophia.replatform.plugins.module_utils.stack.load import load_stack
from ansible_collections.sophia.replatform.plugins.module_utils.stack.model import Options
from ansible_collections.sophia.replatform.plugins.module_utils.stack.page import page
from ansible_collections.sophia.replatform.plugins.module_utils.stack.verdicts import KINDS, Verdict
from browser import DESK, PHONE, Browser, chromium

ROOT = pathlib.Path(__file__).parents[2]
LONG = "one-word-without-an-end-" * 20
SCREENS = {"phone": PHONE, "desk": DESK}
# What an element is of: its own colour, and the first background behind it that is not transparent.
CONTRASTS = """
(() => {
  const parts = text => text.match(/[0-9.]+/g).map(Number);
  const light = text => parts(text).slice(0, 3).map(c => c / 255)
    .map(c => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const probe = document.createElement('div');
  probe.style.background = 'Canvas';
  document.body.append(probe);
  const canvas = getComputedStyle(probe).backgroundColor;
  probe.remove();
  const behind = element => {
    for (; element; element = element.parentElement) {
      const text = getComputedStyle(element).backgroundColor;
      if (parts(text).length < 4 || parts(text)[3] > 0) return text;
    }
    return canvas;
  };
  const found = {};
  for (const element of document.querySelectorAll('h1, h2, p, td, th, dt, dd, label, legend')) {
    if (!element.innerText || !element.checkVisibility()) continue;
    const [one, other] = [getComputedStyle(element).color, behind(element)].map(light).sort((a, b) => b - a);
    const name = `${element.tagName} ${element.className} ${getComputedStyle(element).color} on ${behind(element)}`;
    found[name] = (one + 0.05) / (other + 0.05);
  }
  return found;
})()
"""


def verdicts() -> str:
    folder = ROOT / "tests/chart/stacks"
    stack = load_stack(
        {"shop.yml": (folder / "shop.yml").read_text("utf-8")},
        {},
        "shop",
        lambda name: (folder / name).read_text("utf-8"),
    )
    rows = convert(stack, Options(workload_keys=True)).verdicts
    rows += [Verdict("<b>odd</b> & " + LONG, f"deploy.labels[{LONG}]", kind, LONG) for kind in KINDS]
    drift = [{"service": "web", "key": LONG, "file": LONG, "live": LONG}]
    return page(rows, "shop", drift)


def report(folder: pathlib.Path) -> str:
    evidence_folder.fabricate(folder)
    judged = judge({}, {"why": {"nodes": LONG}}, Wanted(waived={"build_time": "<b>odd</b> & " + LONG}))
    nodes = [{"name": "node-1", "model": "NVIDIA-GH200-480GB"}]
    (folder / "verify.json").write_text(
        json.dumps({"time": "2026-11-24T08:00:00Z", "verdicts": judged, "nodes": nodes})
    )
    evidence = read_evidence(str(folder), write=False)
    template = (ROOT / "roles/evidence/templates/report.html.j2").read_text("utf-8")
    jinja = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    return jinja.from_string(template).render(page_data(build_report("lab", evidence), evidence))


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    (folder / "artifacts").mkdir()
    written = {"verdicts": verdicts(), "report": report(folder / "artifacts")}
    for name, text in written.items():
        (folder / f"{name}.html").write_text(text, "utf-8")
    return {name: folder / f"{name}.html" for name in written}


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    if not chromium():
        pytest.skip("there is no Chromium")
    started = Browser(tmp_path_factory.mktemp("chromium"))
    yield started
    started.stop()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("screen", SCREENS)
@pytest.mark.parametrize("name", ["verdicts", "report"])
def test_a_page_is_read_without_scrolling_sideways_and_without_a_complaint(browser, pages, name, screen, scheme):
    browser.open(pages[name], SCREENS[screen], scheme)
    assert browser.value("innerWidth") == SCREENS[screen]["width"]
    assert browser.value("document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0
    assert browser.value("document.body.innerText.length") > 500
    pale = {what: ratio for what, ratio in browser.value(CONTRASTS).items() if ratio < 4.5}
    assert not pale, "less contrast than WCAG 2.1 asks for in 1.4.3"
    dark = browser.value("getComputedStyle(document.body).color.match(/[0-9]+/g).slice(0, 3).every(c => c > 127)")
    assert dark == (scheme == "dark")
    assert browser.said == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_report_is_printed_dark_on_white_whatever_the_reader_prefers(browser, pages, scheme):
    browser.open(pages["report"], DESK, scheme, media="print")
    colours = "[getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor]"
    assert browser.value(colours) == ["rgb(0, 0, 0)", "rgb(255, 255, 255)"]
    pale = {what: ratio for what, ratio in browser.value(CONTRASTS).items() if ratio < 4.5}
    assert not pale, "less contrast than WCAG 2.1 asks for in 1.4.3"
    printed = base64.b64decode(browser.ask("Page.printToPDF", printBackground=True, preferCSSPageSize=True)["data"])
    assert printed.startswith(b"%PDF-")
    assert browser.said == []


def test_the_report_has_all_its_parts(browser, pages):
    browser.open(pages["report"], PHONE, "light")
    heads = browser.value("[...document.querySelectorAll('h2')].filter(h => h.checkVisibility()).map(h => h.innerText)")
    assert [head.partition(":")[0].partition(",")[0] for head in heads] == [
        *(
            "Success criteria",
            "The move",
            "Services",
            "Decisions",
            "Nodes and GPUs",
            "Repository",
            "Endpoints",
            "Evidence",
        )
    ]
    assert browser.value("document.querySelectorAll('.verdict').length") == 16
    assert browser.value("[...document.querySelectorAll('.verdict')].every(one => one.scrollWidth <= innerWidth)")
    assert browser.value("document.querySelectorAll('.verdict b b').length") == 0, "what others wrote is text"


@pytest.mark.parametrize("kind", KINDS)
def test_the_filter_shows_what_is_chosen(browser, pages, kind):
    browser.open(pages["verdicts"], PHONE, "light")
    everything = browser.value("[...document.querySelectorAll('.row')].filter(row => row.checkVisibility()).length")
    browser.value(f"document.getElementById('f-{kind}').click()")
    shown = browser.value(
        "[...document.querySelectorAll('.row')].filter(row => row.checkVisibility()).map(row => row.className)"
    )
    assert set(shown) == {f"row {kind}"} and len(shown) < everything
    assert browser.said == []


def test_a_complaint_and_a_wide_page_are_noticed(browser, tmp_path):
    wide = tmp_path / "wide.html"
    wide.write_text(
        '<!doctype html><meta name="viewport" content="width=device-width"><p style="width:900px">wide</p>'
        "<script>console.error('one'); throw new Error('two')</script><img src='nothing.png'>"
    )
    browser.open(wide, PHONE, "light")
    assert browser.value("document.documentElement.scrollWidth") > 390
    said = " ".join(browser.said)
    assert "console.error" in said and "Uncaught" in said and "ERR_FILE_NOT_FOUND" in said
