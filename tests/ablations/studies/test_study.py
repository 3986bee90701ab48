"""The study file: what it says, what it refuses, and how its parts are identified."""

import importlib.util
import re
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ablations.errors import InputError
from ablations.studies.hashing import derive_seed, digest, source_digest
from ablations.studies.study import Study, load, presets

TINY = """
name = "tiny"
cells = ["rnn", { cell = "lstm", label = "lstm+bias0", init = { forget_bias = 0 } }]
sizes = [100]

[[task]]
name = "recall"
lags = [2, 3]

[[task]]
name = "continual_adding"
reset = true
lags = [4]

[tune]
searches = 2
trials = 3

[confirm]
seeds = 4
"""


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.toml"
    path.write_text(TINY)
    return path


def change(path: Path, old: str, new: str) -> str:
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    return str(path)


def test_arms_are_every_combination_with_cells_side_by_side(tiny: Path) -> None:
    arms = [(a.cell.label, a.task.label, a.lag, a.size) for a in load(str(tiny)).arms()]
    assert arms == [
        ("rnn", "recall", 2, 100),
        ("lstm+bias0", "recall", 2, 100),
        ("rnn", "recall", 3, 100),
        ("lstm+bias0", "recall", 3, 100),
        ("rnn", "continual_adding+reset", 4, 100),
        ("lstm+bias0", "continual_adding+reset", 4, 100),
    ]


def test_labels_say_what_is_not_as_usual(tiny: Path) -> None:
    study = load(change(tiny, 'label = "lstm+bias0", ', ""))
    assert [cell.label for cell in study.cells] == ["rnn", "lstm+forget_bias=0.0"]


def test_an_option_that_is_as_usual_changes_nothing(tiny: Path) -> None:
    before = load(str(tiny))
    after = load(change(tiny, 'name = "recall"', 'name = "recall"\nalphabet = 4'))
    assert after == before
    assert hashes(after) == hashes(before)


def test_what_a_cell_fixes_is_not_searched(tiny: Path) -> None:
    rnn, lstm = load(str(tiny)).arms()[:2]
    assert list(rnn.space) == ["learning_rate", "clip_norm", "recurrent_init"]
    assert list(lstm.space) == ["learning_rate", "clip_norm", "recurrent_init", "input_bias"]
    assert lstm.settings({"input_bias": -1.0})["forget_bias"] == 0.0
    assert "decay" not in lstm.settings({})


def test_a_decay_is_only_what_a_study_fixes(tiny: Path) -> None:
    before = load(str(tiny)).arms()[1]
    rnn, lstm = load(change(tiny, "forget_bias = 0", "decay = 0.9")).arms()[:2]
    assert lstm.settings({})["decay"] == 0.9
    assert "decay" not in rnn.settings({})
    assert "decay" not in lstm.space
    assert lstm.hash != before.hash


def test_a_cells_options_are_in_its_label_its_hash_and_its_search(tiny: Path) -> None:
    path = change(tiny, '"rnn"', '"lstm_static_leak", { cell = "lstm_static_leak", options = { leak = 0.9 } }')
    learned, fixed = load(path).arms()[:2]
    assert fixed.cell.label == "lstm_static_leak+leak=0.9"
    assert fixed.hash != learned.hash
    assert fixed.derive_seed("tune") != learned.derive_seed("tune")
    assert learned.space.keys() - fixed.space.keys() == {"forget_bias"}
    assert "forget_bias" not in fixed.settings({})
    assert fixed.cell.build().leak == 0.9  # type: ignore[attr-defined]


def test_a_cells_option_that_is_as_usual_changes_nothing(tiny: Path) -> None:
    before = load(change(tiny, '"rnn"', '"single_network"'))
    options = "options = { depth = 1, peephole = false }"
    after = load(change(tiny, '"single_network"', '{ cell = "single_network", ' + options + " }"))
    assert after == before
    assert hashes(after) == hashes(before)


