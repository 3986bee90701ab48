"""Verdicts: error control over claims, premises and missing arms, from studies without chance."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest

from reports.claims import CLAIMS, decide, verdicts
from reports.claims.comparisons import LATCH, NORMALISED, UNGATED
from reports.claims.rules import Claim, better, worse
from reports.statistics.comparison import Comparison
from reports.statistics.strata import Where
from tests.reports.tables_by_hand import (
    DISTINGUISHED,
    ERASES,
    RECALL,
    curve,
    full_study,
    less_far,
    table,
    verdict,
)


def claim(number: int, cell: str) -> Claim:
    comparison = Comparison("recall", cell, "lstm", (Where(task="recall"),))
    return Claim(number, f"{cell} leads", "", (comparison,), supported=better("recall"), refuted=worse("recall"))


def noisy(cell: str, share: float, seed: int) -> pd.DataFrame:
    """A cell whose searches reach a random lag: this share of them a long one."""
    limits = np.where(np.random.default_rng(seed).random(10) < share, 200.0, 8.0)
    rows = [curve(cell, limit, searches=1).assign(search=float(k)) for k, limit in enumerate(limits)]
    return pd.concat(rows)


def test_claims_are_tested_in_the_order_of_their_p_values():
    """Against Holm's procedure by hand: the k-th smallest p value at .05 over the number of claims that are left."""
    cells = {"a": 0.0, "b": 0.1, "c": 0.3, "d": 0.5, "e": 0.7}
    claims = [claim(k, cell) for k, cell in enumerate(cells)]
    rows = pd.concat([noisy("lstm", 0.95, 1), *(noisy(cell, share, 2) for cell, share in cells.items())])
    alone = [decide_one.p for one in claims for decide_one in verdicts.decide(rows, [one])]
    found = verdicts.decide(rows, claims)
    left, passing = len(claims), True
    for k in np.argsort(alone):
        passing = passing and alone[k] * left <= 0.05
        assert (found[k].verdict == "refuted") == passing
        left -= 1
    assert {one.verdict for one in found} == {"refuted", "inconclusive"}
    assert [one.p for one in found] == pytest.approx(sorted(one.p for one in found))


def test_claims_without_arms_do_not_count():
    rows = full_study(less_far(NORMALISED, LATCH), 16)
    among = next(one for one in decide(rows) if one.id == 16)
    assert verdict(16, rows).p < among.p < len(CLAIMS) / 2 * verdict(16, rows).p


@pytest.mark.parametrize("solved", [True, False])
def test_studies_that_everybody_or_nobody_solves_decide_nothing_about_cells(solved):
    rows = full_study(DISTINGUISHED | ERASES)
    for diverged in (False, True):
        found = {one.id: one for one in decide(rows.assign(solved=solved, diverged=diverged))}
        about_cells = {1, 2, 4, 5, 6, 7, 9, 10, 12, 13, 15, 16}
        assert {found[number].verdict for number in about_cells} == {"inconclusive"}
        json.dumps([dataclasses.asdict(one) for one in found.values()], allow_nan=False)


def test_tasks_with_other_options_and_other_sizes_decide_nothing():
    rows = full_study(less_far(NORMALISED, LATCH), 16)
    others = [
        rows.assign(size=9000.0, solved=True),
        rows.assign(task=rows["task"] + "+alphabet=2", solved=True),
        rows.assign(cell=rows["cell"] + "+layers=2", solved=True),
    ]
    assert verdict(16, rows, *others) == verdict(16, rows)


@pytest.mark.parametrize(
    "rows",
    [
        curve("lstm", 40),
        table({"rnn": 20}, lags=(7,)),
        pd.concat([table({"lstm": 20}, lags=(20,)), table({"layer_norm_rnn": 20}, lags=(40,))]),
        table({"lstm": 20, "layer_norm_rnn": 20}, phase="tune"),
    ],
    ids=["one cell", "another cell", "no common lag", "no confirmation"],
)
def test_missing_arms(rows):
    one = verdict(16, rows)
    assert (one.verdict, one.p, one.effect, one.seeds, one.preliminary) == ("not_tested", None, None, 0, False)
    assert one.how_to_test.startswith("whygates sweep normalisation && whygates report normalisation  # missing: ")
    assert {found.outcome for found in one.contrasts} == {"missing"}


def test_few_searches_decide_nothing():
    rows = full_study(less_far(NORMALISED, LATCH), 16)
    assert verdict(16, rows[rows["search"] < 5]).verdict == "refuted"
    few = verdict(16, rows[rows["search"] < 4])
    assert (few.verdict, few.preliminary, few.seeds) == ("inconclusive", True, 8)
    assert "undecided: 4 searches, and a decision needs 5" in few.why
    unknown = verdict(16, rows.drop(columns="search"))
    assert unknown.verdict == "inconclusive"
    assert "the intervals exclude the variance between searches" in unknown.why


def test_missing_arms_are_named_while_the_premise_is_open():
    """Claim 10 without its larger networks, where its premise holds, and where it fails for good."""
    for reach, expected in ((1 / 8, "not_tested"), (1.0, "inconclusive")):
        rows = full_study(lambda cell, task, large, reach=reach: 1.0 if cell == "lstm" else reach, 10)
        one = verdict(10, rows[rows["size"] == 1500])
        assert one.verdict == expected
        assert bool(one.how_to_test) is (expected == "not_tested")


def test_size_may_be_missing():
    rows = full_study(less_far(NORMALISED, LATCH), 16)
    assert verdict(16, rows.drop(columns="size")).effect == verdict(16, rows).effect


@pytest.mark.parametrize(("reach", "outcome"), [(1 / 8, "worse"), (1.0, "equivalent")])
def test_descriptive_contrasts_do_not_change_the_verdict(reach, outcome):
    rows = full_study(DISTINGUISHED | ERASES, 12)
    other = curve("janet", 110 * reach, sorted(set(rows.loc[rows["task"] == "recall", "lag"])))
    bare, described = verdict(12, rows), verdict(12, rows, other)
    assert (described.verdict, described.contrasts[: len(bare.contrasts)]) == (bare.verdict, bare.contrasts)
    assert described.contrasts[-1].outcome == outcome
    assert described.contrasts[-1].a == "janet"


def test_verdicts_are_compared_with_the_literature():
    refuted = verdict(2, full_study(less_far(UNGATED, LATCH), 2))
    assert (refuted.verdict, refuted.literature) == ("refuted", "agrees")
    supported = verdict(2, full_study(DISTINGUISHED | ERASES, 2))
    assert (supported.verdict, supported.literature) == ("supported", "differs")
    assert verdict(2, full_study({}, 2)).literature == ""
    assert (
        verdict(
            16,
            full_study(less_far(NORMALISED, LATCH), 16),
        ).literature
        == "open"
    )


def test_the_effect_is_that_of_the_weakest_contrast_that_the_verdict_rests_on():
    losses = dict(zip(NORMALISED, (1 / 8, 1 / 3), strict=True))  # refuted if both reach less far
    one = verdict(16, full_study({(cell, task): loss for cell, loss in losses.items() for task in LATCH}, 16))
    assert one.verdict == "refuted"
    assert one.effect == pytest.approx(1 / 3, rel=0.2)
    (decisive,) = [contrast for contrast in one.contrasts if contrast.question == one.decisive]
    assert (one.effect, one.ci_low) == (decisive.effect, decisive.ci_low)
    untested = verdict(2, curve("rnn", 20, RECALL))
    assert (untested.verdict, untested.decisive, untested.effect) == ("not_tested", "", None)
