"""The exhibits of calibration pool the simulated studies."""

import pandas as pd

from reports.exhibits.calibration import exhibits


def test_no_exhibits_without_a_file(tmp_path) -> None:
    assert exhibits(tmp_path / "calibration.csv") == {}


def test_shares_are_pooled_over_worlds(tmp_path) -> None:
    row = {"setting": "design", "world": "leak", "claim": 1, "right": "refuted", "decidable": True}
    row |= {"studies": 10, "false": 0.0, "found": 0.9, "intervals": 20, "covered": 0.95}
    rows = [
        row,
        row | {"world": "literature", "found": 0.5},
        row | {"world": "alike", "decidable": False, "found": 0.0},
    ]
    every = row | {"claim": 0, "right": "", "decidable": "", "found": ""}
    rows += [every | {"false": share} for share in (0.0, 0.2)]
    rows += [every | {"setting": "easy", "covered": 0.5}]
    pd.DataFrame(rows).to_csv(tmp_path / "calibration.csv", index=False)
    by_name = exhibits(tmp_path / "calibration.csv")
    assert by_name.keys() == {"calibration_errors", "calibration_power"}
    assert all(exhibit.shown for exhibit in by_name.values())
    alt = by_name["calibration_errors"].alt
    assert "10.0 % of studies in the setting “design”" in alt
    assert "lowest: 50 % in the setting “easy”" in alt
    assert "claim 1 70 %" in by_name["calibration_power"].alt
