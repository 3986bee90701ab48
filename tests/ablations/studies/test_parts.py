"""Studies of parts: every arm once, in strata, and parts that contradict each other are refused."""

from pathlib import Path

import pytest

from ablations.errors import InputError
from ablations.studies.loading import load, presets
from ablations.studies.study import Arm, Study

LATCH = """
name = "latch"
cells = ["rnn", "lstm"]
sizes = [100]
task = [{ name = "recall", lags = [2, 4] }]
"""
ERASE = """
name = "erase"
cells = ["lstm", "lstm_no_forget"]
sizes = [100]
task = [{ name = "continual_adding", lags = [5] }, { name = "recall", lags = [4] }]
[confirm]
probes = ["clamp"]
"""
BOTH = """
name = "both"
parts = ["latch.toml", "deeper/erase.toml"]
"""


@pytest.fixture
def both(tmp_path: Path) -> Path:
    (tmp_path / "deeper").mkdir()
    (tmp_path / "latch.toml").write_text(LATCH)
    (tmp_path / "deeper" / "erase.toml").write_text(ERASE)
    (tmp_path / "both.toml").write_text(BOTH)
    return tmp_path / "both.toml"


def described(arms: list[Arm]) -> list[tuple[str, str, int]]:
    return [(arm.task.label, arm.cell.label, arm.lag) for arm in arms]


def test_an_arm_of_several_parts_is_trained_once_beside_the_other_cells_of_its_stratum(both: Path) -> None:
    study = load(str(both))
    assert described(study.arms()) == [
        ("recall", "rnn", 2),
        ("recall", "lstm", 2),
        ("recall", "rnn", 4),
        ("recall", "lstm", 4),
        ("recall", "lstm_no_forget", 4),
        ("continual_adding", "lstm", 5),
        ("continual_adding", "lstm_no_forget", 5),
    ]
    assert {arm.study for arm in study.arms()} == {"both"}
    assert [cell.label for cell in study.cells] == ["rnn", "lstm", "lstm_no_forget"]
    assert {task.label: task.lags for task in study.task} == {"recall": [2, 4], "continual_adding": [5]}


def test_arms_have_the_hashes_that_they_have_in_the_parts_and_the_probes_of_all(both: Path) -> None:
    study = load(str(both))
    own = {arm.hash for arm in study.arms()}
    assert own == {arm.hash for part in study.parts for arm in part.arms()}
    probes = {(arm.cell.label, arm.task.label, arm.lag): arm.confirm.probes for arm in study.arms()}
    cheap = load(str(both.parent / "latch.toml")).confirm.probes
    assert probes["rnn", "recall", 4] == cheap
    assert probes["lstm_no_forget", "recall", 4] == ["clamp"]
    assert probes["lstm", "recall", 4] == [*cheap, "clamp"]


def test_a_study_of_parts_is_read_from_its_own_dump(both: Path) -> None:
    study = load(str(both))
    fields = {"name", "description", "parts"}
    assert Study.model_validate(study.model_dump(include=fields)).arms() == study.arms()


def test_changes_are_applied_in_the_parts_and_those_of_a_task_where_it_is(both: Path) -> None:
    study = load(str(both), ["train.steps=7", "task.continual_adding.lags=[5, 10]", "name=other"])
    assert study.name == "other"
    assert {arm.train.steps for arm in study.arms()} == {7}
    assert {arm.lag for arm in study.arms() if arm.task.label == "continual_adding"} == {5, 10}
    with pytest.raises(InputError, match=r"--set task\.reccall\.lags=\[5\]: no task 'reccall'.*recall"):
        load(str(both), ["task.reccall.lags=[5]"])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[confirm]", "[train]\nsteps = 7\n[confirm]", "parts 'latch' and 'erase' differ in 'train': only parts of one budget"),
        ("[confirm]", "[confirm]\nseeds = 30", "parts 'latch' and 'erase' differ in 'confirm'"),
        ('"lstm", "l', '{ cell = "lstm", label = "rnn" }, "l', "have different cells of the label 'rnn'"),
        ('name = "recall"', 'name = "recall", alphabet = 2, label = "recall"', "have different tasks of the label 'recall'"),
        ('"lstm", "l', '{ cell = "lstm", label = "other" }, "l', "two arms differ in their labels only"),
    ],
)  # fmt: skip
def test_parts_that_contradict_each_other_are_refused(both: Path, old: str, new: str, message: str) -> None:
    part = both.parent / "deeper" / "erase.toml"
    part.write_text(part.read_text().replace(old, new, 1))
    with pytest.raises(InputError) as refused:
        load(str(both))
    assert str(refused.value).count("\n") == 0
    assert str(refused.value).startswith("both.toml: ")
    assert message in str(refused.value)


def test_a_part_that_is_not_valid_toml_is_named(both: Path) -> None:
    (both.parent / "deeper" / "erase.toml").write_text("name = ")
    with pytest.raises(InputError, match=r"erase\.toml: not valid TOML"):
        load(str(both))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('parts = ["latch.toml", "erased"]', r"both\.toml: parts: study 'erased': neither a preset nor a file"),
        ('parts = ["one-netwrok"]', r"study 'one-netwrok'.*one-network"),
        (
            'parts = "latch.toml"',
            r"both\.toml: parts: must be a list of presets and study files \(it is 'latch\.toml'\)",
        ),
        ('parts = ["both.toml"]', r"a study cannot be a part of itself: both\.toml → both\.toml"),
        ('parts = ["loop.toml"]', r"a study cannot be a part of itself: both\.toml → loop\.toml → both\.toml"),
        ('parts = ["latch.toml"]\nsizes = [3]', r"both\.toml: a study of parts has no 'sizes' of its own"),
        ("parts = []", r"both\.toml: cells: Field required"),
    ],
)
def test_parts_that_do_not_exist_or_contain_themselves_are_refused(both: Path, text: str, message: str) -> None:
    both.write_text(f'name = "both"\n{text}\n')
    (both.parent / "loop.toml").write_text('name = "loop"\nparts = ["both.toml"]\n')
    with pytest.raises(InputError, match=message):
        load(str(both))


def test_why_gates_has_every_study_of_a_claim_as_a_part_under_one_budget() -> None:
    study = load("why-gates")
    assert {part.name for part in study.parts} <= presets().keys()
    assert all(arm.train == study.train and arm.tune == study.tune for arm in study.arms())


def test_an_arm_is_trained_at_every_lag_if_any_of_its_parts_says_so(both: Path) -> None:
    """One part stops after the first lag that is not solved; the other, which has lstm and lag 4 too, does not."""
    latch = both.parent / "latch.toml"
    latch.write_text(LATCH.replace("lags = [2, 4]", "lags = [2, 4], until_unsolved = true"))
    study = load(str(both))
    stops = {(arm.cell.label, arm.lag): arm.task.until_unsolved for arm in study.arms() if arm.task.name == "recall"}
    assert stops == {
        ("rnn", 2): True,
        ("lstm", 2): True,
        ("rnn", 4): True,
        ("lstm", 4): False,
        ("lstm_no_forget", 4): False,
    }
    assert {arm.hash for arm in load(str(latch)).arms()} < {arm.hash for arm in study.arms()}, (
        "the rule changes no hash"
    )
