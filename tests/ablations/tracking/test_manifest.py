"""The manifest: JSON that says which arms, cells, tasks and hyperparameters a study has."""

import json

from ablations.cells import catalogue
from ablations.hyperparameters import HYPERPARAMETERS
from ablations.studies.study import Study
from ablations.sweeps.sizes import build_model
from ablations.tracking.manifest import manifest
from tests.ablations.tracking.member_records import STUDY


def test_manifest_is_json_and_has_the_hash_and_size_of_every_arm() -> None:
    found = manifest(STUDY)
    assert json.loads(json.dumps(found)) == found
    for arm, entry in zip(STUDY.arms(), found["arms"], strict=True):
        assert (entry["hash"], entry["cell"], entry["lag"]) == (arm.hash, arm.cell.label, 2)
        assert entry["parameters"] == build_model(arm).parameters
        assert (entry["tune"], entry["confirm"]) == (40, 5)


def test_manifest_has_every_hyperparameter_and_every_cell_of_the_catalogue() -> None:
    found = manifest(STUDY)
    assert found["hyperparameters"].keys() == HYPERPARAMETERS.keys()
    assert found["hyperparameters"]["learning_rate"] == {"default": 1e-3, "scale": "log"}
    assert {entry["cell"] for entry in found["lattice"]} == catalogue().keys()
    assert found["cells"].keys() == {"rnn", "lstm"}


def test_task_with_a_reset_is_in_the_group_of_controls() -> None:
    streams = [{"name": "continual_adding", "lags": [4]}, {"name": "continual_adding", "lags": [4], "reset": True}]
    tasks = manifest(Study.model_validate(STUDY.model_dump() | {"task": streams}))["tasks"]
    assert tasks["continual_adding"]["group"] != "control"
    assert tasks["continual_adding+reset"]["group"] == "control"


def test_fixed_initialisers_constructor_options_and_layers_are_options_of_a_cell() -> None:
    cell = {"cell": "lstm", "layers": 2, "init": {"forget_bias": 3.0}, "options": {"peephole": True}}
    (entry,) = manifest(Study.model_validate(STUDY.model_dump() | {"cells": [cell]}))["cells"].values()
    assert entry["options"] == {"forget_bias": 3.0, "peephole": True, "layers": 2}
