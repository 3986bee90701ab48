"""Where the marks are, which adding and multiplication share."""

import pytest

from tasks.adding import Adding
from tests.tasks.batches import draw


def test_marks_cover_their_ranges_with_the_documented_probabilities():
    first, second = draw(Adding(), 4000, 9).events["mark"].int().T.topk(2).indices.sort(-1).values.T
    assert first.unique().tolist() == [0, 1, 2, 3]
    assert second.unique().tolist() == [4, 5, 6, 7, 8]
    batch = draw(Adding(variant="hs97"), 20_000, 60)
    marked = batch.events["mark"]
    assert marked[:30].any(1).all()
    assert not marked[30:].any()
    assert (batch.weight.sum(1) > 0).nonzero().flatten().tolist() == list(range(59, 66))
    # One of the first ten (1/10 each), then one of 29 others; so late marks are in 1/29 of the sequences.
    assert marked[20:].float().mean(1).tolist()[:9] == pytest.approx([1 / 29] * 9, abs=0.006)
    assert marked[0].float().mean().item() == pytest.approx(0.1 + 0.9 / 29, abs=0.01)


@pytest.mark.parametrize("lag", [22, 61])
def test_probability_that_the_first_pair_is_marked_equals_its_frequency(lag):
    task = Adding(variant="hs97")
    frequency = draw(task, 40_000, lag).events["mark"][0].float().mean().item()
    assert task.first_pair_marked(lag) == pytest.approx(frequency, abs=0.008)
