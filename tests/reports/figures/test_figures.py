"""Sentences of the report."""

import pytest

from reports.aggregates import lattice
from reports.statistics.contrasts import Estimate
from reports.text import sentences as prose


def estimate(effect: float, low: float, high: float) -> Estimate:
    return Estimate(effect, low, high, p=0.01, strata=(), depth=3, seeds=6, networks=6, searches=2, share=0.5)


NO_FORGET = lattice.Node("lstm_no_forget", "lstm", "no forget gate", 1)


@pytest.mark.parametrize(
    ("high", "matters", "place"),
    [
        (
            -0.6,
            "The forget gate (without: −83 points on erase tasks, −97 to −60) matters.",
            "Taking away the forget gate costs on erase (−83) tasks, and helps on count (+50) tasks.",
        ),
        (
            0.1,
            "The one change that was measured takes no more from the solve rate than chance could.",
            "In no group of tasks does a single change lose clearly.",
        ),
    ],
)
def test_an_effect_is_told_with_its_certainty(high: float, matters: str, place: str) -> None:
    effects = {
        ("lstm_no_forget", "erase"): estimate(-0.834, -0.97, high),
        ("lstm_no_forget", "count"): estimate(0.5, 0.3, 0.7),
    }
    assert prose.what_matters([NO_FORGET], effects) == matters
    assert prose.where([NO_FORGET], effects, {}) == place


def test_nothing_is_said_of_cells_without_parents() -> None:
    assert "no part's effect can be told" in prose.what_matters([lattice.Node("rnn", None, "", 0)], {})


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "–"), (float("nan"), "–"), (0.01234, "0.0123"), (3.0, "3"), (12345.0, "12,345"), (7.7e7, "7.70 × 10⁷")],
)
def test_numbers_read_well(value: float | None, text: str) -> None:
    assert prose.number(value) == text
