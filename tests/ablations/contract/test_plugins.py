"""Plug-ins: the examples keep the contract, whatever breaks it is found with its line, and what cannot be used is refused."""

import re
from pathlib import Path

import pytest

from ablations.cells import base, catalogue
from ablations.contract import Broken, cells, fault, plugins, tasks
from ablations.engines import Engine, eager
from ablations.errors import InputError
from ablations.studies.hashing import digest, source_digest

EXAMPLES = Path(__file__).parents[3] / "examples"
CELL, TASK = (EXAMPLES / name for name in ("ugrnn.py", "delayed_match.py"))

pytestmark = pytest.mark.usefixtures("registries")


def edited(file: Path, folder: Path, old: str, new: str) -> Path:
    """A copy of an example in which something is written otherwise."""
    text = file.read_text(encoding="utf-8")
    assert old in text
    copy = folder / "mine.py"
    copy.write_text(text.replace(old, new), encoding="utf-8")
    return copy


def faults(kind, checks) -> dict[str, str]:
    """What is said of a cell or task, by the check that fails."""
    found = {}
    for check in checks:
        try:
            check(kind)
        except Exception as error:
            found[check.__name__] = fault(kind, error)
    return found


@pytest.mark.parametrize(("file", "contract"), [(CELL, cells), (TASK, tasks)], ids=["cell", "task"])
def test_an_example_keeps_the_contract(file, contract):
    (kind,) = plugins.define(file)
    assert faults(kind, contract.CHECKS) == {}


NET, END = 'drive["n"] + h @', 'return {"h": n + z * (h - n)}'
BROKEN_CELLS = {
    "options_are_keywords": ("    gates = (", "    def __init__(self, size=1): ...\n\n    gates = (", "def __init__", "option 'size' has to be"),
    "says_what_it_is": ("reference = ", "source = ", "class", "`reference` is missing"),
    "declares_weights": ('"zeros"}', '"zero"}', "def weights", "no way to start a weight with zero"),
    "gives_rows": (END, 'return {"h": (n + z * (h - n))[..., 1:]}', "def step", "`step` gives 'h' as [2, 3, 5]: it has to be [2, 3, 6]"),
    "uses_every_weight": ('h @ w["U_z"]', 'h @ w["U_n"]', "def weights", "U_z can be left out"),
    "writes_every_weight": ("U_z h + b_z", "h + b_z", "class", "do not name the weight U_z"),
    "defines_every_gate": ('gates = ("z", "n")', 'gates = ("z", "n", "m")', "class", "no equation defines the gate m"),
    "taps_its_gates": ('tap("n", tanh(drive["n"] + h @ w["U_n"]))', 'tanh(drive["n"] + h @ w["U_n"])', "def step", "taps z, and `gates` names z, n"),
    "is_differentiable": ('w["U_n"]))', 'w["U_n"].detach()))', "def step", "not those of finite differences"),
    "keeps_members_apart": (NET, 'drive["n"] + h.sum(0) + h @', "def step", "other numbers than its members"),
    "never_mixes_rows": (NET, 'drive["n"] + h.mean(-2, keepdim=True) + h @', "def step", "rows mix"),
    "leaves_what_it_is_given": (END, 'w["b_z"].detach().add_(0.1); ' + END, "def step", "the second time"),
}  # fmt: skip
"""For each check of a cell: what is written otherwise, where the fault is, and what is said."""

