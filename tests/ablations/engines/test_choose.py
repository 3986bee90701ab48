"""`choose`: which engine runs a cell, and what is refused."""

import pytest

from ablations.cells import catalogue
from ablations.engines import Sizes, choose, choose_all, eager, fused
from ablations.errors import InputError
from tests.ablations.engines.step_cells import cell_from_step


def with_sort(name="with_sort"):
    """A cell that the fused engine cannot run."""
    return cell_from_step(lambda w, x, h: (x + h @ w["U"]).sort(-1).values, name)


def test_auto_is_the_fused_engine_where_it_can_run_the_cell():
    for name in ("auto", "fused"):
        engine = choose(name, catalogue()["rnn"]())
        assert (engine.name, engine.scan, engine.linear) == ("fused", fused.scan, fused.linear)
        assert engine.reason == "compiled from the cell's step"


def test_auto_falls_back_to_the_eager_engine_and_gives_the_reason():
    engine = choose("auto", with_sort())
    assert (engine.name, engine.scan, engine.linear) == ("eager", eager.scan, eager.linear)
    assert engine.reason.startswith(
        "no fused kernel: the operators scatter, sort are not supported; CONTRIBUTING.md lists those that are"
    )


def test_fused_refuses_a_cell_it_cannot_run():
    with pytest.raises(InputError) as raised:
        choose("fused", with_sort())
    message = str(raised.value)
    assert message.startswith(
        "the fused engine cannot run the cell 'with_sort': the operators scatter, sort are not supported"
    )
    assert f"({__file__.rsplit('/')[-1]}, line {with_sort.__code__.co_firstlineno + 2})" in message
    assert message.endswith("; with --engine auto, such cells run on the eager engine")
    assert len(message.splitlines()) == 1


def test_eager_is_never_replaced():
    assert choose("eager", catalogue()["rnn"]()).name == choose("eager", with_sort()).name == "eager"


def test_an_unknown_engine_is_refused():
    with pytest.raises(InputError, match="unknown engine 'fusd'; did you mean 'fused'"):
        choose("fusd", catalogue()["rnn"]())


def test_one_line_per_outcome_names_its_cells():
    sizes = [Sizes(2, 3, 4, 5)]
    cells = {"good": (catalogue()["rnn"](), sizes), "bad": (with_sort(), sizes), "also bad": (with_sort(), sizes)}
    fused_line, eager_line = choose_all("auto", cells)
    assert fused_line == "engine fused (compiled from the cell's step): good"
    assert eager_line.startswith("engine eager (no fused kernel: the operators scatter, sort are not supported")
    assert eager_line.endswith("): bad, also bad")
    assert choose_all("eager", cells) == ["engine eager (as requested): good, bad, also bad"]


def test_of_several_cells_the_first_refused_one_is_reported():
    cells = {"good": (catalogue()["rnn"](), []), "bad": (with_sort("first"), []), "worse": (with_sort("second"), [])}
    with pytest.raises(InputError, match="cannot run the cell 'first'"):
        choose_all("fused", cells)
