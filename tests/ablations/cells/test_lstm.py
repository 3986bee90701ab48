"""The LSTM family: which gates exist, and which values its seams receive."""

import torch

from ablations.cells.lstm import LSTM


class ExposeRecordsItsArguments(LSTM):
    """Takes everything that `expose` may take: one gate of `remember`, one of its own."""

    def expose(self, w, drive, h, c_new, i, n):
        self.arguments = {"w": w, "drive": drive, "h": h, "c_new": c_new, "i": i, "n": n}
        return n * c_new


class GateRecordsItsMemory(LSTM):
    """Records the `c` that each gate receives."""

    def gate(self, name, w, drive, state):
        self.memories[name] = state["c"]
        return super().gate(name, w, drive, state)


def unchanged(_, value):
    return value


def step(problem, tap=unchanged):
    """The drive and the state after one step."""
    drive = problem.cell.drive(problem.w, problem.x[:, 0])
    return drive, problem.cell.step(problem.w, drive, problem.state, tap)


def test_a_gate_exists_exactly_if_a_seam_names_it():
    class Mine(LSTM):
        def remember(self, c, z, i):
            return c + i * z

        def expose(self, c_new, i):
            return i * c_new

    assert Mine.seam_gates == {"remember": ("z", "i"), "expose": ()}  # i is computed once
    assert Mine.gates == ("z", "i")
    assert set(Mine(peephole=True).weights(2, 3)) == {f"{kind}_{g}" for kind in "WUb" for g in "zi"} | {"P_i"}


def test_expose_receives_the_old_hidden_state_and_the_new_memory(draw):
    problem = draw(ExposeRecordsItsArguments)
    gates = {}

    def tap(name, value):
        gates[name] = value
        return value

    drive, new = step(problem, tap)
    expected = {"w": problem.w, "drive": drive, "h": problem.state["h"], "c_new": new["c"], "i": gates["i"], "n": gates["n"]}  # fmt: skip
    assert problem.cell.arguments.keys() == expected.keys()
    assert all(problem.cell.arguments[name] is value for name, value in expected.items())
    torch.testing.assert_close(new["c"], gates["f"] * problem.state["c"] + gates["i"] * gates["z"])
    torch.testing.assert_close(new["h"], gates["n"] * new["c"])


def test_gates_of_remember_receive_the_old_memory_and_gates_of_expose_the_new(draw):
    problem = draw(GateRecordsItsMemory)
    problem.cell.memories = {}
    _, new = step(problem)
    assert {g: memory is new["c"] for g, memory in problem.cell.memories.items()} == {
        "i": False, "f": False, "z": False, "o": True,
    }  # fmt: skip
    assert all(problem.cell.memories[g] is problem.state["c"] for g in "ifz")
