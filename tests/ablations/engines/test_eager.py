"""The properties of the reference scan, for every cell of the catalogue."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ablations.cells import catalogue
from ablations.engines import eager

every_cell = pytest.mark.parametrize("cls", [pytest.param(cell, id=name) for name, cell in catalogue().items()])


def close(a, b):
    torch.testing.assert_close(a, b, rtol=1e-11, atol=1e-11)


@every_cell
@settings(max_examples=15, deadline=None)
@given(
    sizes=st.fixed_dictionaries({axis: st.integers(1, 4) for axis in ("K", "T", "B", "I", "H")}),
    seed=st.integers(0, 2**40),
)
def test_a_population_of_any_shape_equals_its_members_run_alone(cls, sizes, seed, draw):
    problem = draw(cls, **sizes, seed=seed)
    outputs, final, _ = problem.scan()
    expected, expected_final = problem.loop()
    close(outputs, expected)
    close(final, expected_final)


@every_cell
def test_recorded_gates_of_a_population_equal_those_of_its_members(cls, draw):
    problem = draw(cls, K=3, T=3, B=3, I=3, H=3)
    gates = cls.gates[::-1]
    recorded = problem.scan(record=gates).recorded
    assert list(recorded) == list(gates)
    for k in range(3):
        solo = draw(cls, K=1, T=3, B=3, I=3, H=3)
        solo.w = {name: weight[k : k + 1] for name, weight in problem.w.items()}
        solo.state = {name: part[k : k + 1] for name, part in problem.state.items()}
        solo.x = problem.x[k : k + 1]
        expected = solo.scan(record=gates).recorded
        close({name: value[k : k + 1] for name, value in recorded.items()}, expected)


@every_cell
def test_permuting_the_batch_permutes_the_results(cls, draw):
    problem = draw(cls, B=5)
    order = torch.tensor([3, 0, 4, 1, 2])
    outputs, final, _ = problem.scan()
    problem.x, problem.state = problem.x[:, :, order], {n: part[:, order] for n, part in problem.state.items()}
    permuted, permuted_final, _ = problem.scan()
    close(permuted, outputs[:, :, order])
    close(permuted_final, {name: part[:, order] for name, part in final.items()})


@every_cell
def test_a_member_with_nan_weights_does_not_change_the_others(cls, draw):
    problem = draw(cls, K=3)
    outputs = problem.scan().outputs
    gradients = problem.gradients(outputs)
    with torch.no_grad():
        for weight in problem.w.values():
            weight[1] = torch.nan
    broken = problem.scan().outputs
    assert broken[1].isnan().all()
    close(broken[::2], outputs[::2])
    close([g[::2] for g in problem.gradients(broken)], [g[::2] for g in gradients])


@every_cell
def test_outputs_do_not_depend_on_later_inputs(cls, draw):
    problem = draw(cls, T=5)
    outputs = problem.scan().outputs
    with torch.no_grad():
        problem.x[:, 3] += 1
    later = problem.scan().outputs
    assert torch.equal(later[:, :3], outputs[:, :3])
    assert (later[:, 3:] != outputs[:, 3:]).any(-1).all()  # a rectified unit may stay at 0


@every_cell
def test_two_halves_with_carried_state_equal_the_whole_sequence(cls, draw):
    problem = draw(cls, T=5)
    outputs, final, _ = problem.scan()
    whole = problem.x
    problem.x = whole[:, :2]
    first, problem.state, _ = problem.scan()
    problem.x = whole[:, 2:]
    second, last, _ = problem.scan()
    close(torch.cat([first, second], 1), outputs)
    close(last, final)


@every_cell
def test_the_final_state_is_that_of_the_last_step_and_detached(cls, draw):
    problem = draw(cls)
    outputs, final, _ = problem.scan()
    assert final.keys() == problem.state.keys()
    assert not any(part.requires_grad for part in final.values())
    assert torch.equal(final[cls.output], outputs[:, -1])


@every_cell
def test_arguments_are_not_modified(cls, draw):
    problem = draw(cls)
    override = {gate: torch.full((2, 4, 3, 5), 0.5, dtype=torch.float64) for gate in cls.gates[:1]}
    given = [*problem.leaves, *override.values()]
    before = [(value.clone(), value._version) for value in given]
    keys = list(problem.w), list(problem.state), list(override)
    problem.gradients(problem.scan(record=cls.gates, override={}).outputs)
    problem.scan(record=cls.gates, override=override)
    assert all(torch.equal(value, old) for value, (old, _) in zip(given, before, strict=True))
    assert [value._version for value in given] == [version for _, version in before]
    assert (list(problem.w), list(problem.state), list(override)) == keys


@pytest.mark.parametrize("options", [{"record": ["forget"]}, {"override": {"forget": torch.zeros(1, 2, 1, 3)}}])
def test_an_unknown_gate_is_refused(options):
    cell = catalogue()["lstm"]()
    w = {name: torch.zeros(1, weight.rows, weight.columns) for name, weight in cell.weights(2, 3).items()}
    state = {name: torch.zeros(1, 1, 3) for name in cell.state}
    with pytest.raises(ValueError, match="lstm has no gate 'forget'; it has: i, f, z, o"):
        eager.scan(cell, w, torch.zeros(1, 2, 1, 2), state, **options)