BROKEN_TASKS = {
    "options_are_keywords": ("self, *, symbols", "self, symbols", "def __init__", "option 'symbols' has to be a keyword"),
    "says_what_it_is": ('lag_means = "', 'lag_is = "', "class", "`lag_means` is missing"),
    "draws_what_it_declares": ("match.long().expand(T, batch).contiguous()", "match.long()", "def sample", "targets of a batch is [1], torch.int64: it has to be [53, 1]"),
    "explains_itself": ("        b.......b [1]", "        b.......b [0]", "class", "the example in line 25 does not hold, it gives: b.......b [1]; c......"),
    "keeps_its_lag": ("self.checked(lag) + TAIL", "lag + TAIL", "def steps", "at lag 0, `steps` raises no ValueError"),
    "draws_from_its_generator": ("torch.rand(batch, generator=generator)", "torch.rand(batch)", "def sample", "the same seed gives other batches"),
    "resumes_its_streams": ("    def solved", "    def stream(self, *given):\n        made = super().stream(*given)\n        made.state = lambda: {}\n        made.load = lambda _: None\n        return made\n\n    def solved", "def stream", "does not go on from its `state`"),
    "evaluates_as_asked": ("    def solved", "    def evaluation(self, sequences, final):\n        return 64, 0, 1\n\n    def solved", "def evaluation", "`evaluation(123, final=False)` is (64, 0, 1)"),
    "rewards_perfection": ("> 0.99", "> 1", "def solved", "perfect outputs do not solve it"),
    "knows_the_trivial_loss": ("math.log(2)", "math.log(3)", "def trivial_loss", "the best constant has a loss of 0.69"),
    "judges_what_counts": ("    def solved", "    def loss(self, outputs, targets, weight):\n        return super().loss(outputs, targets, torch.ones_like(weight))\n\n    def solved", "def loss", "steps that do not count have a part in the loss"),
    "judges_members_alone": ("weight) > 0.99", "weight).mean() > 0.99", "def solved", "`solved` of 3 members has shape []"),
    "asks_what_it_can_judge": ("    def solved", '    def extra_tests(self, generator, lag):\n        from tasks.base import ExtraTest\n\n        easy = lambda outputs, *_: outputs.mean((-3, -2, -1)) * 0 + 1\n        return {"easy": ExtraTest([self.sample(generator, 4, lag)], easy, 0.5)}\n\n    def solved', "def probes", "finds [1.0, 1.0] of right and wrong outputs"),
    "resets_nothing": ("    def solved", '    def reset(self, events):\n        return events["sample"]\n\n    def solved', "def reset", "without being asked to"),
    "refuses_bad_options": ('whole("symbols",', 'whole("size",', "def __init__", "option 'symbols' takes None, or refuses it in other words"),
}  # fmt: skip
"""The same for a task."""


@pytest.mark.parametrize(
    ("file", "contract", "check", "old", "new", "where", "said"),
    [
        pytest.param(file, contract, check, *case, id=check)
        for file, contract, cases in ((CELL, cells, BROKEN_CELLS), (TASK, tasks, BROKEN_TASKS))
        for check, case in cases.items()
    ],
)
def test_what_breaks_the_contract_is_found_with_its_line(file, contract, check, old, new, where, said, tmp_path):
    mine = edited(file, tmp_path, old, new)
    (kind,) = plugins.define(mine)
    found = faults(kind, [getattr(contract, check)])
    line = next(
        number for number, text in enumerate(mine.read_text().splitlines(), 1) if text.strip().startswith(where)
    )
    assert found[check].startswith(f"{mine}:{line}: ")
    assert said in found[check]


def test_every_check_has_been_seen_to_fail():
    apart = {"runs_on_every_engine"}  # below
    assert BROKEN_CELLS.keys() | apart == {check.__name__ for check in cells.CHECKS}
    assert BROKEN_TASKS.keys() == {check.__name__ for check in tasks.CHECKS}


def test_an_engine_that_computes_other_numbers_is_found(monkeypatch):
    def slightly_off(*given, **options):
        scanned = eager.scan(*given, **options)
        return scanned._replace(outputs=scanned.outputs * (1 + 1e-9))

    monkeypatch.setattr(cells, "choose", lambda *_: Engine("odd", slightly_off, eager.linear, ""))
    with pytest.raises(Broken, match="the odd engine computes other numbers"):
        cells.runs_on_every_engine(catalogue()["rnn"])


