"""Options of cells in words."""

from ablations.studies.loading import load, presets
from reports.aggregates.options import PHRASES, in_words


def test_options_are_described_with_their_values_and_unknown_ones_by_name() -> None:
    assert in_words({"leak": 0.9, "keep": True}) == (
        "f = 0.9, not learned, the network's initial weights keep the memory, c' ≈ c"
    )
    assert in_words({"rank": 3}) == "rank=3"
    assert in_words({"peephole": False}) == ""


def test_every_option_of_a_preset_is_described() -> None:
    cells = [cell for path in presets().values() for cell in load(str(path)).cells]
    used = {name for cell in cells for name in (*cell.init, *cell.options)}
    assert {"leak", "keep", "depth"} <= used
    assert used <= {*PHRASES}
