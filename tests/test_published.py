"""The published study: what the README and the answer say of it, and its report, which is made from its tables."""

import json
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest

from reports import publish
from reports.build import build
from reports.tables import MEMBERS

ROOT = Path(__file__).parents[1]
FOLDERS = sorted(path.parent for path in (ROOT / "reports" / "published").glob("*/study.json"))
PUBLISHED = ROOT / "reports" / "published" / "why-gates"
SIZE = 1500
PAGES = ("README.md", "docs/answer.md")


@pytest.fixture(scope="module")
def published() -> pd.DataFrame:
    tables = [PUBLISHED / name for name in MEMBERS if (PUBLISHED / name).is_file()]
    return pd.concat([pd.read_csv(table, dtype={"hash": str}, low_memory=False) for table in tables])


def tables(page: str, mark: str) -> list[list[list[str]]]:
    """The cells of the first table after each mark in a Markdown file, headers included, without backquotes."""
    found = []
    for text in (ROOT / page).read_text(encoding="utf-8").split(mark)[1:]:
        table = re.search(r"(?:^\|.*\n)+", text, re.MULTILINE)
        assert table
        lines = [line for line in table[0].splitlines() if not set(line) <= set("|-: ")]
        found.append([[cell.strip().strip("`") for cell in line.strip("|").split("|")] for line in lines])
    return found


def test_tables_of_solved_networks_are_those_of_the_published_study(published: pd.DataFrame) -> None:
    confirmed = published[(published["phase"] == "confirm") & (published["size"] == SIZE)]
    shown = tables("docs/answer.md", "<!-- found -->")
    assert shown
    for (_, *columns), *rows in shown:
        assert len(rows) >= 2
        for cell, *counts in rows:
            for column, count in zip(columns, counts, strict=True):
                found = re.search(r"`?([\w+=]+)`?, lag (\d+)", column)
                assert found, column
                task, lag = found[1], int(found[2])
                arm = confirmed[(confirmed["cell"] == cell) & (confirmed["task"] == task) & (confirmed["lag"] == lag)]
                assert count == (str(int(arm["solved"].sum())) if len(arm) else "–"), (cell, column)
                assert len(arm) in (0, 20)


@pytest.mark.parametrize("page", PAGES)
def test_tables_of_verdicts_are_those_of_the_report(page: str) -> None:
    (_, *reported), *_ = tables("reports/published/why-gates/report.md", "## Verdicts")
    ((_, *stated),) = tables(page, "<!-- verdicts -->")
    by_claim = {claim: (verdict.split(" ", 1)[1], effect) for claim, effect, _, verdict, _ in reported}
    assert len(stated) == len(by_claim)
    assert {claim: (verdict, effect) for claim, verdict, effect in stated} == by_claim


def test_networks_are_published_once_and_arms_whole(published: pd.DataFrame) -> None:
    assert published["hash"].is_unique
    assert set(published.groupby(["cell", "task", "lag", "size"]).size()) == {100}


def test_what_is_there_is_listed(published: pd.DataFrame) -> None:
    ((_, *stated),) = tables("reports/published/README.md", "## What is there")
    there = {
        task: [
            ", ".join(f"{lag:g}" for lag in sorted(arms["lag"].unique())),
            str(arms["cell"].nunique()),
            f"{len(arms):,}",
            f"{arms['seconds'].sum() / 3600:.1f}",
        ]
        for task, arms in published.groupby("task")
    }
    assert {task: counts for task, *counts in stated} == there


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_report_is_what_its_tables_give(folder: Path, tmp_path: Path) -> None:
    build(folder, tmp_path / "report")
    kept = {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}
    made = {path.relative_to(tmp_path / "report") for path in (tmp_path / "report").rglob("*") if path.is_file()}
    assert {path for path in made if path.suffix != ".pdf"} - kept == {Path("whygates-files.json")}
    assert kept <= made
    for name in ("report.html", "report.md"):
        page = tmp_path / "report" / name
        page.write_text(publish.without_pdfs(page.read_text(encoding="utf-8")), encoding="utf-8")
        assert ".pdf" not in page.read_text(encoding="utf-8")
    differing = [path for path in kept if (folder / path).read_bytes() != (tmp_path / "report" / path).read_bytes()]
    assert not differing


def test_only_whole_arms_that_are_not_published_yet_are_added(tmp_path: Path) -> None:
    row = {"task": "recall", "size": "1500", "solved": "1", "empty": ""}
    arms = [("lstm", 5, 4), ("lstm", 10, 3), ("gru", 5, 4)]  # the second lacks a network, the third is known
    rows = [
        row | {"cell": cell, "lag": str(lag), "hash": f"{cell}{lag}{n}"}
        for cell, lag, count in arms
        for n in range(count)
    ]
    rows = [row | {"phase": "confirm" if row["hash"][-1] in "01" else "tune"} for row in rows]
    pd.DataFrame(rows).to_csv(tmp_path / "results.csv", index=False)
    points = [
        {"hash": row["hash"], "step": 25, "metric": metric, "value": 0.5}
        for row in rows
        for metric in ("eval/score", "eval/loss")
    ]
    pd.DataFrame(points).to_csv(tmp_path / "curves.csv", index=False)
    definition = {
        "tune": {"searches": 1, "trials": 1, "seeds": 1, "rerank": 1, "rerank_seeds": 1},
        "confirm": {"seeds": 2},
    }
    manifest = {
        "study": "why-gates",
        "experiment": "7",
        "mlflow": "http://127.0.0.1:5000",
        "queued": 3,
        "definition": definition,
    }
    (tmp_path / "study.json").write_text(json.dumps(manifest))
    target = tmp_path / "target"
    target.mkdir()
    known = pd.DataFrame([{"cell": "gru", "task": "recall", "lag": "5", "size": "1500"}])
    publish.write_finished(tmp_path, target, known)
    added = pd.read_csv(target / "results.csv")
    assert list(added["hash"]) == ["lstm50", "lstm51", "lstm52", "lstm53"]
    assert "empty" not in added
    curves = pd.read_parquet(target / "curves.parquet")
    assert list(curves["hash"]) == ["lstm50", "lstm51"], "the curves of the arm's confirmation networks, without losses"
    assert json.loads((target / "study.json").read_text()) == {
        "study": "why-gates",
        "queued": 0,
        "definition": definition,
    }


def test_every_published_study_is_described() -> None:
    text = (PUBLISHED.parent / "README.md").read_text(encoding="utf-8")
    assert [folder.name for folder in FOLDERS if f"({folder.name}/report.md)" not in text] == []
    beside = (PUBLISHED / "robustness").iterdir()
    assert [folder.name for folder in beside if f"| `{folder.name}` |" not in text] == []


def test_robustness_studies_are_published_beside_a_study_and_stay(tmp_path: Path) -> None:
    study, beside = PUBLISHED.parent / "gers2000", tmp_path / "new" / "robustness" / "robust-chrono"
    beside.mkdir(parents=True)
    for name in (*MEMBERS, "study.json"):
        for folder in (tmp_path / "new", beside):
            if (study / name).is_file():
                shutil.copy(study / name, folder)
    target = tmp_path / "published"
    publish.main(tmp_path / "new", target)
    publish.main(study, target)  # without the robustness study
    tables = {path.name for path in (target / "robustness" / "robust-chrono").iterdir()}
    assert tables == {"results.csv", "trials.csv.gz", "study.json"}
    assert "robustness" in (target / "report.md").read_text(encoding="utf-8").lower()
