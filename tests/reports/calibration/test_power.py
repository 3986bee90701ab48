"""The sentences on power state the numbers of calibration.csv."""

import numpy as np

from reports.calibration import power


def test_sentence_states_the_numbers_of_the_table():
    rows, sentence = power.read(), power.sentence()
    every = rows[rows["claim"] == 0]
    false = np.average(every["false"], weights=every["studies"])
    assert f"{100 * false:.1f} % of {every['studies'].sum():,} studies" in sentence
    decided = rows[(rows["setting"] == "design") & (rows["decidable"].astype(str) == "True")]
    assert f"{100 * np.average(decided['found'], weights=decided['studies']):.0f} % of the claims that such" in sentence
