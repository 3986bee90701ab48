"""The published tables: what the README and their own page say of them."""

import re
from pathlib import Path

import pandas as pd
import pytest

ROOT = Path(__file__).parents[1]
PUBLISHED = ROOT / "reports" / "published"
STAGES = sorted(path.parent for path in PUBLISHED.rglob("results.csv"))


@pytest.fixture(scope="module")
def published() -> dict[Path, pd.DataFrame]:
    return {stage: pd.read_csv(stage / "results.csv", dtype={"hash": str}) for stage in STAGES}


def rows(path: Path, mark: str) -> list[list[str]]:
    """The cells of the first table after a mark in a Markdown file, header included, without backquotes."""
    text = path.read_text(encoding="utf-8").split(mark, 1)[1]
    table = re.search(r"(?:^\|.*\n)+", text, re.MULTILINE)
    assert table
    lines = [line for line in table[0].splitlines() if not set(line) <= set("|-: ")]
    return [[cell.strip().strip("`") for cell in line.strip("|").split("|")] for line in lines]


def test_the_table_in_the_readme_is_that_of_the_published_networks(published: dict[Path, pd.DataFrame]) -> None:
    every = pd.concat(published.values())
    confirmed = every[(every["phase"] == "confirm") & (every["size"] == 1500)]
    (_, *columns), *shown = rows(ROOT / "README.md", "<!-- found -->")
    assert len(shown) >= 6
    for cell, *counts in shown:
        for column, count in zip(columns, counts, strict=True):
            found = re.search(r"`?(\w+)`?, lag (\d+)", column)
            assert found, column
            task, lag = found[1], int(found[2])
            arm = confirmed[(confirmed["cell"] == cell) & (confirmed["task"] == task) & (confirmed["lag"] == lag)]
            assert count == (str(arm["solved"].sum()) if len(arm) else "–"), (cell, column)
            assert len(arm) in (0, 20)


def test_every_stage_stands_in_the_table_of_stages_with_its_networks(published: dict[Path, pd.DataFrame]) -> None:
    _, *stages = rows(PUBLISHED / "README.md", "--out report")
    assert {name: int(networks.replace(",", "")) for name, networks, _ in stages} == {
        stage.name: len(table) for stage, table in published.items()
    }
    hashes = pd.concat(table["hash"] for table in published.values())
    assert hashes.is_unique
