"""The report is the same for the same tables, whole, readable everywhere, and says what it cannot say."""

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

from reports import links, methods, power
from reports.build import build
from reports.tables import LARGEST, LARGEST_MEASURED, MEASURED, NUMBERS, NUMBERS_OR_EMPTY, BadTable
from tests.reports import synthetic


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return synthetic.write(tmp_path_factory.mktemp("tables"), synthetic.study())


@pytest.fixture(scope="module")
def report(tables: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tables, tmp_path_factory.mktemp("report") / "out").parent


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def rebuilt(tmp_path: Path, results: pd.DataFrame) -> str:
    """The page of a report that is made from results.csv alone."""
    results.to_csv(tmp_path / "results.csv", index=False)
    return build(tmp_path / "results.csv", tmp_path / "out").read_text(encoding="utf-8")


class Page(HTMLParser):
    """What the tests ask of a page: headings, images, addresses, identifiers, scopes."""

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
        known = dict(attrs)
        self.tags.append(tag)
        if re.fullmatch("h[1-6]", tag):
            self.levels.append(int(tag[1]))
        if tag == "img":
            self.images.append(known)
        if known.get("download"):
            self.downloads[str(known["download"])] = str(known["href"])
        self.links.extend(str(known[key]) for key in ("href", "src") if key in known)
        self.identifiers.extend(str(known[key]) for key in ("id",) if key in known)


def test_a_report_has_its_parts(report: Path) -> None:
    names = set(contents(report))
    assert {"report.html", "report.md", "verdicts.json", "results.csv", "curves.csv", "study.json"} <= names
    figures = {"lattice", "solve_rates", "solving", "scores", "learning_curves", "state_norms", "tuning", "importance"}
    figures |= {"gradient_flow", "retention", "decodability", "gates", "traces", "costs", "best_of"}
    assert {f"figures/{name}.{kind}" for name in figures for kind in ("svg", "csv")} <= names
    assert (report / "report.html").stat().st_size < 10e6


def test_every_figure_has_its_data(report: Path) -> None:
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


def test_runs_are_linked_where_the_experiment_is_known(report: Path, tables: Path, tmp_path: Path) -> None:
    page = Page((report / "report.html").read_text(encoding="utf-8"))
    server = "http://127.0.0.1:5000/#/experiments/7/runs?searchFilter="
    links = [unquote(link.removeprefix(server).split("&")[0]) for link in page.links if link.startswith(server)]
    assert "tags.phase = 'confirm' and tags.cell = 'lstm' and tags.task = 'recall'" in links
    assert any(re.fullmatch("tags.hash = '[0-9a-f]{16}'", link) for link in links)
    alone = build(tables / "results.csv", tmp_path / "out").read_text(encoding="utf-8")
    assert "127.0.0.1" not in alone
    assert "tags.phase = &#39;confirm&#39; and tags.cell = &#39;lstm&#39;" in alone


@pytest.mark.parametrize(
    ("label", "quoted"), [("a'b", 'tags.cell = "a\'b"'), ('a"b', "tags.cell = 'a\"b'"), ("a'b\"c", "")]
)
def test_a_label_with_quotes_stays_one_word(label: str, quoted: str) -> None:
    assert links.runs("", {"cell": label}, {}).filter == quoted
    for strange in ("7/../x", "javascript:", "-1"):
        assert links.runs("", {"cell": label}, {"experiment": strange}).url == ""


def test_rebuilding_from_a_report_gives_the_same_bytes(report: Path, tmp_path: Path) -> None:
    assert contents(build(report, tmp_path / "again").parent) == contents(report)


def test_building_in_place_leaves_the_tables_alone(report: Path, tmp_path: Path) -> None:
    folder = tmp_path / "in_place"
    shutil.copytree(report, folder)
    (folder / "figures" / "old.svg").write_text("of an earlier report")
    before = {name: (folder / name).stat().st_mtime_ns for name in ("results.csv", "curves.csv", "study.json")}
    build(folder / "results.csv", folder)
    assert {name: (folder / name).stat().st_mtime_ns for name in before} == before
    assert not (folder / "figures" / "learning_curves.svg").exists()
    assert not (folder / "figures" / "learning_curves.csv").exists()
    assert not (folder / "figures" / "old.svg").exists()


