"""The built report: deterministic, complete, self-contained, and explicit about what is missing."""

import base64
import io
import json
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pandas as pd
import pytest

from reports.build import build
from reports.calibration import power
from reports.output import LIST, Occupied, listed
from tests.reports import synthetic_study

pytestmark = pytest.mark.pdf


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return synthetic_study.write(tmp_path_factory.mktemp("tables"), synthetic_study.study())


@pytest.fixture(scope="module")
def report(tables: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tables, tmp_path_factory.mktemp("report") / "out").parent


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


class Page(HTMLParser):
    """The headings, images, tags, links, identifiers and downloads of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.levels: list[int] = []
        self.images: list[dict[str, str | None]] = []
        self.tags: list[str] = []
        self.links: list[str] = []
        self.identifiers: list[str] = []
        self.downloads: dict[str, str] = {}
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        self.tags.append(tag)
        if re.fullmatch("h[1-6]", tag):
            self.levels.append(int(tag[1]))
        if tag == "img":
            self.images.append(attributes)
        if attributes.get("download"):
            self.downloads[str(attributes["download"])] = str(attributes["href"])
        self.links.extend(str(attributes[key]) for key in ("href", "src") if key in attributes)
        if "id" in attributes:
            self.identifiers.append(str(attributes["id"]))


def test_report_has_all_files(report: Path) -> None:
    names = set(contents(report))
    assert {
        "report.html",
        "report.md",
        "verdicts.json",
        "results.csv",
        "trials.csv",
        "curves.csv",
        "study.json",
        "README.md",
    } <= names
    figures = {"lattice", "solve_rates", "solving", "scores", "learning_curves", "state_norms", "tuning", "importance"}
    figures |= {
        "profile",
        "improvement",
        "speed",
        "gradient_flow",
        "retention",
        "decodability",
        "gates",
        "traces",
        "costs",
        "best_of",
    }
    assert {f"figures/{name}.{kind}" for name in figures for kind in ("svg", "pdf", "csv")} <= names
    page = Page((report / "report.html").read_text(encoding="utf-8"))
    images = {name for name in names if name.startswith("figures/") and not name.endswith(".csv")}
    assert images <= {*page.links}
    assert all((report / name).read_bytes().startswith(b"%PDF") for name in images if name.endswith(".pdf"))
    assert (report / "report.html").stat().st_size < 10e6


def test_every_figure_links_its_data(report: Path) -> None:
    page = Page((report / "report.html").read_text(encoding="utf-8"))
    figures = {name for name in contents(report) if name.endswith(".csv") and name.startswith("figures/")}
    assert len(page.downloads) == len(figures)
    for name, link in page.downloads.items():
        data = (report / "figures" / name).read_bytes()
        if link.startswith("data:text/csv;base64,"):
            assert base64.b64decode(link.split(",")[1]) == data
        else:
            assert link == f"figures/{name}"
        assert len(pd.read_csv(io.BytesIO(data))) > 0
    rates = pd.read_csv(report / "figures" / "solve_rates.csv").set_index(["task", "lag", "cell"])
    results = pd.read_csv(report / "results.csv")
    confirm = results[results["phase"] == "confirm"].groupby(["task", "lag", "cell"])["solved"]
    assert rates["solved"].to_dict() == confirm.sum().to_dict()
    assert rates["seeds"].to_dict() == confirm.size().to_dict()


def test_runs_are_linked_only_if_the_experiment_is_known(report: Path, tables: Path, tmp_path: Path) -> None:
    page = Page((report / "report.html").read_text(encoding="utf-8"))
    server = "http://127.0.0.1:5000/#/experiments/7/runs?searchFilter="
    links = [unquote(link.removeprefix(server).split("&")[0]) for link in page.links if link.startswith(server)]
    assert "tags.kind = 'member' and tags.phase = 'confirm' and tags.cell = 'lstm' and tags.task = 'recall'" in links
    assert any(re.fullmatch("tags.hash = '[0-9a-f]{16}'", link) for link in links)
    alone = build(tables / "results.csv", tmp_path / "out").read_text(encoding="utf-8")
    assert "127.0.0.1" not in alone
    assert "tags.phase = 'confirm' and tags.cell = 'lstm'" in (tmp_path / "out" / "report.md").read_text(
        encoding="utf-8"
    )


def test_rebuilding_from_a_report_gives_the_same_bytes(report: Path, tmp_path: Path) -> None:
    assert contents(build(report, tmp_path / "again").parent) == contents(report)


def test_building_in_place_keeps_the_tables_and_deletes_only_its_own_stale_figures(
    report: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "in_place"
    shutil.copytree(report, folder)
    (folder / "figures" / "mine.svg").write_text("mine")
    before = {name: (folder / name).stat().st_mtime_ns for name in ("results.csv", "curves.csv", "study.json")}
    (folder / "curves.csv").rename(tmp_path / "curves.csv")
    build(folder / "results.csv", folder)
    (tmp_path / "curves.csv").rename(folder / "curves.csv")
    assert {name: (folder / name).stat().st_mtime_ns for name in before} == before
    assert not (folder / "figures" / "learning_curves.svg").exists()
    assert not (folder / "figures" / "learning_curves.csv").exists()
    assert (folder / "figures" / "mine.svg").read_text() == "mine"
    assert {*listed(folder)} == {*contents(folder)} - {"figures/mine.svg", LIST}


def test_building_beside_tables_of_the_user_never_makes_them_its_own(report: Path, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    for name in ("results.csv", "notes.txt"):
        (folder / name).write_bytes((report / "results.csv").read_bytes())
    build(folder, folder)
    build(folder / "results.csv", folder)
    assert {"results.csv", "notes.txt"}.isdisjoint(listed(folder))
    with pytest.raises(Occupied, match=r"results\.csv in it is not in whygates-files\.json, and would be replaced"):
        build(report, folder)
    assert (folder / "results.csv").read_bytes() == (report / "results.csv").read_bytes()


def test_page_is_self_contained_and_its_structure_valid(report: Path) -> None:
    page = Page((report / "report.html").read_text(encoding="utf-8"))
    assert page.levels[0] == 1
    assert page.levels.count(1) == 1
    assert all(deeper - level <= 1 for level, deeper in zip(page.levels, page.levels[1:], strict=False))
    assert len(page.images) >= 6
    assert all(image["alt"] and str(image["src"]).startswith("data:image/svg+xml,") for image in page.images)
    assert page.tags.count("script") == 3
    runs = "http://127.0.0.1:5000/#/experiments/"
    assert all(link.startswith(("#", "data:", runs)) or link in contents(report) for link in page.links)
    assert len(page.identifiers) == len(set(page.identifiers))
    assert {link[1:] for link in page.links if link.startswith("#")} <= set(page.identifiers)
    assert page.tags.count("caption") == page.tags.count("table")


def test_small_study_is_preliminary_and_shows_effects(report: Path) -> None:
    page = (report / "report.html").read_text(encoding="utf-8")
    assert "Preliminary." in page
    assert "6 confirmation seeds per cell" in page
    assert re.search(
        r"[Rr]emoving the forget gate \(−\d+ points where a network must forget what it has accumulated, −\d+ to −\d+\)",
        page,
    )


def answer(page: Path) -> list[str]:
    """The sentences at the top of a report."""
    opening = page.with_name("report.md").read_text(encoding="utf-8").split("Points are percentage points")[0]
    return re.findall(r"^\*\*[^*]+\.\*\* (.*)$", opening, flags=re.MULTILINE)


def test_the_answer_is_three_sentences(report: Path) -> None:
    sentences = answer(report / "report.html")
    assert len(sentences) == 3
    assert all(len(re.findall(r"[.?!](?= [A-Z]|$)", text)) == 1 and text.endswith(".") for text in sentences)


def test_verdicts_are_complete(report: Path) -> None:
    verdicts = json.loads((report / "verdicts.json").read_text(encoding="utf-8"))
    keys = {"id", "claim", "verdict", "effect", "ci_low", "ci_high", "seeds", "contrasts", "how_to_test", "why"}
    assert verdicts
    assert all(
        keys | {"p", "preliminary", "decisive", "would_change", "literature"} == set(verdict) for verdict in verdicts
    )
    markdown = (report / "report.md").read_text(encoding="utf-8")
    tested = [verdict for verdict in verdicts if verdict["verdict"] != "not_tested"]
    assert tested
    assert all(verdict["claim"] in markdown for verdict in tested)
    assert f"claim:{','.join(str(verdict['id']) for verdict in verdicts if verdict not in tested)}<" in markdown


def test_markdown_shows_every_figure(report: Path) -> None:
    markdown = (report / "report.md").read_text(encoding="utf-8")
    shown = set(re.findall(r"\((figures/\w+\.svg)\)", markdown))
    assert shown == {name for name in contents(report) if name.startswith("figures/") and name.endswith(".svg")}
    data = set(re.findall(r"\((figures/\w+\.csv)\)", markdown))
    assert data == {name for name in contents(report) if name.startswith("figures/") and name.endswith(".csv")}


def test_threats_state_the_power_of_the_rules(report: Path) -> None:
    page = (report / "report.html").read_text(encoding="utf-8")
    assert power.sentence() in page
    assert "when 3 validations in a row, the test set and a second test set that is new every time meet" in page


def test_building_imports_neither_torch_nor_trackers() -> None:
    code = (
        "import sys, reports.build\n"
        "heavy = {'torch', 'mlflow', 'optuna', 'ablations', 'tasks'} & set(sys.modules)\n"
        "sys.exit(f'imported {sorted(heavy)}' if heavy else 0)"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_tables_for_papers_have_every_verdict_and_arm(report: Path) -> None:
    claims = json.loads((report / "verdicts.json").read_text(encoding="utf-8"))
    rows = {
        name: [line for line in (report / "tables" / f"{name}.tex").read_text().splitlines() if " & " in line]
        for name in ("verdicts", "results")
    }
    assert all((report / "tables" / f"{name}.tex").read_text().isascii() for name in rows)
    heads = 2  # of the first and of further pages
    assert len(rows["verdicts"]) == len(claims) + heads
    arms = pd.read_csv(report / "results.csv")[["task", "lag", "cell"]].drop_duplicates()
    assert len(rows["results"]) == len(arms) + heads
