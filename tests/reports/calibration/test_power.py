"""The sentences on power state the numbers of calibration.csv."""

import numpy as np

from reports.calibration import power
from reports.calibration.measure import ALL


def test_sentence_states_the_numbers_of_the_table():
    """Computed from the rows: false verdicts, and the power on three lags if only seeds vary."""
    rows, sentence = power.read(), power.sentence()
    all_claims = rows[(rows["claim"] == ALL) & (rows["effect"] >= 0.4)]
    false = np.average(all_claims["false"], weights=all_claims["studies"])
    assert f"{100 * false:.1f} % of {all_claims['studies'].sum():,} studies" in sentence
    leads = rows[rows["claim"].isin([1, 13]) & (rows["right"] == "refuted") & rows["spread"].isna()]
    leads = leads[(leads["strata"] == 3) & (leads["seeds"] == 20) & (leads["effect"] == 0.4)]
    shares = [100 * np.average(own["found"], weights=own["studies"]) for _, own in leads.groupby("base")]
    low, high = round(min(shares)), round(max(shares))
    assert low < high
    assert f"in {low} to {high} % of studies with 3 lags" in sentence
