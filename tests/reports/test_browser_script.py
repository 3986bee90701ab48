"""The script of the report: tables sort and filter, and links work in the frame of MLflow's artifact viewer."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from reports.build import build
from tests.browser import needs_browser
from tests.reports import synthetic_study

pytestmark = needs_browser

FRAME = """text => { const frame = document.createElement('iframe'); frame.setAttribute('sandbox', 'allow-scripts');
  frame.src = URL.createObjectURL(new Blob([text], {type: 'text/html'})); frame.style = 'width: 1200px; height: 700px';
  document.body.append(frame); }"""
"""How MLflow 3.17 shows an artifact."""
ROWS = "table => [...table.tBodies[0].rows].filter(row => !row.hidden).map(row => [...row.cells].map(cell => cell.textContent))"


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    tables = synthetic_study.study(
        {"recall": [5, 10, 20, 40], "continual_adding": [20]}, searches=2, trials=2, confirm=4
    )
    return build(
        synthetic_study.write(tmp_path_factory.mktemp("tables"), tables), tmp_path_factory.mktemp("report") / "out"
    )


@pytest.fixture
def page(browser, report: Path) -> Iterator:
    opened = browser.new_page(viewport={"width": 1280, "height": 800})
    opened.goto(report.as_uri())
    yield opened
    opened.close()


@pytest.fixture
def frame(browser, report: Path) -> Iterator:
    opened = browser.new_page(viewport={"width": 1280, "height": 800})
    opened.evaluate(FRAME, report.read_text(encoding="utf-8"))
    inner = opened.frames[-1]
    inner.wait_for_selector("#data")
    yield inner
    opened.close()


def test_a_long_table_is_folded_sorts_by_number_and_filters(page) -> None:
    table = page.locator("[aria-label=Results] table")
    assert not table.is_visible()
    page.locator("summary", has_text="Every cell on every task and lag").click()
    written = table.evaluate(ROWS)
    assert len(written) == 25
    lag = table.get_by_role("button", name="Lag")
    lag.click()
    assert [row[1] for row in table.evaluate(ROWS)] == sorted((row[1] for row in written), key=int, reverse=True)
    assert table.locator("th[aria-sort]").get_attribute("aria-sort") == "descending"
    lag.click()
    assert [row[1] for row in table.evaluate(ROWS)] == sorted((row[1] for row in written), key=int)
    table.get_by_role("button", name="Cell").click()
    assert [row[2] for row in table.evaluate(ROWS)] == sorted(row[2] for row in written)
    page.locator("details[open] input.filter").fill("LSTM_no recall")
    assert {(row[0], row[2]) for row in table.evaluate(ROWS)} == {("recall", "lstm_no_forget")}
    page.emulate_media(media="print")
    assert table.evaluate("table => [...table.tBodies[0].rows].every(row => row.offsetHeight > 0)")


@pytest.mark.parametrize(
    ("text", "number"),
    [("−3 %", -3), ("×3.8 (3.3 to 4.0)", 3.8), ("1,444", 1444), ("3/6", 0.5), ("7.70 × 10⁷", 7.7e7), ("+0.31", 0.31), ("–", None)],
)  # fmt: skip
def test_numbers_of_the_report_are_read(page, text: str, number: float | None) -> None:
    found = page.evaluate(f"numberIn({text!r})")
    assert found == pytest.approx(number) if number is not None else found != found


@pytest.mark.parametrize("width", [1280, 400])
def test_a_chart_shows_the_chosen_task_and_cells_and_every_number(page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    chart = page.locator("#explore")
    assert not chart.is_visible()
    page.locator("summary", has_text="Choose a task and cells").click()
    assert chart.locator("circle").count() == 4 * 5, "recall at four lags, five cells"
    chart.get_by_label("gru", exact=True).uncheck()
    assert chart.locator("circle").count() == 4 * 4
    chart.get_by_role("combobox").first.select_option("continual_adding")
    assert chart.locator("circle").count() == 4
    marker = chart.locator("circle[aria-label^='lstm on']")
    marker.hover()
    page.evaluate(
        "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
    )  # numbers may need another line
    shown = chart.locator("output").text_content()
    assert shown.startswith("lstm on continual_adding, lag 20: ")
    assert "of 4 networks solve it (interval " in shown
    height = marker.get_attribute("cy")
    chart.get_by_role("combobox").last.select_option("score")
    assert marker.get_attribute("cy") != height
    chart.get_by_role("button", name="all or none").click()
    assert chart.locator("circle").count() == 5
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


@pytest.mark.parametrize("width", [1280, 400])
def test_no_table_is_cut_off(page, width: int) -> None:
    """At 1280 pixels all fit; at 400 those that do not can be scrolled in a box of their own."""
    page.set_viewport_size({"width": width, "height": 800})
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    wide = page.evaluate(
        "[...document.querySelectorAll('table')].map(t => t.parentElement).filter(e => e.scrollWidth > e.clientWidth + 1)"
        ".map(e => [e.getAttribute('aria-label'), getComputedStyle(e).overflowX])"
    )
    assert all(overflow == "auto" for _, overflow in wide)
    assert width == 400 or wide == []


def test_the_page_is_complete_without_its_script(browser, report: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    opened = context.new_page()
    opened.goto(report.as_uri())
    opened.locator("summary", has_text="Every cell on every task and lag").click()
    assert opened.locator("[aria-label=Results] table").is_visible()
    assert opened.locator("input").count() == 0
    assert not opened.locator("summary", has_text="Choose a task and cells").is_visible()
    context.close()


def test_the_contents_work_in_the_frame_of_mlflow(frame) -> None:
    frame.locator("nav a", has_text="Threats to validity").click()
    frame.wait_for_function("Math.abs(document.getElementById('threats').getBoundingClientRect().top) < 60")
    claim = frame.locator("table.fit a[href^='#claim-']").first
    claim.click()
    assert frame.locator(claim.get_attribute("href")).is_visible()


def test_links_that_a_frame_blocks_show_their_address(frame) -> None:
    frame.locator("#claims ~ section a[href^='http']").first.click()
    assert frame.locator(".address input").first.input_value().startswith("http://127.0.0.1:5000/")
    frame.locator(".files a", has_text="PDF").first.click()
    assert frame.locator(".files .address input").first.input_value() == "figures/lattice.pdf"
