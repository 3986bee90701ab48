"""`--only`: the arms that claims need, or that have some cells, tasks, lags or sizes."""

import json
from pathlib import Path

import pytest

from ablations.commands.only import select
from ablations.errors import InputError
from ablations.studies.loading import load
from ablations.studies.study import Study
from tests.ablations.cli_runner import whygates


@pytest.fixture(scope="module")
def study() -> Study:
    return load("why-gates")


def test_without_conditions_every_arm_is_run(study: Study) -> None:
    assert select(study, []) == study.arms()


def test_values_of_a_key_are_alternatives_and_keys_are_joined(study: Study) -> None:
    arms = select(study, ["task:recall,adding", "lag:10", "cell:lstm,rnn", "size:1500"])
    assert {(arm.task.label, arm.lag, arm.cell.label) for arm in arms} == {
        (task, 10, cell) for task in ("recall", "adding") for cell in ("lstm", "rnn")
    }


def test_arms_of_a_claim_are_those_that_it_compares(study: Study) -> None:
    found = {(arm.cell.label, arm.task.label) for arm in select(study, ["claim:14"])}
    assert ("lstm_no_forget", "counting") in found
    assert ("lstm_coupled", "continual_adding") in found
    assert not {task for _, task in found} - {"counting", "continual_adding"}
    sizes = {(arm.cell.label, arm.size) for arm in select(study, ["claim:10"])}
    assert ("rnn", 12000) in sizes
    assert ("lstm", 12000) not in sizes
    rival = {arm.cell.label for arm in select(study, ["claim:8"])}
    assert rival == {"lstm", "gru", "rnn", "single_network"}
    assert {arm.lag for arm in select(study, ["claim:13", "task:n_back"])} == {1, 2, 4}


def test_claims_together_need_the_union_of_their_arms(study: Study) -> None:
    both = {arm.hash for arm in select(study, ["claim:1,4"])}
    assert both == {arm.hash for claim in ("1", "4") for arm in select(study, [f"claim:{claim}"])}
    everything = {arm.hash for arm in select(study, [f"claim:{','.join(str(k) for k in range(1, 17))}"])}
    assert len(everything) > 0.85 * len(study.arms())


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ("claim:99", r"unknown claim of --only claim:99: '99'; did you mean '9'\? allowed: 1, 2, 3"),
        ("clam:1", r"unknown key of --only clam:1: 'clam'; did you mean 'claim'\?"),
        ("task:reccall", r"unknown task of --only task:reccall: 'reccall'; did you mean 'recall'\?"),
        ("lag:7", r"unknown lag of --only lag:7: '7'; allowed: "),
        ("claim", r"--only claim: write KEY:VALUE"),
        ("claim:", r"--only claim:: write KEY:VALUE"),
    ],
)
def test_what_does_not_exist_is_refused(study: Study, condition: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        select(study, [condition])


def test_conditions_that_no_arm_fulfils_are_refused(study: Study) -> None:
    with pytest.raises(InputError, match="no arm of why-gates matches"):
        select(study, ["task:n_back,recall", "claim:14"])


def test_a_sweep_of_some_arms_leaves_the_others_to_the_command_of_the_whole_study(tiny: Path) -> None:
    outcome = whygates("sweep", "tiny.toml", "--only", "task:recall", "--only", "cell:rnn", "--workers", "1", cwd=tiny)
    assert outcome.code == 0, outcome
    assert outcome.stdout.startswith("tiny: 1 of 4 arms, 1 worker\n")
    assert "1 of 1 arms done" in outcome.stdout
    arms = json.loads(whygates("status", "tiny", "--json", cwd=tiny).stdout)
    assert {(arm["cell"], arm["task"]) for arm in arms if arm["state"] == "done"} == {("rnn", "recall")}
    printed = whygates("status", "tiny", cwd=tiny).stdout
    assert "3 of 4 arms are not finished.\nContinue with:  whygates sweep tiny.toml --workers 1\n" in printed