def test_the_page_is_self_contained_and_in_order(report: Path) -> None:
    page = Page((report / "report.html").read_text(encoding="utf-8"))
    assert page.levels[0] == 1
    assert page.levels.count(1) == 1
    assert all(deeper - level <= 1 for level, deeper in zip(page.levels, page.levels[1:], strict=False))
    assert len(page.images) >= 6
    assert all(image["alt"] and str(image["src"]).startswith("data:image/svg+xml,") for image in page.images)
    assert "script" not in page.tags
    runs = "http://127.0.0.1:5000/#/experiments/"
    assert all(link.startswith(("#", "data:", runs)) or link in contents(report) for link in page.links)
    assert len(page.identifiers) == len(set(page.identifiers))
    assert {link[1:] for link in page.links if link.startswith("#")} <= set(page.identifiers)
    assert page.tags.count("caption") == page.tags.count("table")


def test_a_small_study_is_preliminary_and_gives_effects(report: Path) -> None:
    page = (report / "report.html").read_text(encoding="utf-8")
    assert "Preliminary." in page
    assert "6 confirmation seeds per cell" in page
    assert re.search(r"[Tt]he forget gate \(without: −\d+ points on erase tasks, −\d+ to −\d+\)", page)


def answer(page: Path) -> list[str]:
    """The sentences that a report opens with."""
    opening = page.with_name("report.md").read_text(encoding="utf-8").split("Points are percentage points")[0]
    return re.findall(r"^\*\*[^*]+\.\*\* (.*)$", opening, flags=re.MULTILINE)


def test_the_answer_is_three_sentences(report: Path) -> None:
    told = answer(report / "report.html")
    assert len(told) == 3
    assert all(len(re.findall(r"[.?!](?= [A-Z]|$)", text)) == 1 and text.endswith(".") for text in told)


def test_verdicts_are_complete(report: Path) -> None:
    verdicts = json.loads((report / "verdicts.json").read_text(encoding="utf-8"))
    keys = {"id", "claim", "verdict", "effect", "ci_low", "ci_high", "seeds", "contrasts", "how_to_test", "why"}
    assert verdicts
    assert all(keys | {"preliminary", "decisive", "would_change", "literature"} == set(verdict) for verdict in verdicts)
    markdown = (report / "report.md").read_text(encoding="utf-8")
    assert all(verdict["claim"] in markdown for verdict in verdicts)


def test_markdown_shows_every_figure(report: Path) -> None:
    markdown = (report / "report.md").read_text(encoding="utf-8")
    shown = set(re.findall(r"\((figures/\w+\.svg)\)", markdown))
    assert shown == {name for name in contents(report) if name.startswith("figures/") and name.endswith(".svg")}
    data = set(re.findall(r"\((figures/\w+\.csv)\)", markdown))
    assert data == {name for name in contents(report) if name.startswith("figures/") and name.endswith(".csv")}


def test_results_alone_give_the_same_with_less(tables: Path, tmp_path: Path) -> None:
    page = build(tables / "results.csv", tmp_path / "out").read_text(encoding="utf-8")
    assert re.search("[Tt]he forget gate \\(without:", page)
    assert "How the gradient flows back is not known" in page
    assert "Learning curves need curves.csv" in page
    assert "The ranges are in study.json" in page
    assert "not recorded in these tables" in page
    assert "norm of the state" in page.lower()
    assert not (tmp_path / "out" / "study.json").exists()


HOSTILE = "<script>alert(1)</script>|$x_{$ `*[a](b)"


