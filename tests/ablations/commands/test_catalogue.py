"""`whygates cells` and `whygates tasks`: the lists, and single entries in full."""

import inspect
import json
import re
from pathlib import Path

import tasks
from ablations import cells
from tests.ablations.cli_runner import whygates

EXAMPLES = Path(__file__).parents[3] / "examples"
CELL, TASK = (str(EXAMPLES / name) for name in ("ugrnn.py", "delayed_match.py"))


def fields(printed: str) -> dict[str, list[str]]:
    """The lines of each field of an entry, by the field's name."""
    found: dict[str, list[str]] = {}
    name = ""
    for line in printed.splitlines():
        if row := re.fullmatch(r"((?:\S+ )*\S+)?\s{2,}(.*?) *", line):
            name = row[1] or name
            found.setdefault(name, []).append(row[2])
    return found


def test_cells_are_listed_as_json(tmp_path: Path) -> None:
    listed = {cell["name"]: cell for cell in json.loads(whygates("cells", "--json", cwd=tmp_path).stdout)}
    assert {"rnn", "single_network", "lstm_no_forget", "lstm", "gru"} <= set(listed)
    assert listed["lstm_no_forget"]["parent"] == "lstm"
    assert listed["lstm"]["parameters"] == 4 * (8 * 32 + 32 * 32 + 32)
    assert listed["lstm"]["weights"]["W_i"] == {"rows": 8, "columns": 32, "initialiser": "uniform", "trained": True}
    assert "c' = f ⊙ c + i ⊙ z" in listed["lstm"]["equations"]
    assert listed["lstm_no_output"]["equations"] == ["h' = tanh(c')"]
    assert len(listed["lstm_no_output"]["recurrence"]) == 5
    assert listed["single_network"]["options"] == {
        "peephole": False,
        "depth": 1,
        "width": 1,
        "activation": "tanh",
        "keep": False,
    }
    assert "forget_bias" not in listed["lstm_no_forget"]["hyperparameters"]


def test_tasks_are_listed_as_json(tmp_path: Path) -> None:
    listed = {task["name"]: task for task in json.loads(whygates("tasks", "--json", cwd=tmp_path).stdout)}
    assert {"recall", "adding", "temporal_order", "copy", "continual_adding"} <= set(listed)
    assert listed["continual_adding"]["options"] == {"reset": False}


def test_the_table_of_tasks_has_a_row_for_each(tmp_path: Path) -> None:
    printed = whygates("tasks", cwd=tmp_path).stdout
    for name in tasks.catalogue():
        assert re.search(rf"^│ {name} ", printed, re.MULTILINE)


def test_cells_are_a_tree_with_the_change_on_each_branch(tmp_path: Path) -> None:
    printed = whygates("cells", "--inputs", "4", "--hidden", "16", cwd=tmp_path).stdout
    assert re.search(r"├── lstm  1,344 parameters .*\n(│ .*\n)*│   └── lstm_peephole  1,392 parameters", printed)
    assert re.search(r"lstm_peephole .*\n│       peepholes: the gates receive the memory c\n", printed)
    assert re.search(
        r"│       └── lstm_full_recurrence .*\n│           the gates receive the previous gates\n", printed
    )
    assert "options: depth=1, width=1, activation=tanh, keep=False" in printed
    assert printed.count("peephole=False") == 1  # only at the cell that introduces the option


def test_one_cell_is_shown_in_full(tmp_path: Path) -> None:
    outcome = whygates("cells", "single_network", "--inputs", "2", "--hidden", "3", cwd=tmp_path)
    assert outcome.code == 0
    shown, kind = fields(outcome.stdout), cells.catalogue()["single_network"]
    assert shown["parent"] == ["lstm"]
    assert shown["change"] == [kind.change]
    assert shown["reference"] == [kind.reference]
    assert shown["equations"][-1] == "h' = o ⊙ tanh(c')"  # inherited
    assert "c' = tanh(U_c m + b_c)" in shown["equations"]
    assert shown["options"][0] == "peephole=False, depth=1, width=1, activation=tanh, keep=False"
    assert any("`depth`" in line for line in shown["options"])
    assert "recurrent_init" in shown["hyperparameters"][0]
    assert shown["state"] == ["h [3], c [3]"]
    assert "V_m  [3, 3]  recurrent_init" in shown["weights"]
    count = sum(int(rows) * int(columns) for rows, columns in re.findall(r"\[(\d+), (\d+)\]", outcome.stdout))
    assert shown["parameters"] == [f"{count} in a layer of 3 units on 2 inputs"]


def test_one_task_is_shown_in_full(tmp_path: Path) -> None:
    outcome = whygates("tasks", "recall", cwd=tmp_path)
    assert outcome.code == 0
    kind = tasks.catalogue()["recall"]
    assert inspect.cleandoc(kind.__doc__ or "") in outcome.stdout
    shown = fields(outcome.stdout.rpartition("\n\n")[2])
    assert shown["group"] == [kind.group]
    assert shown["lag"] == [f"{kind.lag_means} (≥ 1)"]
    assert shown["solved when"] == [kind().criterion]
    assert shown["options"][0] == "alphabet=4, variant=flagged"
    assert any("`variant`" in line for line in shown["options"])
    assert shown["reference"] == [kind.reference]


def test_json_of_one_entry_is_that_of_the_list(tmp_path: Path) -> None:
    for command, name in (("cells", "lstm"), ("tasks", "recall")):
        one = json.loads(whygates(command, name, "--json", cwd=tmp_path).stdout)
        assert one["name"] == name
        assert one in json.loads(whygates(command, "--json", cwd=tmp_path).stdout)


def test_plugins_are_listed_with_the_built_in_entries(tmp_path: Path) -> None:
    printed = whygates("cells", "--plugin", CELL, cwd=tmp_path).stdout
    assert re.search(r"── gru .*\n(.*\n)*?(│ )? +└── ugrnn .*\n.*no reset gate\n", printed)
    assert whygates("cells", "ugrnn", "--plugin", CELL, cwd=tmp_path).stdout.startswith("ugrnn: ")
    listed = json.loads(whygates("tasks", "--plugin", TASK, "--json", cwd=tmp_path).stdout)
    assert {task["name"]: task for task in listed}["delayed_match"]["options"] == {"symbols": 4}