@pytest.mark.parametrize("name", presets())
def test_presets_are_valid_and_named_like_their_files(name: str) -> None:
    assert load(name).name == name
    assert load(name).description


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"rnn"', '"rnnn"', "unknown cell 'rnnn'; did you mean 'rnn'?"),
        ('name = "recall"', 'name = "recal"', "unknown task 'recal'; did you mean 'recall'?"),
        ("lags = [2, 3]", "lags = [0]", "lag 0 is too small for recall; allowed: at least 1"),
        ("lags = [2, 3]", "lags = [2, 2]", "contain a lag twice"),
        ("lags = [2, 3]", "lags = []", "task.0.lags: List should have at least 1 item"),
        ("lags = [2, 3]", 'lags = ["a"]', "task.0.lags.0: Input should be a valid integer"),
        ("reset = true", "rest = true", "unknown key of task continual_adding 'rest'; did you mean 'reset'? allowed: name, lags, label, reset"),
        ("lags = [2, 3]", "lags = [2]\nalphabet = 1", "option 'alphabet' is 1"),
        ("lags = [2, 3]", "lag = [2, 3]", "unknown key of task recall 'lag'; did you mean 'lags'?"),
        ("lags = [2, 3]", "lags = [1_000_000_000_000]", "task.0.lags.0: Input should be less than or equal to 10000000"),
        ("[100]", "[1_000_000_000_000]", "sizes.0: Input should be less than or equal to 10000000"),
        ("[tune]", "[train]\nbatch = 1_000_000_000_000\n[tune]", "train.batch: Input should be less than or equal to 100000"),
        ("[tune]", "[train]\ntest = 1\n[tune]", "train.test: Input should be greater than or equal to 2 (it is 1)"),
        ("trials = 3", "trials = 90_000", "searches × trials × seeds are 180,000 networks per arm: at most 100,000"),
        ("searches = 2", "serches = 2", "unknown key 'serches'; did you mean 'searches'?"),
        ("searches = 2", "searches = 0", "tune.searches: Input should be greater than 0 (it is 0)"),
        ("searches = 2", "searches = 3", "confirm.seeds = 4 must be a multiple of tune.searches = 3"),
        ("forget_bias = 0", 'forget_bias = "large"', "forget_bias = 'large': allowed: a number, or 'chrono'"),
        ("forget_bias = 0", "forget_bias = nan", "forget_bias = nan must lie between -1e6 and 1e6"),
        ("[confirm]", "[tune.space]\nforget_bias = [0, inf]\n[confirm]", "forget_bias = inf must lie between -1e6 and 1e6"),
        ("[confirm]", "[tune.space]\nclip_norm = { low = 1, high = inf }\n[confirm]", "high: Input should be a finite number (it is inf)"),
        ("[confirm]", "[tune.space]\nclip_norm = { low = nan, high = 1 }\n[confirm]", "low: Input should be a finite number (it is nan)"),
        ('"rnn"', '{ cell = "lstm", options = { peephol = true } }', "unknown option of lstm 'peephol'; did you mean 'peephole'? allowed: peephole"),
        ('"rnn"', '{ cell = "rnn", options = { peephole = true } }', "unknown option of rnn 'peephole'; allowed: none"),
        ('"rnn"', '{ cell = "single_network", options = { depth = "2" } }', "option 'depth' is '2'; allowed: whole numbers from 1 to 16"),
        ('"rnn"', '{ cell = "lstm_static_leak", init = { forget_bias = 1 }, options = { leak = 0.9 } }', "unknown initialiser of lstm_static_leak 'forget_bias'"),
        ("forget_bias", "forget_bia", "unknown initialiser of lstm 'forget_bia'; did you mean 'forget_bias'?"),
        ("sizes = [100]", 'sizes = [100]\nmatch = "params"', "match: Input should be 'parameters', 'hidden' or 'state'"),
        ('name = "tiny"', 'name = "a/b"', "name: String should match pattern"),
        ('label = "lstm+bias0"', 'label = "rnn"', "two cells are labelled 'rnn'"),
        ("[confirm]", '[tune.space]\nlearning_rate = { low = 1, high = 0.1 }\n[confirm]', "low must be below high"),
        ("[confirm]", "[tune.space]\nlearning_rate = []\n[confirm]", "learning_rate has an empty list of values"),
        ("[confirm]", "[tune.space]\nlearning_rate = [-1]\n[confirm]", "learning_rate = -1.0 must be above 0"),
        ("[confirm]", "[tune.space]\nlr = [1]\n[confirm]", "unknown hyperparameter 'lr'"),
        ("[confirm]", "[confirm]\nseeds = ", "not valid TOML"),
        ("trials = 3", 'trials = 8\nsampler = "tpe"\npopulation = 4', "population = 4 is too large for 8 trials with tpe: at most 2"),
    ],
)  # fmt: skip
def test_bad_input_is_named_with_its_place_and_what_is_allowed(tiny: Path, old: str, new: str, said: str) -> None:
    with pytest.raises(InputError) as refusal:
        load(change(tiny, old, new))
    assert said in str(refusal.value)
    assert "tiny.toml" in str(refusal.value)
    assert len(str(refusal.value).splitlines()) == 1


