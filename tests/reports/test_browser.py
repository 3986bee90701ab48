"""The report in a browser: it loads without errors, fits the window, and works by keyboard, in dark mode and in print."""

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from matplotlib.image import imread

from reports.build import build
from tests.browser import needs_browser
from tests.reports import synthetic_study

pytestmark = needs_browser

CONTRAST = """() => {
  const rgb = text => text.match(/[0-9.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map(c => (c /= 255) <= .03928 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [.2126, .7152, .0722][i], 0);
  const behind = e => { while (e && rgb(getComputedStyle(e).backgroundColor)[3] === 0) e = e.parentElement;
    return e ? rgb(getComputedStyle(e).backgroundColor) : [255, 255, 255]; };
  const worst = {ratio: 99, text: ""};
  for (const e of document.querySelectorAll("h1,h2,h3,p,dt,dd,td,th,a,figcaption,summary,li,code,span,caption")) {
    if (!e.textContent.trim()) continue;
    const [a, b] = [light(rgb(getComputedStyle(e).color)), light(behind(e))].sort((x, y) => y - x);
    const ratio = (a + .05) / (b + .05);
    if (ratio < worst.ratio) Object.assign(worst, {ratio, text: e.textContent.trim().slice(0, 60)});
  }
  return worst;
}"""
"""The smallest contrast ratio of text against its background (WCAG 2)."""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    tables = synthetic_study.study({"recall": [20], "continual_adding": [20]}, searches=2, trials=6, confirm=2)
    folder = synthetic_study.write(tmp_path_factory.mktemp("tables"), tables)
    return build(folder, tmp_path_factory.mktemp("report") / "out").as_uri()


@pytest.fixture
def page(browser, address: str) -> Iterator:
    """The report in a wide window and light mode; any error or console message fails the test."""
    messages: list[str] = []
    opened = browser.new_page(viewport={"width": 1280, "height": 800})
    opened.on("console", lambda message: messages.append(message.text))
    opened.on("pageerror", lambda error: messages.append(str(error)))
    opened.on("requestfailed", lambda request: messages.append(request.url[:100]))
    opened.goto(address)
    yield opened
    opened.close()
    assert messages == []


@pytest.mark.parametrize("width", [1280, 400])
def test_page_loads_completely_and_fits_the_window(page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert page.evaluate("[...document.images].every(i => i.complete && i.naturalWidth > 0)")
    assert page.locator("img").count() >= 15
    assert page.get_by_role("heading", level=1).is_visible()
    for name in ("Verdicts", "Claim by claim", "Mechanism", "Cost", "Tuning", "Methods", "Threats to validity"):
        assert page.get_by_role("heading", name=name, exact=True).is_visible()


def test_every_link_has_a_target(page, address: str) -> None:
    broken = page.evaluate(
        "[...document.querySelectorAll('a[href^=\"#\"]')].map(a => a.hash.slice(1)).filter(id => !document.getElementById(id))"
    )
    assert broken == []
    folder = Path(address.removeprefix("file://")).parent
    files = page.evaluate(
        "[...document.querySelectorAll('a')].map(a => a.getAttribute('href')).filter(h => !/^(#|data:|http:)/.test(h))"
    )
    assert files
    assert all((folder / name).is_file() for name in files)


def test_page_works_by_keyboard(page) -> None:
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    assert page.evaluate("document.activeElement.getBoundingClientRect().left") >= 0
    page.keyboard.press("Enter")
    assert page.evaluate("location.hash") == "#main"
    fold = page.locator("details#untested > summary")
    fold.focus()
    page.keyboard.press("Enter")
    assert page.evaluate("document.getElementById('untested').open")
    assert page.locator("#untested section.claim").first.is_visible()


def test_link_into_a_folded_section_unfolds_it(page) -> None:
    page.get_by_text("Not tested:").locator("a").last.click()
    assert page.locator("#claim-12").is_visible()


def test_page_has_landmarks_scopes_and_alternative_texts(page) -> None:
    assert [page.get_by_role(role).count() for role in ("main", "navigation")] == [1, 1]
    assert page.evaluate("[...document.querySelectorAll('th')].every(th => th.scope)")
    assert page.evaluate("[...document.images].every(i => i.alt.length > 20)")
    assert page.evaluate("document.documentElement.lang") == "en"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_enough_contrast(page, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    worst = page.evaluate(CONTRAST)
    assert worst["ratio"] >= 4.5, worst
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor") != "rgb(255, 255, 255)"
    assert dark == (scheme == "dark")


@pytest.mark.parametrize(("scheme", "media"), [("light", "screen"), ("dark", "screen"), ("dark", "print")])
def test_figures_are_dark_where_the_page_is(page, scheme: Any, media: Any) -> None:
    page.emulate_media(color_scheme=scheme, media=media)
    pixels = imread(io.BytesIO(page.locator("#answer ~ figure img").first.screenshot()))
    dark = pixels[2, 2, :3].mean() < 0.2
    assert dark == (scheme == "dark" and media == "screen")


def test_print_has_what_was_tested_and_no_folded_figures(page) -> None:
    page.emulate_media(media="print")
    assert not page.get_by_role("navigation").is_visible()
    assert not page.locator("#untested").is_visible()  # the sentence above it says which claims were not tested
    assert not page.locator("details.sheet figure").first.is_visible()  # the sentence above a figure is printed
    pages = re.findall(rb"/Type\s*/Page[^s]", page.pdf(format="A4"))
    assert 1 < len(pages) <= 8