REFUSED = {
    "a name that is taken": ('name = "ugrnn"', 'name = "lstm"', "class UGRNN", "two cells are named 'lstm': LSTM in "),
    "no equations": (re.compile(r"\n        [zn]  = .*|\n        h' = .*"), "", "class UGRNN", "its docstring has no equations"),
    "no such parent": ('parent = "gru"', 'parent = "grv"', "class UGRNN", "its parent 'grv' is no cell; did you mean 'gru'?"),
    "not Python": ("    name = ", "    name == = ", "name == =", "SyntaxError: invalid syntax"),
    "raises at import": ("class UGRNN", "print(nowhere)\n\n\nclass UGRNN", "print(nowhere)", "NameError: name 'nowhere' is not defined"),
    "leaves at import": ("class UGRNN", "raise SystemExit(3)\n\n\nclass UGRNN", "raise SystemExit", "SystemExit: 3"),
    "imports nothing there is": ("from torch import", "from torhc import", "from torhc", "ModuleNotFoundError: No module named 'torhc'"),
    "raises in a step": ('h = state["h"]', 'h = state["c"]', 'h = state["c"]', "KeyError: 'c'"),
    "raises in a product": ('h @ w["U_z"]', 'h @ w["W_z"]', "z = tap", "RuntimeError: Expected size for first two"),
    "does not grow": ('"h": n + z * (h - n)}', '"h": n + z * (h - n)}\n\n    def state_sizes(self, hidden):\n        return {"h": 3}', "def state_sizes", "`state_sizes` does not grow with the hidden units"),
    "has no step": ("def step", "def stepp", "class UGRNN", "TypeError: Can't instantiate abstract class UGRNN"),
    "is nowhere at the top": ("class UGRNN(Cell):", "if True:\n  class UGRNN(Cell):", "class UGRNN", "it is not at the top of a module"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_used_is_refused_with_its_line(case, tmp_path):
    old, new, where, said = REFUSED[case]
    text = CELL.read_text()
    changed = old.sub(new, text) if isinstance(old, re.Pattern) else text.replace(old, new)
    assert changed != text
    mine = tmp_path / "mine.py"
    mine.write_text(changed)
    line = next(number for number, row in enumerate(changed.splitlines(), 1) if row.strip().startswith(where))
    with pytest.raises(InputError) as raised:
        plugins.load([mine])
    assert str(raised.value).startswith(f"{mine}:{line}: ")
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot be read: No such file or directory"),
        (b"", "defines neither a cell nor a task"),
        (b"from ablations.cells.gru import GRU", "defines neither a cell nor a task"),
        (b"x = '\xff'", "is no Python file"),
        (b"x = 1\0", "null bytes"),
    ],
)
def test_a_file_that_is_no_plug_in_is_refused(content, said, tmp_path):
    mine = tmp_path / "mine.py"
    if content is not None:
        mine.write_bytes(content)
    with pytest.raises(InputError, match=said) as raised:
        plugins.load([mine])
    assert str(mine) in str(raised.value)


def test_a_folder_is_refused_and_a_task_that_is_taken(tmp_path):
    with pytest.raises(InputError, match="cannot be read: Is a directory"):
        plugins.load([tmp_path])
    taken = edited(TASK, tmp_path, 'name = "delayed_match"', 'name = "recall"')
    with pytest.raises(InputError, match=r"mine\.py:15: ValueError: two tasks are named 'recall'"):
        plugins.load([taken])


def identity(file: Path, text: str) -> str:
    file.write_text(text)
    (kind,) = plugins.define(file)
    base.registry.pop(kind.name)  # the next one may have its name
    return source_digest(kind)


def test_a_member_depends_on_what_a_plug_in_does_and_not_on_where_it_lies_or_what_it_says(tmp_path):
    text = CELL.read_text()
    first = identity(tmp_path / "a.py", text)
    assert identity(tmp_path / "b.py", "# a comment\n" + text.replace("Update gate", "Another")) == first
    assert identity(tmp_path / "c.py", text.replace("n + z * (h - n)", "n - z * (n - h)")) != first
    helped = text.replace("z * (h - n)}", "z * helped(h - n)}")
    assert identity(tmp_path / "d.py", helped + "\n\ndef helped(x):\n    return x\n") != identity(
        tmp_path / "e.py", helped + "\n\ndef helped(x):\n    return 2 * x\n"
    )


def test_a_member_depends_on_the_cell_that_a_plug_in_starts_from(tmp_path):
    written = "from ablations.cells{}\n\nclass Mine({}):\n    name = 'mine'\n"
    parents = (".lstm_variants import LSTMNoInput as Start", ".lstm_variants import LSTMCoupled as Start")
    one, other = (
        identity(tmp_path / f"{number}.py", written.format(parent, "Start")) for number, parent in enumerate(parents)
    )
    assert one != other


def test_a_parent_that_is_named_in_another_way_counts_too(tmp_path):
    written = "from ablations.cells import lstm_variants as start\n\n\nclass Mine(start.{}):\n    name = 'mine'\n"
    (tmp_path / "mine.py").write_text(written.format("LSTMCoupled"))
    (kind,) = plugins.define(tmp_path / "mine.py")
    assert source_digest(kind) != digest(sorted([["class Mine(start.LSTMCoupled):\n    name = 'mine'"]]))
