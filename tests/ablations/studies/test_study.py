"""A study: loading and changing it, its arms, and what their hashes and seeds depend on."""

import re
from pathlib import Path

import pytest

from ablations.errors import InputError
from ablations.studies.loading import load, presets
from ablations.studies.study import Study
from tests.ablations.studies.small_study import replaced


def hashes(study: Study) -> list[str]:
    return [arm.hash for arm in study.arms()]


@pytest.mark.parametrize("name", presets())
def test_preset_is_valid_has_the_name_of_its_file_and_asks_a_question(name: str) -> None:
    study = load(name)
    assert study.name == name
    assert "?" in study.description


def test_arms_are_all_combinations_with_the_cells_of_a_task_and_lag_together(study_file: Path) -> None:
    arms = [(a.cell.label, a.task.label, a.lag, a.size) for a in load(str(study_file)).arms()]
    assert arms == [
        ("rnn", "recall", 2, 100),
        ("lstm+bias0", "recall", 2, 100),
        ("rnn", "recall", 3, 100),
        ("lstm+bias0", "recall", 3, 100),
        ("rnn", "continual_adding+reset", 4, 100),
        ("lstm+bias0", "continual_adding+reset", 4, 100),
    ]


def test_fixed_initialisers_are_not_searched(study_file: Path) -> None:
    rnn, lstm = load(str(study_file)).arms()[:2]
    assert list(rnn.space) == ["learning_rate", "clip_norm", "recurrent_init"]
    assert list(lstm.space) == ["learning_rate", "clip_norm", "recurrent_init", "input_bias"]
    assert lstm.settings({"input_bias": -1.0})["forget_bias"] == 0.0
    assert "decay" not in lstm.settings({})


def test_fixed_decay_is_a_setting_of_its_cell_only_and_is_not_searched(study_file: Path) -> None:
    without = load(str(study_file)).arms()[1]
    rnn, lstm = load(replaced(study_file, "forget_bias = 0", "decay = 0.9")).arms()[:2]
    assert lstm.settings({})["decay"] == 0.9
    assert "decay" not in rnn.settings({})
    assert "decay" not in lstm.space
    assert lstm.hash != without.hash


def test_options_of_a_cell_change_its_label_hash_seeds_and_search_space(study_file: Path) -> None:
    cells = '"lstm_static_leak", { cell = "lstm_static_leak", options = { leak = 0.9 } }'
    learned, fixed = load(replaced(study_file, '"rnn"', cells)).arms()[:2]
    assert fixed.cell.label == "lstm_static_leak+leak=0.9"
    assert fixed.hash != learned.hash
    assert fixed.derive_seed("tune") != learned.derive_seed("tune")
    assert learned.space.keys() - fixed.space.keys() == {"forget_bias"}
    assert "forget_bias" not in fixed.settings({})
    assert fixed.cell.build().leak == 0.9  # type: ignore[attr-defined]


def test_options_equal_to_their_defaults_change_nothing(study_file: Path) -> None:
    without = load(replaced(study_file, '"rnn"', '"single_network"'))
    replaced(study_file, '"single_network"', '{ cell = "single_network", options = { depth = 1, peephole = false } }')
    with_defaults = load(replaced(study_file, 'name = "recall"', 'name = "recall"\nalphabet = 4'))
    assert with_defaults == without
    assert hashes(with_defaults) == hashes(without)


@pytest.mark.parametrize("setting", ["train.steps=7", "seed=1", "tune.trials=4", "confirm.seeds=6", "match=hidden", "sizes=[200]"])  # fmt: skip
def test_hash_of_an_arm_depends_on_everything_that_affects_its_results(study_file: Path, setting: str) -> None:
    assert not set(hashes(load(str(study_file), [setting]))) & set(hashes(load(str(study_file))))


@pytest.mark.parametrize(
    "setting", ["description=other words", "name=other", "confirm.probes=[]", "train.time_limit=5"]
)
def test_hash_of_an_arm_does_not_depend_on_names_probes_and_time_limit(study_file: Path, setting: str) -> None:
    unchanged = hashes(load(str(study_file)))
    assert hashes(load(str(study_file), [setting])) == unchanged
    assert len(set(unchanged)) == len(unchanged)


def test_members_keep_their_hashes_and_seeds_when_trials_are_added(study_file: Path) -> None:
    few, many = load(str(study_file)).arms()[0], load(str(study_file), ["tune.trials=5"]).arms()[0]
    settings = few.settings({"learning_rate": 0.01})
    assert few.member_hash(settings, 1) == many.member_hash(settings, 1)
    assert few.derive_seed("tune", 0, 0) == many.derive_seed("tune", 0, 0)
    assert few.member_hash(settings, 1) != few.member_hash(settings, 2)
    assert few.member_hash(settings, 1) != few.member_hash(settings | {"learning_rate": 0.02}, 1)


