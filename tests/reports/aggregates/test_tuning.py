"""Aggregates of tuning trials: hyperparameters and their scales, importance, and the expected best of n."""

import itertools

import numpy as np
import pandas as pd
import pytest

from reports.aggregates.tuning import best_of, expected_best, hyperparameters, importance


def test_hyperparameters_and_scales_come_from_the_study() -> None:
    study = {"hyperparameters": {"momentum": {"default": 0.9, "scale": "linear"}}}
    assert hyperparameters(study, pd.DataFrame({"learning_rate": [0.1]})) == {"momentum": "linear"}


def test_without_a_list_in_the_study_the_documented_columns_of_the_table_are_hyperparameters() -> None:
    table = pd.DataFrame({"recurrent_init": ["uniform"], "clip_norm": [1.0], "momentum": [0.9]})
    assert list(hyperparameters({}, table).items()) == [
        ("learning_rate", "log"),
        ("clip_norm", "log"),
        ("recurrent_init", "categories"),
    ]


def test_importance_separates_an_effective_hyperparameter_from_noise() -> None:
    random = np.random.default_rng(1)
    tune = pd.DataFrame({"task": "recall", "cell": "lstm", "lag": [10, 20] * 40, "search": 0})
    tune["learning_rate"] = 10 ** random.uniform(-4, -1, 80)
    tune["clip_norm"] = 10 ** random.uniform(-1, 1, 80)
    tune["recurrent_init"] = random.choice(["uniform", "orthogonal"], 80)
    peak = np.exp(-((np.log10(tune["learning_rate"]) + 2.5) ** 2))
    tune["objective"] = peak + 5 * (tune["lag"] == 20)  # the effect of the lag must be subtracted
    shares = importance(tune, ["learning_rate", "clip_norm", "recurrent_init"]).set_index("setting")
    assert shares.loc["learning_rate", "share"] > 0.75
    assert shares.loc["learning_rate", "share"] > shares.loc["learning_rate", "noise"]
    assert (shares.loc[["clip_norm", "recurrent_init"], "share"] < 0.2).all()


def test_importance_is_the_same_for_a_number_and_its_logarithm() -> None:
    random = np.random.default_rng(3)
    tune = pd.DataFrame({"task": "recall", "cell": "lstm", "lag": 10, "objective": random.random(24)})
    rates = 10 ** random.uniform(-4, -1, 24)
    linear, log = (importance(tune.assign(rate=values), ["rate"]) for values in (rates, np.log10(rates)))
    assert len(linear) == 1
    assert linear.equals(log)


def test_noise_level_of_importance_is_exceeded_by_chance_in_5_percent() -> None:
    random = np.random.default_rng(2)
    exceeded = []
    for _ in range(100):
        tune = pd.DataFrame({"task": "recall", "cell": "lstm", "lag": 10, "objective": random.random(24)})
        shares = importance(tune.assign(learning_rate=random.random(24)), ["learning_rate"])
        exceeded.append(bool((shares["share"] > shares["noise"]).iloc[0]))
    assert np.mean(exceeded) == pytest.approx(0.05, abs=0.045)


def test_expected_best_is_the_mean_over_all_subsets() -> None:
    values = np.array([0.3, 0.9, 0.1, 0.5, 0.5])
    expected = [np.mean([max(subset) for subset in itertools.combinations(values, n)]) for n in range(1, 6)]
    assert np.allclose(expected_best(values), expected)


def test_best_of_n_spans_the_searches() -> None:
    tune = pd.DataFrame(
        {"task": "recall", "cell": "lstm", "lag": 10, "search": [0, 0, 1, 1], "objective": [0, 1, 0.5, 0.5]}
    )
    curves = best_of(tune)
    assert curves[["step", "low", "middle", "high"]].to_numpy().tolist() == [[1, 0.5, 0.5, 0.5], [2, 0.5, 0.75, 1]]


def test_objective_of_a_trial_is_the_mean_over_its_seeds() -> None:
    search = {"task": "recall", "cell": "lstm", "lag": 10, "search": 0}
    tune = pd.DataFrame([{**search, "trial": n, "objective": value} for n in range(3) for value in (0.0, 1.0)])
    assert best_of(tune)[["step", "middle"]].to_numpy().tolist() == [[1, 0.5], [2, 0.5], [3, 0.5]]
