"""Tables as LaTeX: every value is there, and nothing in it is a command or a letter that LaTeX does not know."""

import re

import pytest

from reports import latex

ARM = {
    "task": "recall",
    "lag": 20.0,
    "cell": "lstm_no_forget",
    "solved": 3,
    "seeds": 6,
    "low": 0.19,
    "high": 0.81,
    "median_score": -0.02,
    "median_steps": float("nan"),
    "parameters": 1444.0,
}


def test_a_row_has_the_outcome_of_an_arm() -> None:
    text = latex.results([ARM])
    row = r"recall & 20 & lstm\_no\_forget & 3/6 & 19 to 81 \% & $-$0.02 & -- & 1,444 \\"
    assert row in text.splitlines()
    assert {r"\toprule", r"\midrule", r"\bottomrule"} <= {*text.splitlines()}
    assert text.count("\\begin{longtable}") == text.count("\\end{longtable}") == 1


@pytest.mark.parametrize("name", [r"a\b", "50%", "a&b", "x^2", "~", "#1", "{}", "−1 × ½ ≥ 2⁷ …"])
def test_a_name_is_shown_as_it_is(name: str) -> None:
    (row,) = (line for line in latex.results([ARM | {"cell": name}]).splitlines() if line.startswith("recall"))
    cell = row.split(" & 20 & ")[1].split(" & 3/6")[0]
    assert cell.isascii()
    assert not re.search(r"(?<!\\)[&%#]", cell)
    assert latex.results([]).count("Task")
