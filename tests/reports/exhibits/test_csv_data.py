"""The data of a figure as CSV."""

import numpy as np
import pandas as pd

from reports.exhibits.csv_data import csv_text


def test_texts_that_look_like_formulas_are_escaped_and_numbers_have_six_digits() -> None:
    table = pd.DataFrame({"cell": ["=cmd()", "@x", "-y", "lstm"], "rate": [-0.5, 1.0, 0.123456789, np.nan]})
    assert csv_text(table) == "cell,rate\n'=cmd(),-0.5\n'@x,1\n'-y,0.123457\nlstm,\n"
