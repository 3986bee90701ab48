"""The registry of hyperparameters: entries are consistent, and invalid values are refused."""

import math

import pytest

from ablations.hyperparameters import DEFAULTS, HYPERPARAMETERS, changed, entering
from ablations.studies.schema import Range, Tune
from reports.aggregates.tuning import UNREGISTERED


@pytest.mark.parametrize("entry", HYPERPARAMETERS.values(), ids=lambda entry: entry.name)
def test_entry_accepts_its_own_default_and_search_space(entry):
    if entry.default is not None:
        entry.check(entry.default)
    if entry.search is not None:
        space = Tune(space={entry.name: entry.search}).space[entry.name]
        assert isinstance(space, Range) is (entry.scale != "categories")
    assert entry.sign or entry.words


def test_default_search_space_of_a_study_is_that_of_the_registry():
    assert Tune().space.keys() == {name for name, entry in HYPERPARAMETERS.items() if entry.search is not None}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("learning_rate", 0.0),
        ("learning_rate", -1.0),
        ("learning_rate", math.nan),
        ("learning_rate", math.inf),
        ("learning_rate", 2e6),
        ("learning_rate", "chrono"),
        ("clip_norm", 0),
        ("forget_bias", "chrno"),
        ("forget_bias", math.nan),
        ("recurrent_init", 1.0),
        ("recurrent_init", "orthogonl"),
        ("weight_decay", -0.1),
        ("lr_schedule", "linear"),
        ("lr_schedule", 1),
        ("decay", 0.0),
        ("decay", "chrono"),
    ],
)
def test_value_that_is_not_allowed_is_refused_by_name(name, value):
    with pytest.raises(ValueError, match=name):
        HYPERPARAMETERS[name].check(value)


@pytest.mark.parametrize(
    ("name", "value"),
    [("learning_rate", 1e-9), ("forget_bias", -3), ("input_bias", "chrono"), ("decay", 0.98), ("weight_decay", 0)],
)
def test_value_that_is_allowed_is_accepted(name, value):
    HYPERPARAMETERS[name].check(value)


def test_reports_of_bare_tables_plot_on_the_scales_of_the_registry():
    assert {name: HYPERPARAMETERS[name].scale for name in UNREGISTERED} == UNREGISTERED


def test_changed_settings_are_those_that_differ_from_their_defaults():
    assert changed(DEFAULTS) == {}
    assert changed(DEFAULTS | {"clip_norm": 2.0, "decay": 0.9}) == {"clip_norm": 2.0, "decay": 0.9}


def test_every_hyperparameter_with_a_default_enters_training():
    assert {*entering("optimiser"), *entering("initialiser")} == DEFAULTS.keys()
