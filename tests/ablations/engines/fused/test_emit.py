"""The emitted source is a function of the cell alone, as its hash is the key of the kernel cache."""

import pytest

from ablations.cells import catalogue
from ablations.engines.fused.emit import emit
from ablations.engines.fused.plan import plan
from ablations.engines.fused.trace import trace


@pytest.mark.parametrize("name", ["rnn", "lstm"])
def test_the_source_of_a_cell_is_reproducible(name):
    first, second = (emit(plan(trace(catalogue()[name]())), name) for _ in range(2))
    assert first == second
    assert first.startswith(f"// {name}, ")


def test_cells_with_different_steps_have_different_sources():
    lstm, gru = (emit(plan(trace(catalogue()[name]())), "cell") for name in ("lstm", "gru"))
    assert lstm != gru
