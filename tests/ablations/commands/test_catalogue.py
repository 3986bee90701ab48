"""The catalogues, as the command line lists them."""

import json
import re
from pathlib import Path

from ablations.studies.study import presets
from tests.ablations.cli_process import whygates


def test_cells_and_tasks_are_listed(tmp_path: Path) -> None:
    cells = {cell["name"]: cell for cell in json.loads(whygates("cells", "--json", cwd=tmp_path).stdout)}
    assert {"rnn", "single_network", "lstm_no_forget", "lstm", "gru"} <= set(cells)
    assert cells["lstm_no_forget"]["parent"] == "lstm"
    assert cells["lstm"]["parameters"] == 4 * (8 * 32 + 32 * 32 + 32)
    assert "c' = f ⊙ c + i ⊙ z" in cells["lstm"]["equations"]
    assert cells["lstm_no_output"]["equations"] == ["h' = tanh(c')"]
    assert len(cells["lstm_no_output"]["recurrence"]) == 5
    assert cells["single_network"]["options"] == {"peephole": False, "depth": 1, "width": 1, "activation": "tanh"}
    assert "forget_bias" not in cells["lstm_no_forget"]["hyperparameters"]
    tasks = {task["name"]: task for task in json.loads(whygates("tasks", "--json", cwd=tmp_path).stdout)}
    assert {"recall", "adding", "temporal_order", "copy", "continual_adding"} <= set(tasks)
    assert tasks["continual_adding"]["options"] == {"reset": False}


def test_studies_are_listed_with_their_questions(tmp_path: Path) -> None:
    shown = whygates("sweep", cwd=tmp_path).stdout.splitlines()
    names = [line.partition(": ")[0] for line in shown]
    assert names == sorted(presets())
    assert {"smoke", "why-gates", "greff", "erase", "dissociation", "gates-vs-lag", "parameters", "sanity"} <= {*names}
    assert all("?" in line for line in shown)


def test_cells_are_a_tree_with_the_change_on_each_branch(tmp_path: Path) -> None:
    shown = whygates("cells", "--inputs", "4", "--hidden", "16", cwd=tmp_path).stdout
    assert re.search(r"├── lstm  1,344 parameters .*\n(│ .*\n)*│   ├── lstm_peephole  1,392 parameters", shown)
    assert re.search(r"lstm_peephole .*\n│   │   peepholes: the gates receive the memory c\n", shown)
    assert re.search(r"│   │   └── lstm_full_recurrence .*\n│   │       the gates receive the previous gates\n", shown)
    assert "options: depth=1, width=1, activation=tanh" in shown
    assert shown.count("peephole=False") == 1  # where it comes from, not wherever it is inherited


def test_two_cells_are_told_apart(tmp_path: Path) -> None:
    shown = whygates("cells", "--diff", "lstm_no_forget", "single_network", cwd=tmp_path).stdout
    lines = [line.strip() for line in shown.splitlines()]
    assert lines[0] == "lstm_no_forget → single_network"
    assert lines[1].startswith("undo  no forget gate")
    assert lines[2].startswith("make  one network computes the new memory")
    assert "− c' = c + i ⊙ z" in lines
    assert "+ c' = tanh(U_c m + b_c)" in lines
    assert "W_o" not in shown
    assert lines[-1].endswith("3,936 → 4,704 (+768)")
    assert "different roots" in whygates("cells", "--diff", "gru", "rnn", cwd=tmp_path).stdout


def test_two_cells_are_told_apart_as_data(tmp_path: Path) -> None:
    asked = ("cells", "--diff", "lstm", "lstm_full_recurrence", "--inputs", "2", "--hidden", "3", "--json")
    found = json.loads(whygates(*asked, cwd=tmp_path).stdout)
    assert found["common"] == "lstm"
    made = ["lstm_peephole", "lstm_full_recurrence"]
    assert [(change["cell"], change["undone"]) for change in found["changes"]] == [(cell, False) for cell in made]
    assert found["weights"][0] == []
    assert found["weights"][1][:3] == [f"P_{g} [1, 3], zeros" for g in "ifo"]
    assert found["parameters"][1] - found["parameters"][0] == 3 * 3 + 9 * 3 * 3
    same = json.loads(whygates("cells", "--diff", "gru", "gru", "--json", cwd=tmp_path).stdout)
    assert (same["changes"], same["equations"], same["weights"]) == ([], [[], []], [[], []])
