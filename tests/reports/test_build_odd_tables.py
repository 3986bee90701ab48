"""Small, large, unusual and hostile tables: a report is built that states what is missing, or an error names the cause."""

import json
import re
from pathlib import Path

import pandas as pd
import pytest

from reports.build import build
from reports.output import Occupied
from reports.tables import LARGEST, LARGEST_MEASURED, MEASURED, NUMBERS, NUMBERS_OR_EMPTY, BadTable
from tests.reports import synthetic_catalogue, synthetic_study


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return synthetic_study.write(tmp_path_factory.mktemp("tables"), synthetic_study.study())


def rebuilt(tmp_path: Path, results: pd.DataFrame) -> str:
    """The page of a report that is made from results.csv alone."""
    results.to_csv(tmp_path / "results.csv", index=False)
    return build(tmp_path / "results.csv", tmp_path / "out").read_text(encoding="utf-8")


def test_results_alone_give_a_report_that_names_what_is_missing(tables: Path, tmp_path: Path) -> None:
    page = build(tables / "results.csv", tmp_path / "out").read_text(encoding="utf-8")
    assert re.search("[Rr]emoving the forget gate \\(−", page)
    assert "There is no figure of gradient flow" in page
    assert "Learning curves need curves.csv" in page
    assert "The ranges are in study.json" in page
    assert "not recorded in these tables" in page
    assert "norm of the state" in page.lower()
    assert not (tmp_path / "out" / "study.json").exists()


HOSTILE = "<script>alert(1)</script>|$x_{$ `*[a](b)"


def test_text_from_the_data_is_escaped(tmp_path: Path) -> None:
    made = synthetic_study.study({"recall": [20]}, searches=1, trials=1, confirm=2)
    results = made.results.replace({"cell": {"gru": HOSTILE}, "task": {"recall": "recall+<b>"}})
    study = json.loads(json.dumps(made.study).replace('"gru"', json.dumps(HOSTILE)))
    folder = synthetic_study.write(tmp_path / "in", synthetic_study.Synthetic(results, made.curves, study))
    page = build(folder, tmp_path / "out")
    html, markdown = page.read_text(encoding="utf-8"), page.with_name("report.md").read_text(encoding="utf-8")
    assert html.count("<script") == 3, "those of the page, and the data of its chart"
    assert "<script>alert" not in html
    assert "<b>" not in html
    assert "&lt;script&gt;" in html
    assert "<script" not in markdown
    assert r"&lt;script&gt;alert(1)&lt;/script&gt;\|$x\_{$ \`\*\[a\](b)" in markdown
    tables = [line for line in markdown.splitlines() if line.startswith("|")]
    columns = [len(re.findall(r"(?<!\\)\|", line)) for line in tables]
    for above, below, line in zip(columns, columns[1:], tables[1:], strict=False):
        assert above == below or line.startswith(("| Claim", "| Task", "| Hyper", "| Cell")), line


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda t: t[t["cell"] == "lstm"], "no change can be measured"),
        (lambda t: t[t["lag"] == 20], "2 pairs of task and lag"),
        (lambda t: t.assign(solved=1, censored=0, diverged=0, score=1.0), "lstm 6 of 6"),
        (
            lambda t: t.assign(solved=0, censored=1, steps_to_solve=600),
            "No cell from which a part was changed solves much",
        ),
        (lambda t: t.assign(task="mystery", group=""), "mystery belongs to no known group"),
        (lambda t: t.assign(cell=t["cell"] + "?"), "lstm?"),
        (
            lambda t: t.assign(status=["failed"] + ["unsolved"] * (len(t) - 1)),
            "1 network failed for a reason other than divergence",
        ),
        (lambda t: t[(t["phase"] == "tune") | (t["seed"] == 1000)], "1 confirmation seed per cell"),
        (lambda t: t[t["phase"] == "confirm"], "no tuning runs in these tables"),
        (lambda t: t[t["phase"] == "tune"], "There are no confirmation runs"),
        (lambda t: t.assign(diverged=1, solved=0, censored=1, score=0.0), "36 of 36 confirmation networks diverged"),
        (lambda t: t.drop(columns=["search", "size", "group", "flops_per_step", "learning_rate"]), "How sure"),
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
def test_little_data_gives_a_report(change, text: str, tables: Path, tmp_path: Path) -> None:
    results = pd.read_csv(tables / "results.csv", dtype={"hash": str})
    assert text in rebuilt(tmp_path, change(results[results["cell"].isin(["lstm", "lstm_no_forget"])]))


def test_numbers_at_their_limits_give_a_report(tmp_path: Path) -> None:
    """Every column at the largest and at the smallest allowed number, without a warning."""
    made = synthetic_study.study({"recall": [20]}, searches=1, trials=2, confirm=2)
    for sign in (1, -1):
        results = made.results.astype(object)
        for column in {*NUMBERS, *NUMBERS_OR_EMPTY} & {*results}:
            limit = LARGEST_MEASURED if column in MEASURED else LARGEST
            results.loc[results["cell"] == "lstm", column] = limit if column == "learning_rate" else sign * limit
        assert "lstm" in rebuilt(tmp_path, results)


