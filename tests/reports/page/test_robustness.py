"""Findings of a study beside those with merged searches and of robustness studies."""

import pandas as pd

from reports.claims import decide
from reports.page.robustness import compared, merged_verdicts
from reports.tables import Tables
from tests.reports.tables_by_hand import curve


def tables(name: str, **reaches: float) -> Tables:
    rows = [curve(cell, reach, phase=phase) for cell, reach in reaches.items() for phase in ("tune", "confirm")]
    results = pd.concat(rows, ignore_index=True)
    return Tables(results, None, {"study": name, "definition": {"description": f"The question of {name}?"}})


def test_reaches_of_every_study_stand_beside_each_other():
    found = compared(tables("main", lstm=40, rnn=10), {"more steps": tables("more", lstm=40, rnn=40, gru=80)})
    assert found.studies == [("main", "The question of main?"), ("more steps", "The question of more?")]
    rows = dict(found.rows)
    assert list(rows) == ["gru / lstm on recall", "rnn / lstm on recall"]
    assert rows["rnn / lstm on recall"][0].startswith("×0.25 (")
    assert rows["rnn / lstm on recall"][0].endswith(", worse")
    assert rows["rnn / lstm on recall"][1].startswith("×1.00 (0.70 to 1.43)")
    assert rows["rnn / lstm on recall"][1].endswith(", equivalent")
    assert rows["gru / lstm on recall"][0] == "–"
    assert found.summaries == [
        "more steps: of 1 comparison in which a cell is worse here, it is worse there in 0. "
        "Other outcomes: rnn / lstm on recall (worse here, equivalent there)."
    ]


def test_without_other_studies_there_is_nothing_to_compare():
    assert compared(tables("main", lstm=40), {}) is None


def test_merged_searches_are_judged_again():
    """Nothing is worse when every search finds the same; with half as many searches a claim may stay open."""
    results = tables("main", lstm=40, rnn=10).results.assign(trial=0.0, objective=0.5)
    verdicts = decide(results)
    merged = merged_verdicts(results, verdicts)
    assert merged.keys() == {one.id for one in verdicts if one.verdict != "not_tested"}
    assert merged_verdicts(results.drop(columns="trial"), verdicts) == {}
