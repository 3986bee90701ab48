"""The outcome of one contrast, from small tables whose correct outcome is obvious."""

import pytest

from reports.statistics.contrasts import CEILING, MIN_LAGS, Comparison, evidence, measure
from reports.statistics.strata import Where
from tests.reports.tables_by_hand import contrast, forgetting_tables, table, tuning_table, verdict

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
def test_swapping_the_cells_flips_the_sign(searches):
    rows = table({"single_network": 5, "lstm": 14}, searches=searches)
    counted = evidence(rows)
    there, back = (
        measure(Comparison("recall", a, b, (Where(task="recall"),)), counted).with_ceiling
        for a, b in (("lstm", "single_network"), ("single_network", "lstm"))
    )
    assert there
    assert back
    assert (there.effect, there.low, there.high, there.p) == pytest.approx(
        (-back.effect, -back.high, -back.low, back.p)
    )


def test_two_lags_are_undecided():
    one = verdict(1, table({"single_network": 0, "lstm": 20}, lags=(20, 40)))
    assert (one.verdict, one.contrasts[0].outcome) == ("inconclusive", "undecided")
    assert f"2 informative lags, and a decision needs {MIN_LAGS}" in one.why
    assert one.would_change.endswith("More informative lags are needed, not more seeds.")


def test_diverged_runs_are_unsolved():
    rows = table({"single_network": 20, "lstm": 20})
    rows.loc[rows["cell"] == "single_network", "diverged"] = True
    one = verdict(1, rows)
    assert (one.verdict, one.effect) == ("refuted", -1)


def test_strata_at_the_floor_are_excluded_and_named():
    rows = table({"single_network": 0, "lstm": 20}), table({"single_network": 0, "lstm": 0}, lags=(160,))
    trials = (
        tuning_table({"single_network": 0, "lstm": 30}),
        tuning_table({"single_network": 0, "lstm": 1}, lags=(160,)),
    )
    found = verdict(1, *rows, *trials).contrasts[0]
    assert found.left_out == ("recall lag 160: floor, 1 % of trials solved",)
    assert [stratum.lag for stratum in found.lags] == [20, 40, 80]
    assert found.effect == -1


def test_all_lags_on_the_floor():
    one = verdict(1, table({"single_network": 0, "lstm": 0}), tuning_table({"single_network": 0, "lstm": 0}))
    assert (one.verdict, one.effect, one.seeds) == ("inconclusive", None, 0)
    assert "no lag is informative" in one.why
    assert "floor, 0 % of trials solved" in one.why


def test_strata_at_the_ceiling_count_in_a_tie_but_not_in_a_lead():
    easy = tuning_table({"single_network": 40, "lstm": 40}, lags=(5, 10))
    hard = table({"single_network": 0, "lstm": 20}), table({"single_network": 20, "lstm": 20}, lags=(5, 10))
    lead = verdict(1, *hard, easy).contrasts[0]
    assert (lead.outcome, lead.effect, len(lead.lags)) == ("worse", -1, 3)
    assert lead.left_out == tuple(f"recall lag {lag}: ceiling, 100 % of trials solved" for lag in (5, 10))
    both = table({"single_network": 19, "lstm": 19}), table({"single_network": 20, "lstm": 20}, lags=(5, 10))
    tie = verdict(1, *both, easy).contrasts[0]
    assert (tie.outcome, len(tie.lags), tie.left_out) == ("equivalent", 5, ())


def test_informative_lags_are_selected_by_tuning_trials_only():
    """The same confirmation rows, with and without a tuning phase that solved nothing at lag 80."""
    rows = table({"single_network": 0, "lstm": 20})
    assert len(verdict(1, rows).contrasts[0].lags) == 3
    floor = tuning_table({"single_network": 0, "lstm": 0}, lags=(80,))
    assert [stratum.lag for stratum in verdict(1, rows, floor).contrasts[0].lags] == [20, 40]


def test_lags_that_differ_are_no_tie_even_if_equal_on_average():
    rows = [table({"gru": a, "lstm": b}, lags=(lag,)) for a, b, lag in [(20, 0, 20), (0, 20, 40), (20, 20, 80)]]
    more = table({"gru": 20, "lstm": 20}, lags=(5, 10, 15, 160))
    found = contrast(verdict(9, *rows, more), "latch")
    assert found.effect == 0
    assert found.ci_high < 0.2
    assert found.outcome == "not worse"


def test_the_ceiling_itself_is_informative():
    assert CEILING == 0.95
    edge = tuning_table({"single_network": 38, "lstm": 38})  # 95 % is still informative
    assert len(verdict(1, table({"single_network": 0, "lstm": 20}), edge).contrasts[0].lags) == 3


def test_a_stratum_with_one_search_is_excluded_if_others_have_several():
    rows = table({"single_network": 0, "lstm": 20}), table({"single_network": 0}, lags=(160,))
    single = table({"lstm": 20}, lags=(160,), searches=1)
    found = verdict(1, *rows, single).contrasts[0]
    assert found.left_out == (
        "recall lag 160: only one search was confirmed, so the variance between searches is unknown",
    )


def test_runs_are_the_units_if_a_cell_has_one_search_everywhere():
    rows = table({"single_network": 0}), table({"lstm": 20}, searches=1)
    assert verdict(1, *rows).verdict == "refuted"
    assert "the intervals exclude the variance between searches" in verdict(1, *rows).why


def test_sizes_are_strata_but_do_not_count_as_lags():
    both = {"single_network": 0, "lstm": 20}
    one = verdict(1, *(table(both, size=size) for size in (5000, 40000)))
    assert (one.verdict, len(one.contrasts[0].lags)) == ("refuted", 6)
    assert "lags 20, 40, 80 at size 5000; lags 20, 40, 80 at size 40000" in one.why
    shallow = verdict(1, *(table(both, lags=(20,), size=size) for size in (5000, 40000, 80000)))
    assert (shallow.verdict, len(shallow.contrasts[0].lags)) == ("inconclusive", 3)
    assert "undecided: 1 informative lag, and a decision needs 3" in shallow.why
    deep, flat = forgetting_tables(2, 20)
    sides = [deep, flat[flat["lag"] == 20], flat[flat["lag"] == 20].assign(size=9), flat[flat["lag"] == 40]]
    assert contrast(verdict(4, *sides), "interaction").outcome == "undecided"