@pytest.mark.parametrize("value", [LARGEST_MEASURED, -LARGEST_MEASURED, 0.0])
def test_curves_at_their_limits_give_a_report(value: float, tmp_path: Path) -> None:
    made = synthetic_study.study({"recall": [20]}, searches=1, trials=1, confirm=1)
    steps = made.curves["step"].where(made.curves.index % 7 > 0, LARGEST)
    folder = synthetic_study.write(tmp_path / "in", made._replace(curves=made.curves.assign(value=value, step=steps)))
    assert "Gates along one sequence" in build(folder, tmp_path / "out").read_text(encoding="utf-8")


def failures(page: str) -> str:
    return page.split("Diverged or missing")[1].split("Threats")[0]


def test_controls_are_shown_but_in_no_group(tmp_path: Path) -> None:
    made = synthetic_study.study({"continual_adding": [10]}, searches=1, trials=1, confirm=2)
    control = made.results.assign(task="continual_adding+reset", group="control", hash="c" + made.results["hash"])
    variant = made.results.assign(task="continual_adding+terms=3", hash="v" + made.results["hash"])
    text = rebuilt(tmp_path, pd.concat([made.results, control, variant]))
    lattice = pd.read_csv(tmp_path / "out" / "figures" / "lattice.csv")
    assert set(lattice["group"]) == {"erase"}
    assert "continual_adding+reset" in text


def test_curves_of_unknown_networks_are_left_out_and_reported(tmp_path: Path) -> None:
    made = synthetic_study.study({"recall": [20]}, searches=1, trials=1, confirm=1)
    stray = made.curves.assign(hash="unknown")
    folder = synthetic_study.write(tmp_path / "in", made._replace(curves=pd.concat([made.curves, stray])))
    page = build(folder, tmp_path / "out").read_text(encoding="utf-8")
    assert "Curves of 1 network that are not in results.csv are left out." in failures(page)


def test_several_sizes_are_reported_and_their_cost_is_shown(tmp_path: Path) -> None:
    made = synthetic_study.study({"recall": [20]}, searches=1, trials=1, confirm=2).results
    larger = made.assign(size=40000, parameters=8 * made["parameters"], hash="l" + made["hash"])
    text = rebuilt(tmp_path, pd.concat([made, larger]))
    assert "networks of the smallest size, 5,000. Networks of size 40,000 are used by the claims" in text
    assert set(pd.read_csv(tmp_path / "out" / "figures" / "costs.csv")["size"]) == {5000, 40000}
    assert len(pd.read_csv(tmp_path / "out" / "figures" / "solve_rates.csv")) == 5


def test_many_cells_and_groups_fit_on_a_page(tmp_path: Path) -> None:
    """Beyond seven cells lines become heat maps, and the lattice a field for each change and group."""
    lags = {task: [10] for task in ("recall", "continual_adding", "copy", "counting", "parity")}
    folder = synthetic_study.write(
        tmp_path / "in", synthetic_study.study(lags, 1, 3, 1, cells=synthetic_catalogue.MANY_CELLS)
    )
    page = build(folder, tmp_path / "out").read_text(encoding="utf-8")
    assert "blue: increase, orange: decrease" in page
    assert "darker is higher" in page
    for figure in (tmp_path / "out" / "figures").glob("*.svg"):
        size = re.search(r'height="([\d.]+)pt"', figure.read_text(encoding="utf-8"))
        assert size
        assert float(size[1]) < 72 * 11, figure.name  # a page of paper is as high


def test_nothing_is_written_from_a_bad_table(tables: Path, tmp_path: Path) -> None:
    broken = pd.read_csv(tables / "results.csv", dtype={"hash": str}).drop(columns="score")
    with pytest.raises(BadTable, match="score"):
        rebuilt(tmp_path, broken)
    assert not (tmp_path / "out").exists()


def test_an_out_that_cannot_be_written_is_named(tables: Path, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(Occupied, match=r"taken: it is not a folder"):
        build(tables / "results.csv", tmp_path / "taken")


def test_decodability_without_its_control_is_drawn(tmp_path: Path) -> None:
    made = synthetic_study.study({"recall": [10, 20]}, searches=1, trials=1, confirm=2)
    for part in ("all", "one lag"):
        shuffled = made.curves["metric"] == "decode/shuffled"
        lag = made.results.set_index("hash")["lag"].reindex(made.curves["hash"]).to_numpy()
        curves = made.curves[~shuffled] if part == "all" else made.curves[~(shuffled & (lag == 20))]
        assert shuffled.any()
        folder = synthetic_study.write(tmp_path / part, made._replace(curves=curves))
        assert "Decodability" in build(folder, tmp_path / f"{part} out").read_text(encoding="utf-8")