def test_seeds_of_all_arms_searches_and_members_differ(study_file: Path) -> None:
    arms = load(str(study_file)).arms()
    seeds = [arm.derive_seed("confirm", search, k) for arm in arms for search in (0, 1) for k in (0, 1)]
    assert len(set(seeds)) == len(seeds)
    assert all(0 <= seed < 2**48 for seed in seeds)


def test_seeds_do_not_depend_on_the_training_budget(study_file: Path) -> None:
    longer = load(str(study_file), ["train.steps=7"]).arms()
    assert [arm.derive_seed("tune") for arm in longer] == [a.derive_seed("tune") for a in load(str(study_file)).arms()]


def test_unknown_study_is_refused_with_the_nearest_preset() -> None:
    with pytest.raises(InputError, match="neither a preset nor a file; did you mean 'smoke'"):
        load("smok")
    with pytest.raises(InputError, match="no such file"):
        load("missing.toml")


def test_values_are_set_by_dotted_key_and_tasks_by_name(study_file: Path) -> None:
    settings = ["train.steps=7", "task.recall.lags=[9]", 'cells=["gru"]', "match=hidden", "confirm.seeds=2"]
    study = load(str(study_file), settings)
    assert study.train.steps == 7
    assert study.task[0].lags == [9]
    assert [cell.cell for cell in study.cells] == ["gru"]
    assert study.match == "hidden"
    assert study.confirm.seeds == 2


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("train.steps", "write key=value"),
        ("train.step=5", "unknown key 'step'; did you mean 'steps'?"),
        ("task.recal.lags=[1]", "no task 'recal'; did you mean 'recall'?"),
        ("task=5", "task: Input should be a valid list"),
        ("train.time_limit=0", "train.time_limit: Input should be greater than 0"),
        ("name.x=5", "'name.x' is not a key"),
        ("seed=" + "9" * 5000, "seed: Unable to parse input string as an integer"),
        ("sizes=" + "[" * 5000, "sizes: Input should be a valid list"),
        ("x" * 400 + "=1", f"unknown key '{'x' * 20}…'"),
    ],
)
def test_invalid_change_is_refused(study_file: Path, setting: str, message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        load(str(study_file), [setting])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('name = "small"', 'name = "a/b"', "name: String should match pattern"),
        ('name = "small"', 'name = "Default"', "the name 'Default' is reserved by MLflow"),
        ('name = "small"', 'name = "v1.toml"', "the name 'v1.toml' ends like that of a study file: choose another, without .toml"),
        ('name = "small"', 'name = "V1.ToML"', "the name 'V1.ToML' ends like that of a study file"),
        ('name = "small"', f'name = "{"x" * 101}"', "name: String should have at most 100 characters"),
        ('name = "small"', f'name = "{"x" * 300}"', f"(it is '{'x' * 20}…')"),
        ('name = "small"', 'name = "small"\nseed = 9223372036854775808', "seed: Input should be less than 9223372036854775808"),
        ('name = "small"', f'name = "small"\nseed = -{"9" * 4000}', f"seed: Input should be greater than or equal to -9223372036854775808 (it is -{'9' * 19}…)"),
        ('name = "small"', 'name = "small"\ndescription = "a\\u001bb"', "description has control characters"),
        ('name = "small"', 'name = "small"\ndescription = "a\\u0000b"', "description has control characters"),
        ('label = "lstm+bias0"', f'label = "{"x" * 200}"', f"cells.1: the label '{'x' * 20}…' has 200 characters: give it one of at most 100"),
        ('"rnn"', f'"{"r" * 400}"', f"unknown cell '{'r' * 20}…'"),
        ('label = "lstm+bias0"', 'label = "rnn"', "two cells are labelled 'rnn'"),
        ('"rnn"', '"lstm", { cell = "lstm", label = "again" }', "two arms differ in their labels only: lstm · recall · lag 2 · 100, and again"),
        ("sizes = [100]", 'sizes = [100]\nmatch = "params"', "match: Input should be 'parameters', 'hidden' or 'state'"),
        ("[100]", "[1_000_000_000_000]", "sizes.0: Input should be less than or equal to 10000000"),
        ("searches = 2", "searches = 3", "confirm.seeds = 4 must be a multiple of tune.searches = 3"),
        ("[confirm]", "[confirm]\nseeds = ", "not valid TOML"),
    ],
)  # fmt: skip
def test_invalid_study_is_refused_in_one_line_with_its_file(study_file: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(InputError) as error:
        load(replaced(study_file, old, new))
    assert message in str(error.value)
    assert "small.toml" in str(error.value)
    assert len(str(error.value).splitlines()) == 1


def test_single_task_table_is_refused(tmp_path: Path) -> None:
    (tmp_path / "one.toml").write_text('name = "one"\ncells = ["rnn"]\n[task]\nname = "recall"\nlags = [2]\n')
    with pytest.raises(InputError, match=re.escape("write [[task]], not [task]")):
        load(str(tmp_path / "one.toml"))
