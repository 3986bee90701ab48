"""The paragraph on networks that are missing from the tables."""

import pytest

from reports.page import methods
from tests.reports import synthetic_study as synthetic


def said_of(made: synthetic.Synthetic) -> str:
    """What the methods say of networks that are missing."""
    results = made.results.assign(diverged=made.results["diverged"].astype(bool))
    return " ".join(methods.failures(results, made.study))


def test_missing_networks_are_counted_against_the_study() -> None:
    made = synthetic.study()
    assert "Every network that the study defines is in these tables." in said_of(made)
    first = made.results.index[(made.results["cell"] == "gru") & (made.results["phase"] == "confirm")]
    recall = (made.results["cell"] == "rnn") & (made.results["task"] == "recall")
    said = said_of(made._replace(results=made.results.drop(index=first[:2]).loc[~recall]))
    assert (
        "8 of 120 tuning networks are missing, failed or not run, in 1 of 15 arms: rnn on recall lag 20 (0 of 8)."
        in said
    )
    assert (
        "8 of 90 confirmation networks are missing, failed or not run, in 2 of 15 arms: "
        "rnn on recall lag 20 (0 of 6) and gru on recall lag 20 (4 of 6)."
    ) in said


def test_many_missing_arms_are_counted_not_named() -> None:
    made = synthetic.study()
    arms = [arm | {"size": size} for arm in made.study["arms"] for size in (5000, 9000)]
    said = said_of(made._replace(study=made.study | {"arms": arms}))
    assert "90 of 180 confirmation networks are missing" in said
    assert "rnn on recall lag 20 at size 9000 (0 of 6)" in said
    assert "and 7 more." in said


@pytest.mark.parametrize("arms", [None, [], [{"cell": "lstm", "task": "recall", "lag": 20}]])
def test_without_arms_it_is_not_known_what_is_missing(arms) -> None:
    made = synthetic.study({"recall": [20]}, searches=1, trials=1, confirm=2)
    said = said_of(made._replace(study={} if arms is None else made.study | {"arms": arms}))
    assert "it is not known which networks are missing" in said
