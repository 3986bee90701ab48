"""The tables of a study file: labels, and errors that name the key, the value and what is allowed."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from ablations.errors import InputError
from ablations.studies.loading import load
from ablations.studies.schema import CellChoice, TaskChoice, Tune
from tests.ablations.studies.small_study import replaced


@pytest.mark.parametrize(
    ("table", "label"),
    [
        ("lstm", "lstm"),
        ({"cell": "lstm", "init": {"forget_bias": 0}}, "lstm+forget_bias=0.0"),
        ({"cell": "lstm", "layers": 2, "options": {"peephole": True}}, "lstm+layers=2+peephole"),
        ({"cell": "lstm", "options": {"peephole": False}}, "lstm"),
        ({"cell": "lstm", "label": "mine", "layers": 2}, "mine"),
    ],
)
def test_default_label_of_a_cell_has_the_options_that_differ_from_their_defaults(table: object, label: str) -> None:
    assert CellChoice.model_validate(table).label == label


def test_default_label_of_a_task_has_the_options_that_differ_from_their_defaults() -> None:
    assert TaskChoice.model_validate({"name": "recall", "lags": [2], "alphabet": 4}).label == "recall"
    assert TaskChoice.model_validate({"name": "recall", "lags": [2], "alphabet": 3}).label == "recall+alphabet=3"


def test_decay_can_be_fixed_for_cells_that_declare_weights_for_it() -> None:
    for cell in ("lstm", "lstm_peephole", "single_network"):
        assert CellChoice(cell=cell, init={"decay": 0.98}).label == f"{cell}+decay=0.98"
    for cell in ("rnn", "gru", "lstm_no_forget"):
        with pytest.raises(ValidationError, match=f"unknown initialiser of {cell} 'decay'"):
            CellChoice(cell=cell, init={"decay": 0.98})
    with pytest.raises(ValidationError, match="unknown initialiser of lstm_static_leak 'decay'"):
        CellChoice(cell="lstm_static_leak", options={"leak": 0.9}, init={"decay": 0.98})
    with pytest.raises(ValidationError, match=r"decay = 0\.0 must be above 0"):
        CellChoice(cell="lstm", init={"decay": 0.0})


@pytest.mark.parametrize(
    ("table", "trials_per_round"),
    [
        ({"trials": 8}, 8),
        ({"trials": 8, "sampler": "tpe"}, 2),
        ({"trials": 3, "sampler": "tpe"}, 1),
        ({"trials": 40, "sampler": "tpe", "population": 5}, 5),
    ],
)
def test_random_search_has_one_round_and_tpe_at_least_four(table: dict[str, object], trials_per_round: int) -> None:
    assert Tune.model_validate(table).trials_per_round == trials_per_round


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"rnn"', '"rnnn"', "unknown cell 'rnnn'; did you mean 'rnn'?"),
        ('"rnn"', '{ cell = "lstm", options = { peephol = true } }', "unknown option of lstm 'peephol'; did you mean 'peephole'? allowed: peephole"),
        ('"rnn"', '{ cell = "rnn", options = { peephole = true } }', "unknown option of rnn 'peephole'; allowed: none"),
        ('"rnn"', '{ cell = "single_network", options = { depth = "2" } }', "option 'depth' is '2'; allowed: whole numbers from 1 to 16"),
        ('"rnn"', '{ cell = "lstm_static_leak", init = { forget_bias = 1 }, options = { leak = 0.9 } }', "unknown initialiser of lstm_static_leak 'forget_bias'"),
        ("forget_bias", "forget_bia", "unknown initialiser of lstm 'forget_bia'; did you mean 'forget_bias'?"),
        ("forget_bias = 0", 'forget_bias = "large"', "forget_bias = 'large': allowed: a number, or 'chrono'"),
        ("forget_bias = 0", "forget_bias = nan", "forget_bias = nan must lie between -1e6 and 1e6"),
        ('name = "recall"', 'name = "recal"', "unknown task 'recal'; did you mean 'recall'?"),
        ("lags = [2, 3]", "lags = [0]", "lag 0 is too small for recall; allowed: at least 1"),
        ("lags = [2, 3]", "lags = [2, 2]", "lags [2, 2] contain a lag twice"),
        ("lags = [2, 3]", "lags = []", "task.0.lags: List should have at least 1 item"),
        ("lags = [2, 3]", 'lags = ["a"]', "task.0.lags.0: Input should be a valid integer"),
        ("lags = [2, 3]", "lags = [1_000_000_000_000]", "task.0.lags.0: Input should be less than or equal to 10000000"),
        ("lags = [2, 3]", "lag = [2, 3]", "unknown key of task recall 'lag'; did you mean 'lags'?"),
        ("lags = [2, 3]", "lags = [2]\nalphabet = 1", "option 'alphabet' is 1"),
        ("reset = true", "rest = true", "unknown key of task continual_adding 'rest'; did you mean 'reset'? allowed: name, lags, label, until_unsolved, reset"),
        ("[tune]", "[train]\nbatch = 1_000_000_000_000\n[tune]", "train.batch: Input should be less than or equal to 100000"),
        ("[tune]", "[train]\ntest = 1\n[tune]", "train.test: Input should be greater than or equal to 2 (it is 1)"),
        ("searches = 2", "serches = 2", "unknown key 'serches'; did you mean 'searches'?"),
        ("searches = 2", "searches = 0", "tune.searches: Input should be greater than 0 (it is 0)"),
        ("trials = 3", "trials = 90_000", "searches × trials × seeds are 180,000 networks per arm: at most 100,000"),
        ("trials = 3", "trials = 3\npopulation = 1", "population is only allowed with sampler = 'tpe'"),
        ("trials = 3", 'trials = 8\nsampler = "tpe"\npopulation = 4', "population = 4 is too large for 8 trials with tpe: at most 2"),
        ("[confirm]", "[tune.space]\nforget_bias = [0, inf]\n[confirm]", "forget_bias = inf must lie between -1e6 and 1e6"),
        ("[confirm]", "[tune.space]\nclip_norm = { low = 1, high = inf }\n[confirm]", "high: Input should be a finite number (it is inf)"),
        ("[confirm]", "[tune.space]\nclip_norm = { low = nan, high = 1 }\n[confirm]", "low: Input should be a finite number (it is nan)"),
        ("[confirm]", "[tune.space]\nlearning_rate = { low = 1, high = 0.1 }\n[confirm]", "low must be below high"),
        ("[confirm]", "[tune.space]\nlearning_rate = []\n[confirm]", "learning_rate has an empty list of values"),
        ("[confirm]", "[tune.space]\nlearning_rate = [-1]\n[confirm]", "learning_rate = -1.0 must be above 0"),
        ("[confirm]", "[tune.space]\nlr = [1]\n[confirm]", "unknown hyperparameter 'lr'"),
        ("[confirm]", '[confirm]\nprobes = ["flwo"]', "unknown probe 'flwo'; did you mean 'flow'?"),
    ],
)  # fmt: skip
def test_invalid_table_is_refused_in_one_line_with_its_file(study_file: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(InputError) as error:
        load(replaced(study_file, old, new))
    assert message in str(error.value)
    assert "small.toml" in str(error.value)
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("label", "problem"),
    [
        ("x" * 101, "has 101 characters: give it one of at most 100"),
        ("ü" * 5000, "has 5000 characters: give it one of at most 100"),
        ("two\nlines", "has control characters, or spaces at its ends: give it another"),
        ("tab\tab", "has control characters, or spaces at its ends: give it another"),
        ("\x1b[31mred", "has control characters, or spaces at its ends: give it another"),
        ("nul\0", "has control characters, or spaces at its ends: give it another"),
        ("para\u2029graph", "has control characters, or spaces at its ends: give it another"),
        (" ", "has control characters, or spaces at its ends: give it another"),
        ("end ", "has control characters, or spaces at its ends: give it another"),
    ],
)
def test_labels_that_mlflow_or_a_table_cannot_show_are_refused(label: str, problem: str) -> None:
    for choice in ({"cell": "rnn", "label": label}, {"name": "recall", "lags": [2], "label": label}):
        with pytest.raises(ValidationError) as error:
            (CellChoice if "cell" in choice else TaskChoice).model_validate(choice)
        assert f"the label {label!r} {problem}" in str(error.value)


@pytest.mark.parametrize("label", ["x" * 100, "Größe", "👩\u200d🚀", "a b", 'it\'s "quoted"', "$x$ & <b>"])
def test_any_other_label_is_kept(label: str) -> None:
    assert CellChoice(cell="rnn", label=label).label == label
    assert TaskChoice.model_validate({"name": "recall", "lags": [2], "label": label}).label == label


def test_a_default_label_that_is_too_long_is_refused() -> None:
    options = {"forget_bias": 0.12345678901234567, "input_bias": 0.12345678901234567, "decay": 0.12345678901234567}
    assert len(CellChoice(cell="lstm", init=options).label) < 100
    with pytest.raises(ValidationError, match=r"has 1\d\d characters: give it one of at most 100"):
        CellChoice(cell="lstm", init={**options, "recurrent_init": "orthogonal"}, layers=2, options={"peephole": True})
