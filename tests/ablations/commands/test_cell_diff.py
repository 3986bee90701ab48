"""`whygates cells --diff`: the changes, equations and weights in which two cells differ."""

import json
from pathlib import Path

from tests.ablations.cli_runner import whygates

CELL = str(Path(__file__).parents[3] / "examples" / "ugrnn.py")


def test_a_diff_prints_changes_equations_and_weights(tmp_path: Path) -> None:
    printed = whygates("cells", "--diff", "lstm_no_forget", "single_network", cwd=tmp_path).stdout
    lines = [line.strip() for line in printed.splitlines()]
    assert lines[0] == "lstm_no_forget → single_network"
    assert lines[1].startswith("undo  no forget gate")
    assert lines[2].startswith("make  one network computes the new memory")
    assert "− c' = c + i ⊙ z" in lines
    assert "+ c' = tanh(U_c m + b_c)" in lines
    assert "W_o" not in printed
    assert lines[-1].endswith("3,936 → 4,704 (+768)")


def test_fewer_parameters_have_a_minus_sign(tmp_path: Path) -> None:
    printed = whygates("cells", "--diff", "lstm", "gru", cwd=tmp_path).stdout
    assert printed.splitlines()[-1].endswith("5,248 → 3,968 (−1,280)")


def test_cells_with_different_roots_have_no_common_ancestor(tmp_path: Path) -> None:
    assert "no common ancestor" in whygates("cells", "--diff", "gru", "rnn", cwd=tmp_path).stdout


def test_a_diff_is_printed_as_json(tmp_path: Path) -> None:
    arguments = ("cells", "--diff", "lstm", "lstm_full_recurrence", "--inputs", "2", "--hidden", "3", "--json")
    difference = json.loads(whygates(*arguments, cwd=tmp_path).stdout)
    assert difference["common"] == "lstm"
    made = ["lstm_peephole", "lstm_full_recurrence"]
    assert [(change["cell"], change["undone"]) for change in difference["changes"]] == [(cell, False) for cell in made]
    assert difference["weights"][0] == []
    assert difference["weights"][1][:3] == [f"P_{g} [1, 3], zeros" for g in "ifo"]
    assert difference["parameters"][1] - difference["parameters"][0] == 3 * 3 + 9 * 3 * 3


def test_a_cell_does_not_differ_from_itself(tmp_path: Path) -> None:
    same = json.loads(whygates("cells", "--diff", "gru", "gru", "--json", cwd=tmp_path).stdout)
    assert (same["changes"], same["equations"], same["weights"]) == ([], [[], []], [[], []])


def test_a_plugin_can_be_compared_with_its_parent(tmp_path: Path) -> None:
    printed = whygates("cells", "--plugin", CELL, "--diff", "gru", "ugrnn", cwd=tmp_path).stdout
    assert "make  no reset gate  (ugrnn)" in printed
