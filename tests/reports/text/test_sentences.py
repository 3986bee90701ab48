"""Splitting the reasons of a verdict."""

import pytest

from reports.aggregates.published import Beside, Published, solved
from reports.text.sentences import OPENING_LENGTH, opening, repeated


@pytest.mark.parametrize(
    ("why", "shown", "folded"),
    [
        ("One sentence.", "One sentence.", ""),
        ("One. Two.", "One. Two.", ""),
        (f"One. {'x' * OPENING_LENGTH}. Two.", "One.", f"{'x' * OPENING_LENGTH}. Two."),
    ],
)
def test_long_reasons_are_folded_after_a_sentence(why: str, shown: str, folded: str) -> None:
    assert opening(why) == (shown, folded)


def test_published_results_that_differ_are_named_with_both() -> None:
    rows = [
        Beside(Published("lstm", "counting", 100, "counts", True, "A 2000", solved), "90 % of 10 solve it", True),
        Beside(
            Published("gru", "counting", 100, "does not count", False, "A 2000", solved), "60 % of 10 solve it", False
        ),
    ]
    assert repeated(rows) == (
        "Published results that it repeats: 1 of 2 agree. Not as published: gru on counting at lag 100 (published: does not count; "
        "here: 60 % of 10 solve it)."
    )
    assert repeated(rows[:1]) == "Published results that it repeats: 1 of 1 agree."
    assert repeated([]) == ""
