"""The Python API: training without a study, and reading the results of one."""

import json
from pathlib import Path

import matplotlib as mpl
import pandas as pd
import pytest
import torch

import ablations
from ablations.cells import Cell, Weight, catalogue
from ablations.cells.lstm import LSTM
from ablations.engines import eager
from ablations.errors import InputError
from ablations.networks.evaluation import TEST_SEED, evaluate, evaluation_set
from ablations.sweeps.store import Store
from ablations.tracking.mlflow_db import create_database
from tasks.recall import Recall
from tests.ablations.tracking.member_records import member_record, started_tracker

NOTEBOOK = Path(__file__).parents[2] / "examples" / "notebook.ipynb"
SHORT = {"lag": 2, "members": 3, "hidden": 5, "steps": 20, "batch": 4, "eval_every": 5, "test": 30, "progress": False}


@pytest.fixture(scope="module")
def run() -> "ablations.TrainedPopulation":
    return ablations.train("lstm", "recall", **SHORT, learning_rate=[0.01, 0.02, 1e30 / 1e25], engine="eager")


def test_results_have_a_row_per_member_with_its_settings_and_outcome(run) -> None:
    assert list(run.results["member"]) == [0, 1, 2]
    assert list(run.results["learning_rate"]) == [0.01, 0.02, 1e5]
    assert set(run.results["clip_norm"]) == {1.0}
    assert run.results["seed"].is_unique
    assert (run.results["solved"] == (run.results["status"] == "solved")).all()
    assert (run.results["step"] <= 20).all()


def test_scores_are_those_of_the_final_weights_on_the_test_set(run) -> None:
    test = evaluate(run.model, run.weights, run.task, evaluation_set(run.task, 2, 30, TEST_SEED, final=True))
    finite = run.results[run.results["status"] != "diverged"]
    assert list(finite["score"]) == pytest.approx(test.score.tolist(), abs=1e-5)


def test_curves_are_tidy(run) -> None:
    curves = run.curves
    assert list(curves.columns) == ["member", "step", "metric", "value"]
    scores = curves[(curves["metric"] == "eval/score") & (curves["member"] == 0)]
    assert list(scores["step"]) == [5, 10, 15, 20]
    assert not curves.duplicated(["member", "step", "metric"]).any()


def test_gates_are_those_of_the_scan_along_a_sequence(run) -> None:
    gates = run.gates(member=1, sequence=2)
    stream = run.task.stream(torch.Generator().manual_seed(TEST_SEED), 100, 2)
    batch = stream.next()
    w = {name: weight[1:2] for name, weight in run.weights.items()}
    x = batch.inputs[:, 2:3].unsqueeze(0)
    state = run.model.initial_state(w, 1)[0]
    expected = eager.scan(run.model.cell, run.model.layer_weights(w, 0), x, state, record=["f"]).recorded["f"]
    found = gates[gates["gate"] == "f"].pivot_table(index="step", columns="unit", values="value")
    torch.testing.assert_close(torch.tensor(found.to_numpy(dtype="float32")), expected[0, :, 0])
    assert set(gates["gate"]) == {"i", "f", "z", "o"}
    (cue,) = gates.loc[gates["events"] == "cue", "step"].unique()
    assert batch.events["cue"][cue, 2]


def test_plot_draws_a_line_per_member_on_the_axes_it_is_given(run) -> None:
    ax = mpl.figure.Figure().subplots()
    assert run.plot("train/loss", ax) is ax
    assert len(ax.get_lines()) >= 3
    with pytest.raises(InputError, match="unknown metric 'eval/scor'; did you mean 'eval/score'"):
        run.plot("eval/scor")


def test_the_same_arguments_give_the_same_numbers() -> None:
    one, other = (ablations.train("gru", "adding", **SHORT | {"lag": 6}) for _ in range(2))
    pd.testing.assert_frame_equal(one.results.drop(columns="seconds"), other.results.drop(columns="seconds"))
    another = ablations.train("gru", "adding", **SHORT | {"lag": 6}, seed=1)
    assert not set(one.results["seed"]) & set(another.results["seed"])


def test_cells_and_tasks_are_taken_by_name_class_or_instance() -> None:
    names = [ablations.train(cell, task, **SHORT).results["score"].tolist() for cell, task in (
        ("lstm", "recall"), (LSTM, Recall), (LSTM(), Recall()))]  # fmt: skip
    assert names[0] == names[1] == names[2]
    peephole = ablations.train(LSTM(peephole=True), Recall(alphabet=3), **SHORT)
    assert "0.P_f" in peephole.weights
    assert peephole.weights["readout.V"].shape == (3, 5, 3)


