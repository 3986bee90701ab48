"""Splitting the reasons of a verdict."""

import pytest

from reports.text.sentences import OPENING_LENGTH, opening


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
