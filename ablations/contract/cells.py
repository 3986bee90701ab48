"""The contract of a cell: what it declares is what it does, and it does it to every row alone."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Generator, Tensor
from torch.autograd import gradcheck

from ablations.cells import Cell, Weight, recurrence
from ablations.cells.base import registry
from ablations.cells.initial import initialise
from ablations.contract import Broken, Check, options_are_keywords, require
from ablations.engines import choose, eager
from ablations.errors import nearest

SIZES = (
    {"K": 2, "T": 5, "B": 3, "I": 4, "H": 6},  # all different
    {"K": 3, "T": 3, "B": 3, "I": 2, "H": 4},  # members taken for time or rows would go unnoticed
    {"K": 3, "T": 3, "B": 3, "I": 3, "H": 3},
    {"K": 4, "T": 2, "B": 1, "I": 1, "H": 4},
    {"K": 1, "T": 1, "B": 4, "I": 4, "H": 1},
)


@dataclass
class Problem:
    """All that a scan needs, random and in double precision: a wrong bias or a lost state shows."""

    cell: Cell
    w: dict[str, Tensor]
    x: Tensor
    state: dict[str, Tensor]

    @property
    def leaves(self) -> list[Tensor]:
        return [*self.w.values(), self.x, *self.state.values()]

    def scan(self, engine: eager.Scan = eager.scan, **options: Any) -> eager.Scanned:
        return engine(self.cell, self.w, self.x, self.state, **options)

    def gradients(self, outputs: Tensor) -> tuple[Tensor, ...]:
        """Of one random direction of the outputs, to weights, inputs and initial state."""
        direction = torch.randn(outputs.shape, generator=Generator().manual_seed(99), dtype=outputs.dtype)
        return torch.autograd.grad((outputs * direction).sum(), self.leaves, materialize_grads=True)

    def alone(self) -> tuple[Tensor, dict[str, Tensor]]:
        """Outputs and final state of one member after the other, one step after the other, without a member axis."""
        outputs, finals = [], []
        for k in range(len(self.x)):
            w = {name: weight[k] for name, weight in self.w.items()}
            state = {name: part[k] for name, part in self.state.items()}
            shown = []
            for x in self.x[k]:
                state = self.cell.step(w, self.cell.drive(w, x), state, _unchanged)
                shown.append(state[self.cell.output])
            outputs.append(torch.stack(shown))
            finals.append(state)
        return torch.stack(outputs), {name: torch.stack([f[name].detach() for f in finals]) for name in self.state}


def draw(cls: type[Cell], K: int = 2, T: int = 4, B: int = 3, I: int = 3, H: int = 5, seed: int = 0) -> Problem:  # noqa: E741 (inputs)
    """A problem for a cell; `K`, `T`, `B`, `I`, `H` are members, time, batch, inputs and units."""
    cell, generator = cls(), Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    w = {n: normal(K, v.rows, v.columns) / max(v.rows, 4) ** 0.5 for n, v in cell.weights(I, H).items()}
    state = {n: normal(K, B, size) for n, size in cell.state_sizes(H).items()}
    problem = Problem(cell, w, normal(K, T, B, I), state)
    for leaf in problem.leaves:
        leaf.requires_grad_()
    return problem


def says_what_it_is(cls: type[Cell]) -> None:
    """It says what it is: its name, its source, its equations, and what it changes of which parent."""
    require(isinstance(cls.name, str) and cls.name.isidentifier(), f"its name {cls.name!r} is no plain word")
    require(getattr(cls, "reference", "").strip(), "`reference` is missing: where the recurrence comes from")
    require("=" in cls.equations(), "its docstring has no equations: write the recurrence in it, as indented lines")
    require(cls.output in cls.state, f"`output` is {cls.output!r}, and `state` has {', '.join(cls.state)}")
    if cls.parent is not None:
        others = registry.keys() - {cls.name}
        require(cls.parent in others, f"its parent {cls.parent!r} is no cell{nearest(cls.parent, sorted(others))}")
        require(cls.change.strip(), "`change` is missing: in a few words, what it changes of its parent")


def declares_weights(cls: type[Cell]) -> None:
    """Its weights have shapes and a start, and there are more of them the more units it has."""
    cell = cls()
    for inputs, hidden in ((2, 3), (5, 4), (1, 1)):
        weights = cell.weights(inputs, hidden)
        for name, weight in weights.items():
            whole = isinstance(weight, Weight) and all(type(n) is int and n > 0 for n in weight[:2])
            require(whole, f"weight {name!r} is {weight!r}: give it as Weight(rows, columns, start)", "weights")
        try:
            initialise(weights, {}, 10, Generator())
        except ValueError as error:
            raise Broken(str(error), "weights") from None
        sizes = cell.state_sizes(hidden)
        require(
            tuple(sizes) == cls.state,
            f"`state_sizes` names {_listed(sizes)}, and `state` {_listed(cls.state)}",
            "state_sizes",
        )
    for measure, about in (
        (lambda n: cell.parameters(2, n), "weights"),
        (lambda n: min(cell.state_sizes(n).values()), "state_sizes"),
    ):
        require(measure(1) < measure(2) < measure(50), f"`{about}` does not grow with the hidden units", about)


def gives_rows(cls: type[Cell]) -> None:
    """`drive` and `step` give rows of the sizes that are declared."""
    for sizes in SIZES[:2]:
        problem = draw(cls, **sizes)
        rows, cell = problem.x[:, 0], problem.cell
        lead = rows.shape[:-1]
        drive = cell.drive(problem.w, rows)
        require(isinstance(drive, dict), f"`drive` gives {type(drive).__name__}, not tensors by name", "drive")
        for name, value in drive.items():
            _require_shape(f"`drive` gives {name!r}", value, (*lead, value.shape[-1]), "drive")
        after = cell.step(problem.w, drive, problem.state, _unchanged)
        require(isinstance(after, dict), f"`step` gives {type(after).__name__}, not the new state by name", "step")
        require(
            after.keys() == set(cls.state),
            f"`step` gives {_listed(after)}, and `state` names {_listed(cls.state)}",
            "step",
        )
        for name, before in problem.state.items():
            _require_shape(f"`step` gives {name!r}", after[name], before.shape, "step")


def uses_every_weight(cls: type[Cell]) -> None:
    """Every weight has a part in the outputs."""
    problem = draw(cls, T=2)
    gradients = problem.gradients(problem.scan().outputs)
    unused = [name for name, gradient in zip(problem.w, gradients, strict=False) if (gradient == 0).all()]
    require(not unused, f"{_listed(unused)} can be left out: the outputs do not depend on it", "weights")


def writes_every_weight(cls: type[Cell]) -> None:
    """Its equations name every weight, and no other."""
    equations = "\n".join(recurrence(cls))
    named = set(re.findall(r"\b[A-Zb-d](?:_\w+)?\b(?!:)", equations)) - set(cls.state)
    weights = set(cls().weights(2, 3))
    require(weights <= named, f"its equations do not name the weight {_listed(sorted(weights - named))}")
    require(named <= weights, f"its equations name {_listed(sorted(named - weights))}, which is no weight")


def defines_every_gate(cls: type[Cell]) -> None:
    """Its equations define every gate and the new state, each once."""
    defined = [line.partition("=")[0].strip() for line in recurrence(cls)]
    letters = {letter.removesuffix("'") for letter in defined}
    require(
        set(cls.gates) <= letters, f"no equation defines the gate {_listed(g for g in cls.gates if g not in letters)}"
    )
    new = [f"{part}'" for part in cls.state if f"{part}'" not in defined]
    require(not new, f"no equation defines {_listed(new)}, the new state")
    own = [line.partition("=")[0].strip() for line in cls.equations().splitlines()]
    twice = sorted({letter for letter in own if own.count(letter) > 1})
    require(not twice, f"two equations define {_listed(twice)}")


def taps_its_gates(cls: type[Cell]) -> None:
    """`step` passes every gate through its tap, in order, and goes on with what comes back."""
    problem, told = draw(cls), []

    def tap(name: str, value: Tensor) -> Tensor:
        told.append(name)
        return value

    problem.cell.step(problem.w, problem.cell.drive(problem.w, problem.x[:, 0]), problem.state, tap)
    require(tuple(told) == cls.gates, f"`step` taps {_listed(told)}, and `gates` names {_listed(cls.gates)}", "step")
    free = problem.scan(record=cls.gates)
    for gate in cls.gates:
        values = free.recorded[gate].detach()
        same = problem.scan(override={gate: values})
        require(
            torch.equal(same.outputs, free.outputs), f"gate {gate!r} overridden by itself changes the outputs", "step"
        )
        other = values.clone()
        other[:, 2] += 0.3
        changed = (problem.scan(override={gate: other}).outputs != free.outputs).any(-1)
        require(
            changed[:, 2].all(), f"gate {gate!r} is not what `step` goes on with: overriding it changes nothing", "step"
        )


def is_differentiable(cls: type[Cell]) -> None:
    """Its gradients are those of finite differences, also through a gate that is overridden."""
    problem = draw(cls, K=2, T=3, B=2, I=2, H=2)

    def outputs(*leaves: Tensor) -> Tensor:
        given = iter(leaves)
        w, state = ({name: next(given) for name in named} for named in (problem.w, problem.state))
        return Problem(problem.cell, w, next(given), state).scan().outputs

    leaves = [*problem.w.values(), *problem.state.values(), problem.x]
    require(
        gradcheck(outputs, leaves, raise_exception=False), "its gradients are not those of finite differences", "step"
    )
    for gate in cls.gates:
        values = problem.scan(record=[gate]).recorded[gate].detach().requires_grad_()
        right = gradcheck(lambda v, gate=gate: problem.scan(override={gate: v}).outputs, values, raise_exception=False)
        require(right, f"the gradients of gate {gate!r} are not those of finite differences", "step")


def keeps_members_apart(cls: type[Cell]) -> None:
    """A population is its members one by one, whatever its shape."""
    for sizes in SIZES:
        problem = draw(cls, **sizes)
        outputs, final, _ = problem.scan()
        expected, expected_final = problem.alone()
        shape = ", ".join(f"{axis} = {size}" for axis, size in sizes.items())
        wrong = f"a population gives other numbers than its members one by one ({shape}): write it on rows [.., size]"
        alike = [_close(outputs, expected), *(_close(final[part], expected_final[part]) for part in final)]
        require(all(alike), wrong, "step")
        pairs = zip(problem.gradients(outputs), problem.gradients(expected), strict=True)
        require(all(_close(a, b) for a, b in pairs), f"in its gradients, {wrong}", "step")


def never_mixes_rows(cls: type[Cell]) -> None:
    """What is broken in one row stays there."""
    problem = draw(cls, K=3, B=3)
    outputs = problem.scan().outputs
    with torch.no_grad():  # what is broken spreads to whatever it touches
        problem.x[1, :, 2] = torch.nan
        for part in problem.state.values():
            part[1, 2] = torch.nan
    broken = problem.scan().outputs
    require(broken[1, :, 2].isnan().all(), "input and state of a row do not reach its outputs", "step")
    rest = torch.ones(3, 3, dtype=torch.bool)
    rest[1, 2] = False
    kept = _close(broken.transpose(1, 2)[rest], outputs.transpose(1, 2)[rest])
    require(kept, "rows mix: a row that is not a number changes others", "step")


def leaves_what_it_is_given(cls: type[Cell]) -> None:
    """The same again gives the same, and nothing that it is given is changed."""
    problem = draw(cls)
    before = [(value.detach().clone(), value._version) for value in problem.leaves]
    keys = list(problem.w), list(problem.state)
    random = torch.get_rng_state()
    first, again = problem.scan().outputs, problem.scan().outputs
    require(torch.equal(first, again), "the same input gives other outputs the second time", "step")
    require(torch.equal(random, torch.get_rng_state()), "it draws random numbers", "step")
    kept = all(
        torch.equal(value, old) and value._version == version
        for value, (old, version) in zip(problem.leaves, before, strict=True)
    )
    require(kept and keys == (list(problem.w), list(problem.state)), "it changes what it is given, in place", "step")


def runs_on_every_engine(cls: type[Cell]) -> None:
    """The engine that `auto` chooses computes what the eager one does."""
    engine = choose("auto", cls())
    for sizes in (*SIZES, {"K": 2, "T": 9, "B": 24, "I": 16, "H": 16}):
        problem = draw(cls, **sizes)
        found, expected = problem.scan(engine.scan).outputs, problem.scan().outputs
        pairs = [(found, expected), *zip(problem.gradients(found), problem.gradients(expected), strict=True)]
        require(all(_close(a, b, 1e-10) for a, b in pairs), f"the {engine.name} engine computes other numbers", "step")


BASIC: tuple[Check, ...] = (options_are_keywords, says_what_it_is, declares_weights, gives_rows)
"""What a cell must keep to be used at all."""

CHECKS: tuple[Check, ...] = (
    *BASIC,
    uses_every_weight,
    writes_every_weight,
    defines_every_gate,
    taps_its_gates,
    is_differentiable,
    keeps_members_apart,
    never_mixes_rows,
    leaves_what_it_is_given,
    runs_on_every_engine,
)


def _unchanged(_: str, value: Tensor) -> Tensor:
    return value


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"


def _close(one: Tensor, other: Tensor, tolerance: float = 1e-11) -> bool:
    return one.shape == other.shape and torch.allclose(one, other, rtol=tolerance, atol=tolerance)


def _require_shape(what: str, value: Any, shape: Sequence[int], about: str) -> None:
    require(isinstance(value, Tensor), f"{what} as {type(value).__name__}, not as a tensor", about)
    require(value.shape == tuple(shape), f"{what} as {list(value.shape)}: it has to be {list(shape)}", about)
    require(value.dtype == torch.float64, f"{what} as {value.dtype}: it has to be of its input's type", about)
