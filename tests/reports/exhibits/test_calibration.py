"""The exhibits of calibration pool the simulated studies."""

import pandas as pd

from reports.exhibits.calibration import exhibits


def test_no_exhibits_without_a_file(tmp_path) -> None:
    assert exhibits(tmp_path / "calibration.csv") == {}


def test_shares_are_pooled_over_simulated_studies(tmp_path) -> None:
    row = {"world": "latch", "base": 0.8, "spread": "", "strata": 4, "seeds": 20, "effect": 0.4, "claim": 1}
    row |= {"right": "refuted", "studies": 10, "false": 0.0, "found": 0.9, "intervals": 20, "covered": 0.95}
    rows = [row, row | {"effect": 0.2, "found": 0.3}, row | {"spread": 0.3, "found": 0.6}]
    rows += [row | {"claim": 0, "right": "", "found": "", "false": share} for share in (0.0, 0.2)]
    pd.DataFrame(rows).to_csv(tmp_path / "calibration.csv", index=False)
    by_name = exhibits(tmp_path / "calibration.csv")
    assert by_name.keys() == {"calibration_errors", "calibration_power"}
    assert all(exhibit.shown for exhibit in by_name.values())
    assert "10.0 % of studies in world latch" in by_name["calibration_errors"].alt
    assert "30 % at 0.2 (seeds), 90 % at 0.4 (seeds)" in by_name["calibration_power"].alt