def test_a_cell_of_ones_own_is_trained(registries) -> None:
    class Leaky(Cell):
        name = "leaky"
        reference = "test"

        def weights(self, inputs, hidden):
            square = Weight(hidden, hidden, "recurrent_init")
            return {"W": Weight(inputs, hidden, "uniform"), "U": square, "b": Weight(1, hidden, "zeros")}

        def drive(self, w, x):
            return {"h": x @ w["W"] + w["b"]}

        def step(self, w, drive, state, tap):
            return {"h": 0.5 * state["h"] + torch.tanh(drive["h"] + state["h"] @ w["U"])}

    run = ablations.train(Leaky, "recall", **SHORT)
    assert repr(run).startswith("<leaky, 5 hidden units")
    assert run.gates().empty

    class Wrong(Leaky):
        name = "wrong"

        def step(self, w, drive, state, tap):
            return {"h": state["h"].sum(-1, keepdim=True)}

    with pytest.raises(InputError, match="step"):
        ablations.train(Wrong, "recall", **SHORT)


def test_parameters_choose_the_hidden_size() -> None:
    run = ablations.train("rnn", "recall", **SHORT | {"steps": 1}, parameters=400)
    nearest = [abs(type(run.model)(catalogue()["rnn"](), *run.task.sizes(2), h).parameters - 400) for h in range(1, 40)]
    assert run.model.hidden == 1 + nearest.index(min(nearest))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"cell": "lstn"}, "unknown cell 'lstn'; did you mean 'lstm'"),
        ({"task": "recal"}, "unknown task 'recal'; did you mean 'recall'"),
        ({"cell": int}, "cell = <class 'int'>: allowed: a name, or a class or instance of ablations.cells.base.Cell"),
        ({"lag": 0}, "lag is 0; allowed for 'recall': at least 1"),
        ({"members": 0}, "members = 0: allowed: whole numbers above 0"),
        ({"hidden": 2.5}, "hidden = 2.5: allowed: whole numbers above 0"),
        ({"engine": "cuda"}, "unknown engine 'cuda'"),
        ({"device": "gpu"}, "unknown device 'gpu'"),
        ({"learning_rat": 1.0}, "unknown hyperparameter 'learning_rat'; did you mean 'learning_rate'"),
        ({"learning_rate": [0.1, 0.2]}, "learning_rate has 2 values for 3 members"),
        ({"learning_rate": -1.0}, "learning_rate = -1.0 must be above 0"),
        ({"forget_bias": "high"}, "forget_bias = 'high': allowed: a number, or 'chrono'"),
    ],
)
def test_bad_input_is_named_with_what_is_allowed(change, message) -> None:
    with pytest.raises(InputError) as refusal:
        ablations.train(**{"cell": "lstm", "task": "recall", **SHORT} | change)
    assert message in str(refusal.value)


def test_member_without_weights_has_no_gates() -> None:
    run = ablations.train("lstm", "recall", **SHORT, learning_rate=[0.01, 1e6, 0.01], clip_norm=1e6)
    run._weights.pop(1, None)  # as if it had diverged
    with pytest.raises(InputError, match=r"member 1 has no weights; members with weights: \[0, 2\]"):
        run.gates(member=1)
    with pytest.raises(InputError, match="sequence 100 does not exist; allowed: 0 to 99"):
        run.gates(sequence=100)


def test_results_of_a_study_are_read_by_phase(tmp_path: Path) -> None:
    store = Store.create(tmp_path / "store")
    create_database(store)
    tracker = started_tracker(store)
    for k, phase in enumerate(("confirm", "tune", "tune")):
        tracker.deliver(member_record(f"member{k}", phase=phase, seed=k))
    results = ablations.load_results(store.folder, "tiny")
    assert list(results.confirm["hash"]) == ["member0"]
    assert sorted(results.tune["hash"]) == ["member1", "member2"]
    assert list(results.tune["learning_rate"]) == [0.001234567890123] * 2
    with pytest.raises(InputError, match="study 'other' was never swept into this store"):
        ablations.load_results(store.folder, "other")
    with pytest.raises(InputError, match="there is no such folder"):
        ablations.load_results(tmp_path / "nowhere", "tiny")


def test_training_leaves_the_handling_of_denormal_numbers_as_it_was() -> None:
    for flush in (False, True):
        torch.set_flush_denormal(flush)
        ablations.train("rnn", "recall", **SHORT | {"steps": 2})
        assert bool(torch.tensor(2e-38) * 0.1 == 0) is flush


def test_the_notebook_runs_and_carries_no_outputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, registries) -> None:
    notebook = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert all(not cell["outputs"] and cell["execution_count"] is None for cell in code)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "agg")
    namespace: dict[str, object] = {"__name__": "__main__"}
    for number, cell in enumerate(code):
        exec(compile("".join(cell["source"]), f"notebook cell {number}", "exec"), namespace)
