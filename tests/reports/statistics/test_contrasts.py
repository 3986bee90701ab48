"""What may be said of two cells: the outcome of one contrast, from small tables whose right answer is plain."""

import pytest

from reports.claims import LEVEL
from reports.statistics.contrasts import STRATA, Compare, evidence, measure
from reports.statistics.strata import Where
from tests.reports.tables_by_hand import contrast, table, tuned, verdict

SEARCHES = pytest.mark.parametrize("searches", [5, 0])


@SEARCHES
@pytest.mark.parametrize(
    ("network", "lstm", "expected", "outcome"),
    [
        (0, 20, "refuted", "worse"),  # no search mean varies at all
        (20, 0, "supported", "better"),
        (20, 20, "supported", "equivalent"),
        (0, 0, "inconclusive", "undecided"),  # two cells that both fail do not tie
        (4, 16, "refuted", "worse"),
        (18, 16, "supported", "not worse"),
        (8, 12, "inconclusive", "undecided"),
    ],
)
def test_one_contrast(searches, network, lstm, expected, outcome):
    one = verdict(1, table({"single_network": network, "lstm": lstm}, searches=searches))
    found = one.contrasts[0]
    assert (one.verdict, found.outcome) == (expected, outcome)
    assert one.effect == found.effect == pytest.approx((network - lstm) / 20)
    assert found.ci_low < found.effect < found.ci_high or abs(found.effect) == 1
    assert (one.seeds, one.preliminary, one.how_to_test) == (20, False, "")


@SEARCHES
@pytest.mark.parametrize("network", range(0, 21, 4))
@pytest.mark.parametrize("lstm", range(0, 21, 4))
def test_the_interval_never_contradicts_the_outcome(searches, network, lstm):
    found = verdict(1, table({"single_network": network, "lstm": lstm}, searches=searches)).contrasts[0]
    agrees = {
        "better": found.ci_low > 0,
        "worse": found.ci_high < 0,
        "equivalent": found.ci_low > -0.2 and found.ci_high < 0.2,
        "not worse": found.ci_low > -0.2,
        "undecided": found.ci_low <= -0.2 or network == lstm == 0,
    }
    assert agrees[found.outcome]
    assert -1 <= found.ci_low <= found.effect <= found.ci_high <= 1


@SEARCHES
def test_which_cell_is_a_does_not_matter(searches):
    """Mirror the names: the effect and its interval change sign, nothing else."""
    rows = table({"single_network": 5, "lstm": 14}, searches=searches)
    counted = evidence(rows)
    there, back = (
        measure(Compare("recall", a, b, (Where(task="recall"),)), counted).loose
        for a, b in (("lstm", "single_network"), ("single_network", "lstm"))
    )
    assert there
    assert back
    assert (there.effect, there.low, there.high, there.p) == pytest.approx(
        (-back.effect, -back.high, -back.low, back.p)
    )


def test_the_words_say_the_numbers():
    one = verdict(1, table({"single_network": 4, "lstm": 16}))
    low, high = (f"{round(-100 * end)}" for end in (one.ci_high, one.ci_low))
    assert one.why.startswith(
        f"lstm solves 60 points more of its runs than single_network on recall "
        f"({100 * LEVEL:.0f} % interval +{low} to +{high}, 20 seeds each from 5 searches, lags 20, 40, 80)"
    )


@SEARCHES
def test_luck_in_tuning_is_said_where_it_is_not_counted(searches):
    one = verdict(1, table({"single_network": 4, "lstm": 16}, searches=searches))
    assert ("luck in tuning is not in these intervals" in one.why) == (searches == 0)


def test_two_lags_decide_nothing():
    one = verdict(1, table({"single_network": 0, "lstm": 20}, lags=(20, 40)))
    assert (one.verdict, one.contrasts[0].outcome) == ("inconclusive", "undecided")
    assert f"2 informative lags, and a decision needs {STRATA}" in one.why
    assert one.would_change.endswith("More informative lags are needed, not more seeds.")


def test_diverged_runs_are_unsolved():
    rows = table({"single_network": 20, "lstm": 20})
    rows.loc[rows["cell"] == "single_network", "diverged"] = True
    one = verdict(1, rows)
    assert (one.verdict, one.effect) == ("refuted", -1)


def test_floor_is_left_out_and_said():
    rows = table({"single_network": 0, "lstm": 20}), table({"single_network": 0, "lstm": 0}, lags=(160,))
    trials = tuned({"single_network": 0, "lstm": 30}), tuned({"single_network": 0, "lstm": 1}, lags=(160,))
    found = verdict(1, *rows, *trials).contrasts[0]
    assert found.left_out == ("recall lag 160: floor, 1 % of trials solved",)
    assert [stratum.lag for stratum in found.lags] == [20, 40, 80]
    assert found.effect == -1


def test_all_lags_on_the_floor():
    one = verdict(1, table({"single_network": 0, "lstm": 0}), tuned({"single_network": 0, "lstm": 0}))
    assert (one.verdict, one.effect, one.seeds) == ("inconclusive", None, 0)
    assert "no lag can tell the cells apart" in one.why
    assert "floor, 0 % of trials solved" in one.why


def test_ceiling_is_left_out_of_a_lead_and_kept_in_a_tie():
    easy = tuned({"single_network": 40, "lstm": 40}, lags=(5, 10))
    hard = table({"single_network": 0, "lstm": 20}), table({"single_network": 20, "lstm": 20}, lags=(5, 10))
    lead = verdict(1, *hard, easy).contrasts[0]
    assert (lead.outcome, lead.effect, len(lead.lags)) == ("worse", -1, 3)
    assert lead.left_out == tuple(f"recall lag {lag}: ceiling, 100 % of trials solved" for lag in (5, 10))
    both = table({"single_network": 19, "lstm": 19}), table({"single_network": 20, "lstm": 20}, lags=(5, 10))
    tie = verdict(1, *both, easy).contrasts[0]
    assert (tie.outcome, len(tie.lags), tie.left_out) == ("equivalent", 5, ())


def test_the_tuning_phase_alone_chooses():
    """The same confirmation rows, with and without a tuning phase that solved nothing at lag 80."""
    rows = table({"single_network": 0, "lstm": 20})
    assert len(verdict(1, rows).contrasts[0].lags) == 3
    floor = tuned({"single_network": 0, "lstm": 0}, lags=(80,))
    assert [stratum.lag for stratum in verdict(1, rows, floor).contrasts[0].lags] == [20, 40]


def test_a_tie_on_average_is_no_tie():
    """+1 at one lag and −1 at another cancel; the lags say otherwise."""
    rows = [table({"gru": a, "lstm": b}, lags=(lag,)) for a, b, lag in [(20, 0, 20), (0, 20, 40), (20, 20, 80)]]
    more = table({"gru": 20, "lstm": 20}, lags=(5, 10, 15, 160))
    found = contrast(verdict(9, *rows, more), "latch")
    assert found.effect == 0
    assert found.ci_high < 0.2
    assert found.outcome == "not worse"
