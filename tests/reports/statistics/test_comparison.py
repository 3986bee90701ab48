"""How a comparison is written: signs and quotients as they are computed."""

from reports.claims.comparisons import ACCUMULATES, LATCH, versus
from reports.statistics.comparison import RATE_MARGINS, Comparison
from reports.statistics.quantities import SCORE
from reports.statistics.strata import Where


def test_every_term_has_its_sign() -> None:
    (reset,) = (one for one in ACCUMULATES if one.name == "reset")
    signs = {term.label + term.option: term.weight for term in reset.contrast_terms}
    assert signs == {"lstm_no_forget+reset": 1, "lstm": 1, "lstm_no_forget": -1, "lstm+reset": -1}
    assert reset.formula == "lstm_no_forget+reset + lstm − lstm_no_forget − lstm+reset"


def test_reaches_are_divided_and_scores_subtracted() -> None:
    assert [one.formula for one in versus(["rnn"], "lstm", LATCH)] == ["rnn / lstm"] * 2
    score = Comparison("score", "rnn", "lstm", (Where(task="recall"),), quantity=SCORE, margins=RATE_MARGINS)
    assert score.question == "score: rnn − lstm on recall"
