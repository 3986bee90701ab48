"""The sentences of findings state the numbers."""

import pytest

from reports.claims import findings
from reports.statistics.contrasts import LEVEL, Contrast
from tests.reports.tables_by_hand import forgetting_tables, table, verdict

SEARCHES = pytest.mark.parametrize("searches", [5, 0])


def test_a_finding_states_its_numbers():
    one = verdict(1, table({"single_network": 4, "lstm": 16}))
    low, high = (f"{round(-100 * end)}" for end in (one.ci_high, one.ci_low))
    assert one.why.startswith(
        f"The solve rate of lstm is 60 points higher than that of single_network on recall "
        f"({100 * LEVEL:.0f} % interval +{low} to +{high}, 20 seeds each from 5 searches, lags 20, 40, 80)"
    )


@SEARCHES
def test_one_search_has_a_caveat(searches):
    one = verdict(1, table({"single_network": 4, "lstm": 16}, searches=searches))
    assert ("the intervals exclude the variance between searches" in one.why) == (searches == 0)


def test_missing_arms_are_stated_once():
    erase, latch = forgetting_tables(2, 20)
    both = "No lag has confirmation runs of both lstm and lstm_no_forget on"
    assert verdict(4, erase).why.startswith(f"{both} latch tasks. The solve rate of lstm is 90 points higher")
    assert verdict(4, latch).why.startswith(f"{both} erase tasks. The solve rates of lstm_no_forget and lstm are equal")
    assert verdict(4, table({"rnn": 20})).why == f"{both} erase or latch tasks."


@pytest.mark.parametrize(
    ("measure", "scale", "interval", "text"),
    [
        ("solve rate", "difference", (-0.42, -0.6, -0.24), "−42 points (−60 to −24)"),
        ("solve rate", "difference", (0.01, -0.004, 0.02), "+1 point (0 to +2)"),
        ("largest n", "ratio", (2.3, 1.8, 3.1), "×2.3 (1.80 to 3.1)"),
        ("FLOPs to solve", "ratio", (0.987, 0.9, 14.2), "×0.99 (0.90 to 14)"),
        ("FLOPs to solve", "ratio", (1e9, 1e-5, 1e12), "×1e+09 (1e-05 to 1e+12)"),
        ("score", "difference", (0.31, 0.22, 0.4), "+0.31 (+0.22 to +0.40)"),
        ("share recovered", "difference", (0.62, 0.48, 0.75), "62 % (48 to 75)"),
        ("score", "difference", (None, None, None), "–"),
    ],
)
def test_effects_are_shown_on_their_natural_scale(measure, scale, interval, text):
    found = Contrast("", "a", "b", (), (), *interval, None, 20, "undecided", (), measure, scale)
    assert findings.shown(found) == text