def test_an_unknown_study_names_the_nearest_preset() -> None:
    with pytest.raises(InputError, match="neither a preset nor a file; did you mean 'smoke'"):
        load("smok")
    with pytest.raises(InputError, match="no such file"):
        load("missing.toml")


def test_set_changes_values_by_dotted_key_and_tasks_by_name(tiny: Path) -> None:
    study = load(
        str(tiny), ["train.steps=7", "task.recall.lags=[9]", 'cells=["gru"]', "match=hidden", "confirm.seeds=2"]
    )
    assert study.train.steps == 7
    assert study.task[0].lags == [9]
    assert [cell.cell for cell in study.cells] == ["gru"]
    assert study.match == "hidden"


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("train.steps", "write key=value"),
        ("train.step=5", "unknown key 'step'; did you mean 'steps'?"),
        ("task.recal.lags=[1]", "no task 'recal'; did you mean 'recall'?"),
        ("task=5", "task"),
        ("name.x=5", "'name.x' is not a key"),
    ],
)
def test_a_bad_set_is_refused(tiny: Path, setting: str, said: str) -> None:
    with pytest.raises(InputError, match=re.escape(said)):
        load(str(tiny), [setting])


def hashes(study: Study) -> list[str]:
    return [arm.hash for arm in study.arms()]


def test_an_arm_is_identified_by_all_that_decides_its_results(tiny: Path) -> None:
    before = hashes(load(str(tiny)))
    assert len(set(before)) == len(before)
    assert hashes(load(str(tiny), ["description=other words"])) == before
    for setting in ("train.steps=7", "seed=1", "tune.trials=4", "confirm.seeds=6", "match=hidden", "sizes=[200]"):
        assert not set(hashes(load(str(tiny), [setting]))) & set(before), setting


def test_more_trials_do_not_change_the_members_there_were(tiny: Path) -> None:
    few, many = load(str(tiny)).arms()[0], load(str(tiny), ["tune.trials=5"]).arms()[0]
    settings = few.settings({"learning_rate": 0.01})
    assert few.member(settings, 1) == many.member(settings, 1)
    assert few.derive_seed("tune", 0, 0) == many.derive_seed("tune", 0, 0)
    assert few.member(settings, 1) != few.member(settings, 2)
    assert few.member(settings, 1) != few.member(settings | {"learning_rate": 0.02}, 1)


def test_arms_do_not_share_seeds(tiny: Path) -> None:
    seeds = [
        arm.derive_seed("confirm", search, k) for arm in load(str(tiny)).arms() for search in (0, 1) for k in (0, 1)
    ]
    assert len(set(seeds)) == len(seeds)
    assert all(0 <= seed < 2**48 for seed in seeds)


SOURCES = {
    "plain": "class Cell:\n    def double(self, x):\n        return 2 * x\n",
    "described": 'class Cell:\n    """Words."""\n\n    def double(self, x):\n        """Twice."""\n        return 2 * x  # why\n',
    "changed": "class Cell:\n    def double(self, x):\n        return 3 * x\n",
    "inherited": "class Root:\n    def double(self, x):\n        return 3 * x\n\nclass Cell(Root):\n    pass\n",
    "inherited_otherwise": "class Root:\n    def double(self, x):\n        return 4 * x\n\nclass Cell(Root):\n    pass\n",
}


@pytest.fixture
def digests(tmp_path: Path) -> dict[str, str]:
    found = {}
    for name, text in SOURCES.items():
        path = tmp_path / f"{name}.py"
        path.write_text(text)
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec
        assert spec.loader
        module = sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        found[name] = source_digest(module.Cell)
        del sys.modules[name]
    return found


def test_source_ignores_words_and_sees_code_and_ancestors(digests: dict[str, str]) -> None:
    assert digests["plain"] == digests["described"]
    assert len({digests[n] for n in ("plain", "changed", "inherited", "inherited_otherwise")}) == 4


@given(st.dictionaries(st.text(), st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()))
def test_digests_do_not_depend_on_the_order_of_keys(content: dict) -> None:
    backwards = dict(reversed(content.items()))
    assert digest(content) == digest(backwards)
    assert derive_seed(content) == derive_seed(backwards)
    assert digest(content) != digest(content, 0)
