"""What a cell may declare beyond the needs of the catalogue: the contract, both engines, training and a sweep."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from torch import Generator

from ablations.cells import Cell
from ablations.cells.base import trained_parameters
from ablations.contract import cells, plugins
from ablations.engines import Sizes, choose
from ablations.engines.noise import draw
from ablations.networks.model import Model
from ablations.training.population import Finished, Population
from tasks.adding import Adding
from tests.ablations.cells.plugin_cells import ECHO_STATE, LEARNED_START, NOISY
from tests.ablations.cli_process import TINY
from tests.ablations.cli_runner import restored_registries, whygates
from tests.ablations.contract.example_plugins import failures
from tests.ablations.training.populations import BUDGET, ShortStream, member, saved_and_loaded

TEXTS = {"echo_state": ECHO_STATE, "learned_start": LEARNED_START, "noisy": NOISY}
every_cell = pytest.mark.parametrize("name", TEXTS)
LAG = 5


@contextmanager
def defined(name: str, folder: Path) -> Iterator[type[Cell]]:
    """The class that a plug-in defines."""
    (folder / "mine.py").write_text(TEXTS[name], encoding="utf-8")
    with restored_registries():
        (kind,) = plugins.defined(folder / "mine.py")
        yield kind


def population(kind: type[Cell], engine: str, task=None, **settings) -> Population:
    """Three members in training."""
    task = task or Adding()
    chosen = choose(engine, kind())
    assert chosen.name == engine, chosen.reason
    model = Model(kind(), *task.sizes(LAG), 6, chosen.scan, 2, chosen.linear)
    members = [member(seed, 0.03, **settings) for seed in (1, 2, 3)]
    return Population(model, task, LAG, members, BUDGET, save_weights=True)


def finished(running: Population) -> dict[int, Finished]:
    return {event.member: event for event in running.run() if isinstance(event, Finished)}


@every_cell
def test_it_fulfils_the_contract_on_the_fused_engine(name, tmp_path):
    with defined(name, tmp_path) as kind:
        assert failures(kind, cells.CHECKS) == {}
        sizes = [Sizes(3, 16, 8, 20), Sizes(1, 256, 20, 20), Sizes(40, 32, 2, 33)]
        assert choose("auto", kind(), sizes).name == "fused"


@every_cell
@pytest.mark.parametrize(
    "task", [Adding(), ShortStream(), ShortStream(reset=True)], ids=["episodic", "continual", "reset"]
)
def test_both_engines_train_the_same_networks(name, task, tmp_path):
    with defined(name, tmp_path) as kind:
        eager_ones, fused_ones = (finished(population(kind, engine, task)) for engine in ("eager", "fused"))
    for k, one in eager_ones.items():
        for weight, value in one.weights.end.items():
            torch.testing.assert_close(value, fused_ones[k].weights.end[weight], rtol=1e-3, atol=1e-4)


def test_a_sweep_of_a_noisy_cell_gives_equal_results_twice(tmp_path):
    (tmp_path / "tiny.toml").write_text(TINY)
    (tmp_path / "noisy.py").write_text(TEXTS["noisy"], encoding="utf-8")
    changes = ('cells=["noisy"]', "task.continual_adding.lags=[3]", "tune.trials=1", "confirm.probes=[]")
    arguments = ["tiny.toml", "--plugin", "noisy.py", *(word for change in changes for word in ("--set", change))]
    results = []
    for store in ("one", "two"):
        outcome = whygates("sweep", *arguments, "--store", store, "--workers", "1", cwd=tmp_path)
        assert outcome.code == 0, outcome
        assert "engine fused (compiled from the cell's step): noisy\n" in outcome.stdout
        records = {file.name: json.loads(file.read_text()) for file in (tmp_path / store / "members").glob("*.json")}
        for record in records.values():
            del record["metrics"]["seconds"]
        results.append(records)
    assert len(results[0]) == 2 * (2 + 4)
    assert results[0] == results[1]


@pytest.mark.parametrize("engine", ["eager", "fused"])
def test_a_weight_that_is_not_trained_keeps_its_initial_value_which_is_each_members_own(engine, tmp_path):
    with defined("echo_state", tmp_path) as kind:
        running = population(kind, engine, weight_decay=0.5)
        start = {name: weight.clone() for name, weight in running.model.unpack(running.weights).items()}
        ended = finished(running)
    for k, one in ended.items():
        for name, value in one.weights.end.items():
            assert torch.equal(value, start[name][k]) == (name.endswith((".W", ".U"))), name
    assert not torch.equal(start["0.U"][0], start["0.U"][1])
    assert start["0.U"][0].abs().max() > 0


def test_a_weight_that_is_not_trained_has_no_gradient_and_is_no_parameter(tmp_path):
    with defined("echo_state", tmp_path) as kind:
        model = Model(kind(), 4, 2, 6)
        flat = model.pack({n: torch.ones(1, w.rows, w.columns) for n, w in model.shapes.items()}).requires_grad_()
        w = model.unpack(flat)
        outputs, _ = model(w, torch.ones(1, 3, 2, 4), model.initial_state(w, 2))
        (gradient,) = torch.autograd.grad(outputs.sum(), flat)
        assert model.parameters == 6 + (6 * 2 + 2)
        assert trained_parameters(kind().weights(4, 6)) == 6
    assert (gradient[:, : 4 * 6 + 6 * 6] == 0).all()
    assert (gradient[:, 4 * 6 + 6 * 6 :] != 0).all()
    assert model.trained.tolist() == [0.0] * 60 + [1.0] * 20


def test_a_weight_that_is_not_trained_is_listed_as_such(tmp_path):
    (tmp_path / "mine.py").write_text(ECHO_STATE, encoding="utf-8")
    outcome = whygates("cells", "echo_state", "--plugin", "mine.py", cwd=tmp_path)
    assert [line.split()[-2:] == ["not", "trained"] for line in outcome.stdout.splitlines() if "spectral" in line] == [
        True
    ]


@pytest.mark.parametrize("engine", ["eager", "fused"])
def test_a_learned_initial_state_is_where_the_scan_starts_and_returns_at_a_reset(engine, tmp_path):
    """A scan from the learned state, against one whose first input makes that state."""
    with defined("learned_start", tmp_path) as kind:
        chosen = choose(engine, kind())
        model = Model(kind(), 2, 1, 5, chosen.scan)
        generator = Generator().manual_seed(0)
        w = {n: torch.randn(3, s.rows, s.columns, generator=generator) for n, s in model.shapes.items()}
        [start] = model.initial_state(w, 4)
        assert torch.equal(start["c"], w["0.c_0"].expand(3, 4, 5))
        assert not start["h"].any()
        x = torch.randn(3, 6, 4, 2, generator=generator)
        reset = torch.zeros(3, 6, 4, dtype=torch.bool)
        reset[:, 3, 1] = True
        outputs, _ = model(w, x, [start], reset)
        plain, _ = model(w, x, [start])
        again, _ = model(w, x[:, 3:], [start])
    torch.testing.assert_close(outputs[:, 3:, 1], again[:, :, 1])
    torch.testing.assert_close(outputs[:, :, [0, 2, 3]], plain[:, :, [0, 2, 3]])
    assert (outputs[:, 3:, 1] != plain[:, 3:, 1]).any()


@pytest.mark.parametrize("engine", ["eager", "fused"])
@pytest.mark.parametrize("continual", [False, True])
def test_a_learned_initial_state_is_trained(engine, continual, tmp_path):
    with defined("learned_start", tmp_path) as kind:
        running = population(kind, engine, ShortStream() if continual else None)
        start = running.model.unpack(running.weights.clone())["1.c_0"]
        ended = finished(running)
    for k, one in ended.items():
        assert (one.weights.end["1.c_0"] != start[k]).all()


def test_an_initial_state_that_is_no_weight_of_its_size_is_refused(tmp_path):
    for wrong in ('{"c": "W"}', '{"c": "nothing"}', '{"d": "c_0"}'):
        (tmp_path / "mine.py").write_text(LEARNED_START.replace('{"c": "c_0"}', wrong), encoding="utf-8")
        outcome = whygates("check", "mine.py", cwd=tmp_path)
        assert outcome.code == 1
        assert "expected a part of the state, and the name of a weight [1, " in outcome.stdout


def test_noise_has_its_distribution_and_depends_on_the_generator_alone(tmp_path):
    with defined("noisy", tmp_path) as kind:
        one, again = (draw(kind(), {"h": 50}, 40, 30, Generator().manual_seed(7)) for _ in range(2))
    assert torch.equal(one, again)
    m, e, k = one.split(50, -1)
    assert m.unique().tolist() == k.unique().tolist() == [0, 1]
    assert m.mean().item() == pytest.approx(0.15, abs=0.005)
    assert k.mean().item() == pytest.approx(0.8, abs=0.005)
    assert e.std().item() == pytest.approx(0.1, rel=0.02)
    assert e.mean().item() == pytest.approx(0, abs=0.002)


@pytest.mark.parametrize("engine", ["eager", "fused"])
def test_noise_is_random_in_training_and_its_mean_elsewhere(engine, tmp_path):
    """One step from a state of ones, against the equations."""
    with defined("noisy", tmp_path) as kind:
        model = Model(kind(), 2, 1, 50, choose(engine, kind()).scan)
        w = {n: torch.zeros(2, s.rows, s.columns) for n, s in model.shapes.items()}
        w["0.b"] += 0.5
        x, state = torch.zeros(2, 1, 30, 2), [{"h": torch.ones(2, 30, 50)}]
        [noise] = model.draw_noise([Generator().manual_seed(1), Generator().manual_seed(2)], 1, 30)
        [training] = model.scans(w, x, state, noise=[noise])
        [evaluation] = model.scans(w, x, state)
    m, e, k = noise.split(50, -1)
    assert not torch.equal(noise[0], noise[1])
    torch.testing.assert_close(training.outputs, m + (1 - m) * torch.tanh(0.5 + e) * k / 0.8)
    expected = 0.15 + 0.85 * torch.tanh(torch.tensor(0.5))
    torch.testing.assert_close(evaluation.outputs, expected.expand_as(evaluation.outputs))


@pytest.mark.parametrize("engine", ["eager", "fused"])
def test_a_resumed_population_draws_the_noise_of_an_uninterrupted_one(engine, tmp_path):
    with defined("noisy", tmp_path) as kind:
        expected = finished(population(kind, engine))
        running = population(kind, engine)
        next(running.run())
        saved = saved_and_loaded(running)
        resumed = population(kind, engine)
        resumed.load(saved)
        ended = finished(resumed)
        alone = population(kind, engine)
        alone._select([1])
        one = finished(alone)[1]
    for k, event in expected.items():
        for name, value in event.weights.end.items():
            assert torch.equal(ended[k].weights.end[name], value)
    for name, value in expected[1].weights.end.items():
        torch.testing.assert_close(one.weights.end[name], value, rtol=1e-4, atol=1e-6)


def test_random_numbers_that_are_not_declared_are_refused_with_the_way_to_declare_them(tmp_path):
    text = NOISY.replace('m = state["h"], drive["m"]', 'm = state["h"], torch.bernoulli(drive["m"])')
    (tmp_path / "mine.py").write_text(text, encoding="utf-8")
    (tmp_path / "tiny.toml").write_text(TINY.replace('"rnn", "gru"', '"noisy"'))
    message = "the cell draws random numbers: declare them in `noise`, and take them from `drive`"
    outcome = whygates("sweep", "tiny.toml", "--plugin", "mine.py", cwd=tmp_path)
    assert outcome.code == 2
    assert message in outcome.stderr
    assert message in whygates("check", "mine.py", cwd=tmp_path).stdout


@pytest.mark.parametrize("wrong", ['{"m": Bernoulli("c", 0.5)}', '{"m": 0.5}'])
def test_noise_that_is_not_declared_as_such_is_refused(wrong, tmp_path):
    text = NOISY.replace('return {"m": Bernoulli', f'return {wrong}\n        return {{"m": Bernoulli', 1)
    (tmp_path / "mine.py").write_text(text, encoding="utf-8")
    outcome = whygates("check", "mine.py", cwd=tmp_path)
    assert outcome.code == 1
    assert "expected Bernoulli or Gaussian, of a part of the state" in outcome.stdout