def test_text_from_the_data_is_escaped(tmp_path: Path) -> None:
    made = synthetic.study({"recall": [20]}, searches=1, trials=1, confirm=2)
    results = made.results.replace({"cell": {"gru": HOSTILE}, "task": {"recall": "recall+<b>"}})
    study = json.loads(json.dumps(made.study).replace('"gru"', json.dumps(HOSTILE)))
    folder = synthetic.write(tmp_path / "in", synthetic.Synthetic(results, made.curves, study))
    page = build(folder, tmp_path / "out")
    html, markdown = page.read_text(encoding="utf-8"), page.with_name("report.md").read_text(encoding="utf-8")
    assert "<script" not in html
    assert "<b>" not in html
    assert "&lt;script&gt;" in html
    assert "<script" not in markdown
    assert r"&lt;script&gt;alert(1)&lt;/script&gt;\|$x_{$ \`\*\[a\](b)" in markdown
    tables = [line for line in markdown.splitlines() if line.startswith("|")]
    columns = [len(re.findall(r"(?<!\\)\|", line)) for line in tables]
    for above, below, line in zip(columns, columns[1:], tables[1:], strict=False):
        assert above == below or line.startswith(("| Claim", "| Task", "| Hyper", "| Cell")), line


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda t: t[t["cell"] == "lstm"], "no change can be measured"),
        (lambda t: t[t["lag"] == 20], "at 2 lags"),
        (lambda t: t.assign(solved=1, censored=0, diverged=0, score=1.0), "lstm 6 of 6"),
        (
            lambda t: t.assign(solved=0, censored=1, steps_to_solve=600),
            "The one change that was measured takes no more",
        ),
        (lambda t: t.assign(task="mystery", group=""), "mystery is of no known group"),
        (lambda t: t.assign(cell=t["cell"] + "?"), "lstm?"),
        (lambda t: t.assign(status=["failed"] + ["unsolved"] * (len(t) - 1)), "1 network failed for another reason"),
        (lambda t: t[(t["phase"] == "tune") | (t["seed"] == 1000)], "1 confirmation seed per cell"),
        (lambda t: t[t["phase"] == "confirm"], "no tuning runs in these tables"),
        (lambda t: t[t["phase"] == "tune"], "There are no confirmation runs"),
        (lambda t: t.assign(diverged=1, solved=0, censored=1, score=0.0), "36 of 36 confirmation networks diverged"),
        (lambda t: t.drop(columns=["search", "size", "group", "flops_per_step", "learning_rate"]), "What matters"),
    ],
    ids=[
        "one cell",
        "one lag",
        "all solved",
        "none solved",
        "unknown task",
        "unknown cells",
        "failed",
        "one seed",
        "no tune",
        "no confirm",
        "all diverged",
        "required columns",
    ],
)
def test_little_data_still_makes_a_report(change, said: str, tables: Path, tmp_path: Path) -> None:
    results = pd.read_csv(tables / "results.csv", dtype={"hash": str})
    assert said in rebuilt(tmp_path, change(results[results["cell"].isin(["lstm", "lstm_no_forget"])]))


def test_numbers_at_the_limits_still_make_a_report(tmp_path: Path) -> None:
    """Every column at the largest and the smallest that is let through, without a warning."""
    made = synthetic.study({"recall": [20]}, searches=1, trials=2, confirm=2)
    for sign in (1, -1):
        results = made.results.astype(object)
        for column in {*NUMBERS, *NUMBERS_OR_EMPTY} & {*results}:
            limit = LARGEST_MEASURED if column in MEASURED else LARGEST
            results.loc[results["cell"] == "lstm", column] = limit if column == "learning_rate" else sign * limit
        assert "lstm" in rebuilt(tmp_path, results)


def failures(page: str) -> str:
    return page.split("Diverged or missing")[1].split("Threats")[0]


def said_of(made: synthetic.Synthetic) -> str:
    """What the methods say of networks that are missing."""
    results = made.results.assign(diverged=made.results["diverged"].astype(bool))
    return " ".join(methods.failures(results, made.study))


def test_missing_networks_are_counted_against_the_study(report: Path) -> None:
    assert "Every network that the study defines is in these tables." in failures((report / "report.md").read_text())
    made = synthetic.study()
    first = made.results.index[(made.results["cell"] == "gru") & (made.results["phase"] == "confirm")]
    recall = (made.results["cell"] == "rnn") & (made.results["task"] == "recall")
    said = said_of(made._replace(results=made.results.drop(index=first[:2]).loc[~recall]))
    assert (
        "8 of 120 tuning networks are missing, failed or not run, in 1 of 15 arms: rnn on recall lag 20 (0 of 8)."
        in said
    )
    assert (
        "8 of 90 confirmation networks are missing, failed or not run, in 2 of 15 arms: "
        "rnn on recall lag 20 (0 of 6) and gru on recall lag 20 (4 of 6)."
    ) in said


def test_many_missing_arms_are_counted_not_named() -> None:
    made = synthetic.study()
    arms = [arm | {"size": size} for arm in made.study["arms"] for size in (5000, 9000)]
    said = said_of(made._replace(study=made.study | {"arms": arms}))
    assert "90 of 180 confirmation networks are missing" in said
    assert "rnn on recall lag 20 at size 9000 (0 of 6)" in said
    assert "and 7 more." in said


