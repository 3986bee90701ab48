"""`whygates sweep` without a study: the table of presets."""

import re
from pathlib import Path

from ablations.studies.loading import presets
from tests.ablations.cli_runner import whygates


def test_without_a_study_the_presets_are_a_table_that_says_where_to_start(tmp_path: Path) -> None:
    outcome = whygates("sweep", cwd=tmp_path)
    assert outcome.code == 0, outcome
    rows = [[part.strip() for part in line.split("│")[1:-1]] for line in outcome.stdout.splitlines() if "│" in line]
    found = [row for row in rows if row[0]]  # long questions have several lines
    names = [row[0] for row in found]
    assert names == ["smoke (start here)", *sorted({*presets()} - {"smoke"})]
    assert {"why-gates", "greff", "forgetting", "dissociation", "one-network", "sanity"} <= {*names}
    assert found[0][2:4] == ["30", "360"]
    assert all(re.fullmatch(r"[\d.]+ (s|min|h)", row[4]) for row in found)
    assert _hours(found[names.index("why-gates")][4]) > 20 * _hours(found[0][4])  # 190 times the networks
    assert "Start with:      whygates sweep smoke " in outcome.stdout


def _hours(text: str) -> float:
    value, unit = text.split()
    return float(value) * {"s": 1 / 3600, "min": 1 / 60, "h": 1}[unit]