@pytest.mark.parametrize("arms", [None, [], [{"cell": "lstm", "task": "recall", "lag": 20}]])
def test_without_arms_it_is_not_known_what_is_missing(arms) -> None:
    made = synthetic.study({"recall": [20]}, searches=1, trials=1, confirm=2)
    said = said_of(made._replace(study={} if arms is None else made.study | {"arms": arms}))
    assert "it is not known which networks are missing" in said


def test_controls_are_shown_but_in_no_group(tmp_path: Path) -> None:
    made = synthetic.study({"continual_adding": [10]}, searches=1, trials=1, confirm=2)
    control = made.results.assign(task="continual_adding+reset", group="control", hash="c" + made.results["hash"])
    variant = made.results.assign(task="continual_adding+terms=3", hash="v" + made.results["hash"])
    text = rebuilt(tmp_path, pd.concat([made.results, control, variant]))
    lattice = pd.read_csv(tmp_path / "out" / "figures" / "lattice.csv")
    assert set(lattice["group"]) == {"erase"}
    assert "continual_adding+reset" in text


def test_curves_of_nobody_are_left_out_and_said(tmp_path: Path) -> None:
    made = synthetic.study({"recall": [20]}, searches=1, trials=1, confirm=1)
    stray = made.curves.assign(hash="nobody")
    folder = synthetic.write(tmp_path / "in", made._replace(curves=pd.concat([made.curves, stray])))
    page = build(folder, tmp_path / "out").read_text(encoding="utf-8")
    assert "Curves of 1 network that are not in results.csv are left out." in failures(page)


def test_several_sizes_are_said_and_their_cost_is_shown(tmp_path: Path) -> None:
    made = synthetic.study({"recall": [20]}, searches=1, trials=1, confirm=2).results
    larger = made.assign(size=40000, parameters=8 * made["parameters"], hash="l" + made["hash"])
    text = rebuilt(tmp_path, pd.concat([made, larger]))
    assert "networks of the smallest size, 5,000. Those of 40,000 count where a claim" in text
    assert set(pd.read_csv(tmp_path / "out" / "figures" / "costs.csv")["size"]) == {5000, 40000}
    assert len(pd.read_csv(tmp_path / "out" / "figures" / "solve_rates.csv")) == 5


def test_many_cells_and_groups_fit_on_a_page(tmp_path: Path) -> None:
    """Beyond seven cells lines become heat maps, and the lattice a field for each change and group."""
    cells = dict(list(synthetic.MANY_CELLS.items())[:9])
    lags = {task: [10] for task in ("recall", "continual_adding", "copy", "counting", "parity")}
    folder = synthetic.write(tmp_path / "in", synthetic.study(lags, 1, 3, 1, cells=cells))
    page = build(folder, tmp_path / "out").read_text(encoding="utf-8")
    assert "blue more, orange less" in page
    assert "the darker, the more" in page
    for figure in (tmp_path / "out" / "figures").glob("*.svg"):
        size = re.search(r'height="([\d.]+)pt"', figure.read_text(encoding="utf-8"))
        assert size
        assert float(size[1]) < 72 * 11, figure.name  # a page of paper is as high


def test_the_threats_say_how_much_these_rules_find(report: Path) -> None:
    page = (report / "report.html").read_text(encoding="utf-8")
    assert power.sentence() in page
    assert "when 3 validations in a row and then the test set agree: one at the border may ask" in page


def test_nothing_is_written_from_a_bad_table(tables: Path, tmp_path: Path) -> None:
    broken = pd.read_csv(tables / "results.csv", dtype={"hash": str}).drop(columns="score")
    with pytest.raises(BadTable, match="score"):
        rebuilt(tmp_path, broken)
    assert not (tmp_path / "out").exists()


def test_an_out_that_cannot_be_written_is_named(tables: Path, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(OSError, match=r"the report cannot be written to .*taken"):
        build(tables / "results.csv", tmp_path / "taken")


def test_building_needs_neither_torch_nor_trackers() -> None:
    code = (
        "import sys, reports.build\n"
        "heavy = {'torch', 'mlflow', 'optuna', 'ablations', 'tasks'} & set(sys.modules)\n"
        "sys.exit(f'imported {sorted(heavy)}' if heavy else 0)"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
