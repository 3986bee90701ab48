"""The contract of a cell: declarations match behaviour, and members and rows are independent."""

import itertools
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Generator, Tensor
from torch.autograd import gradcheck

from ablations.cells import Cell, Weight
from ablations.cells.base import registry
from ablations.cells.initial import initialise
from ablations.cells.noise import Noise
from ablations.contract import Check, ContractViolation, join, options_are_keywords, require
from ablations.contract.equations import equations_define_every_gate, equations_name_every_weight
from ablations.contract.problems import draw, unchanged
from ablations.engines import Sizes, choose
from ablations.engines.noise import step_input, widths
from ablations.errors import nearest

SIZES = (
    {"K": 2, "T": 5, "B": 3, "I": 4, "H": 6},  # all different
    {"K": 3, "T": 3, "B": 3, "I": 2, "H": 4},  # equal axes: broadcasting over the wrong one raises no shape error
    {"K": 3, "T": 3, "B": 3, "I": 3, "H": 3},
    {"K": 4, "T": 2, "B": 1, "I": 1, "H": 4},
    {"K": 1, "T": 1, "B": 4, "I": 4, "H": 1},
)


def declares_metadata(cls: type[Cell]) -> None:
    """The name, the reference, the equations, the output and the change from the parent are declared."""
    require(isinstance(cls.name, str) and cls.name.isidentifier(), f"`name` is {cls.name!r}: expected an identifier")
    for attribute in ("state", "gates"):
        names = getattr(cls, attribute)
        example = f'{attribute} = ("{names if isinstance(names, str) else "h"}",)'
        require(
            isinstance(names, tuple), f"`{attribute}` is {names!r}: write a tuple, with a comma: {example}", attribute
        )
    require(getattr(cls, "reference", "").strip(), "`reference` is missing: the source of the recurrence")
    require("=" in cls.equations(), "the docstring has no equations: write the recurrence in it, as indented lines")
    require(cls.output in cls.state, f"`output` is {cls.output!r}; allowed, by `state`: {join(cls.state)}")
    if cls.parent is not None:
        others = registry.keys() - {cls.name}
        require(cls.parent in others, f"unknown parent {cls.parent!r}{nearest(cls.parent, sorted(others))}")
        require(cls.change.strip(), "`change` is missing: the change from the parent, in a few words")


def declares_weights(cls: type[Cell]) -> None:
    """Weights and state have valid sizes that grow with the hidden size, and every weight has an initialiser."""
    cell = cls()
    for inputs, hidden in ((2, 3), (5, 4), (1, 1)):
        weights = cell.weights(inputs, hidden)
        for name, weight in weights.items():
            valid = isinstance(weight, Weight) and all(type(n) is int and n > 0 for n in weight[:2])
            require(valid, f"weight {name!r} is {weight!r}: expected Weight(rows, columns, initialiser)", "weights")
        try:
            initialise(weights, {}, 10, Generator())
        except ValueError as error:
            raise ContractViolation(str(error), "weights") from None
        sizes = cell.state_sizes(hidden)
        require(
            tuple(sizes) == cls.state, f"`state_sizes` names {join(sizes)}: expected {join(cls.state)}", "state_sizes"
        )
        for part, name in cls.initial_state.items():
            weight = weights.get(name)
            valid = part in sizes and weight is not None and weight[:2] == (1, sizes[part])
            shape = f"[1, {sizes.get(part, 'size')}]"
            require(
                valid,
                f"`initial_state` maps {part!r} to {name!r}: expected a part of the state, and the name of a weight {shape}",
                "initial_state",
            )
    for name, noise in cell.noise().items():
        valid = isinstance(noise, Noise) and noise.part in cls.state
        require(valid, f"noise {name!r} is {noise!r}: expected Bernoulli or Gaussian, of a part of the state", "noise")
    parameters = [cell.parameters(2, hidden) for hidden in (1, 2, 50)]
    grows = parameters[0] < parameters[1] < parameters[2]
    require(grows, "`weights` does not grow with the hidden size", "weights")
    few, many = (cell.state_sizes(hidden)[cls.output] for hidden in (1, 50))
    require(
        few < many, f"`state_sizes` does not grow with the hidden size for the output {cls.output!r}", "state_sizes"
    )


def returns_declared_shapes(cls: type[Cell]) -> None:
    """`drive` and `step` return tensors of the declared shapes."""
    for sizes in SIZES[:2]:
        problem = draw(cls, **sizes)
        rows, cell = problem.x[:, 0], problem.cell
        lead = rows.shape[:-1]
        drive = cell.drive(problem.w, rows)
        require(isinstance(drive, dict), f"`drive` returns {type(drive).__name__}: expected a dict of tensors", "drive")
        for name, value in drive.items():
            _require_tensor(f"`drive` returns {name!r}", value, (*lead, value.shape[-1]), "drive")
        inputs = step_input(cell, problem.w, rows, problem.state)
        new = cell.step(problem.w, inputs, problem.state, unchanged)
        require(isinstance(new, dict), f"`step` returns {type(new).__name__}: expected a dict of tensors", "step")
        complete = new.keys() == set(cls.state)
        require(complete, f"`step` returns the parts {join(new)}: expected {join(cls.state)}", "step")
        for name, old in problem.state.items():
            _require_tensor(f"`step` returns {name!r}", new[name], old.shape, "step")


def keeps_float32(cls: type[Cell]) -> None:
    """`drive` and `step` return float32 for float32, the type in which networks are trained."""
    cell, generator = cls(), Generator().manual_seed(0)
    w = initialise(cell.weights(8, 32), {}, 10, generator)
    x = torch.randn(16, 8, generator=generator)
    drive = cell.drive(w, x)
    state = {part: torch.zeros(16, n) for part, n in cell.state_sizes(32).items()}
    after = cell.step(w, step_input(cell, w, x, state), state, unchanged)
    for method, values in (("drive", drive), ("step", after)):
        for name, value in values.items():
            require(
                value.dtype == torch.float32, f"`{method}` returns {name!r} as {value.dtype} for torch.float32", method
            )


def uses_every_weight(cls: type[Cell]) -> None:
    """The outputs depend on every weight."""
    problem = draw(cls, T=2)
    outputs = problem.scan().outputs
    gradients = problem.gradients(outputs)
    constant = [name for name, gradient in zip(problem.trained, gradients, strict=False) if (gradient == 0).all()]
    hint = "a weight that only thresholds read is declared with trained=False"
    require(
        not constant,
        f"the gradients of the outputs with respect to the weights {join(constant)} are 0; {hint}",
        "weights",
    )
    unused = []
    for name in problem.w.keys() - problem.trained.keys():  # they need not be differentiable
        changed = replace(problem, w=problem.w | {name: torch.randn_like(problem.w[name])})
        unused += [name] if torch.equal(changed.scan().outputs, outputs) else []
    require(not unused, f"the outputs do not depend on the weights {join(unused)}", "weights")


def uses_every_noise(cls: type[Cell]) -> None:
    """The outputs depend on every declared noise, and `drive` has no term of its name."""
    problem = draw(cls, T=2)
    if problem.noise is None:
        return
    names = problem.cell.noise()
    taken = names.keys() & problem.cell.drive(problem.w, problem.x[:, 0]).keys()
    require(not taken, f"`drive` has terms with the names of noise: {join(sorted(taken))}", "drive")
    outputs = problem.scan().outputs
    sizes = widths(problem.cell, {part: rows.shape[-1] for part, rows in problem.state.items()})
    for name, column, size in zip(names, itertools.accumulate(sizes, initial=0), sizes, strict=False):
        changed = problem.noise.clone()
        changed[..., column : column + size] += 0.5
        used = not torch.equal(replace(problem, noise=changed).scan().outputs, outputs)
        require(used, f"the outputs do not depend on the noise {name!r}", "noise")


def taps_every_gate(cls: type[Cell]) -> None:
    """`step` passes every gate through its tap, in the declared order, and uses the returned value."""
    problem, tapped = draw(cls), []

    def tap(name: str, value: Tensor) -> Tensor:
        tapped.append(name)
        return value

    inputs = step_input(problem.cell, problem.w, problem.x[:, 0], problem.state)
    problem.cell.step(problem.w, inputs, problem.state, tap)
    require(tuple(tapped) == cls.gates, f"`step` taps {join(tapped)}: expected {join(cls.gates)}", "step")
    free = problem.scan(record=cls.gates)
    for gate in cls.gates:
        values = free.recorded[gate].detach()
        same = problem.scan(override={gate: values})
        unchanged = torch.equal(same.outputs, free.outputs)
        require(unchanged, f"overriding gate {gate!r} with its own values changes the outputs", "step")
        other = values.clone()
        other[:, 2] += 0.3
        changed = (problem.scan(override={gate: other}).outputs != free.outputs).any(-1)
        require(changed[:, 2].all(), f"overriding gate {gate!r} with other values does not change the outputs", "step")


def gradients_match_finite_differences(cls: type[Cell]) -> None:
    """Gradients equal finite differences, also those of an overridden gate."""
    if cls.custom_gradient:
        return
    problem = draw(cls, K=2, T=3, B=2, I=2, H=2)

    def outputs(*leaves: Tensor) -> Tensor:
        remaining = iter(leaves)
        w = {name: next(remaining) for name in problem.trained}
        x = next(remaining)
        state = {name: next(remaining) for name in problem.state}
        return replace(problem, w=problem.w | w, x=x, state=state).scan().outputs

    equal = gradcheck(outputs, problem.leaves, raise_exception=False)
    hint = "; if that is intended, as in a straight-through estimator, declare custom_gradient = True"
    require(equal, f"the gradients differ from finite differences{hint}", "step")
    for gate in cls.gates:
        values = problem.scan(record=[gate]).recorded[gate].detach().requires_grad_()
        equal = gradcheck(lambda v, gate=gate: problem.scan(override={gate: v}).outputs, values, raise_exception=False)
        require(equal, f"the gradients of gate {gate!r} differ from finite differences", "step")


def members_are_independent(cls: type[Cell]) -> None:
    """A population computes the same as each member alone, at any shape."""
    for sizes in SIZES:
        problem = draw(cls, **sizes)
        outputs, final, _ = problem.scan()
        expected, expected_final = problem.loop()
        shape = ", ".join(f"{axis} = {size}" for axis, size in sizes.items())
        message = f"differ between a population and its members alone ({shape}): write the cell on rows [.., size]"
        equal = [_close(outputs, expected), *(_close(final[part], expected_final[part]) for part in final)]
        require(all(equal), f"outputs {message}", "step")
        pairs = zip(problem.gradients(outputs), problem.gradients(expected), strict=True)
        require(all(_close(a, b) for a, b in pairs), f"gradients {message}", "step")


def rows_are_independent(cls: type[Cell]) -> None:
    """NaN in the input and state of one row reaches the outputs of that row only."""
    problem = draw(cls, K=3, B=3)
    outputs = problem.scan().outputs
    with torch.no_grad():
        problem.x[1, :, 2] = torch.nan
        for part in problem.state.values():
            part[1, 2] = torch.nan
    with_nan = problem.scan().outputs
    require(with_nan[1, :, 2].isnan().all(), "the outputs of a row do not depend on its input and state", "step")
    others = torch.ones(3, 3, dtype=torch.bool)
    others[1, 2] = False
    equal = _close(with_nan.transpose(1, 2)[others], outputs.transpose(1, 2)[others])
    require(equal, "sequences are not independent: NaN in one sequence changes the outputs of others", "step")


def has_no_side_effects(cls: type[Cell]) -> None:
    """`drive` and `step` are deterministic and change none of their arguments."""
    problem = draw(cls)
    before = [(value.detach().clone(), value._version) for value in problem.leaves]
    keys = list(problem.w), list(problem.state)
    random_state = torch.get_rng_state()
    first, second = problem.scan().outputs, problem.scan().outputs
    draws = not torch.equal(random_state, torch.get_rng_state())
    require(not draws, "the cell draws random numbers: declare them in `noise`, and take them from `drive`", "step")
    require(torch.equal(first, second), "the same arguments give other outputs the second time", "step")
    unchanged = all(
        torch.equal(value, old) and value._version == version
        for value, (old, version) in zip(problem.leaves, before, strict=True)
    )
    require(unchanged and keys == (list(problem.w), list(problem.state)), "an argument is changed in place", "step")


def engines_agree(cls: type[Cell]) -> None:
    """The engine that `auto` selects computes the same as the eager engine."""
    shapes = (*SIZES, {"K": 2, "T": 9, "B": 24, "I": 16, "H": 16})
    engine = choose("auto", cls(), [Sizes(one["K"], one["B"], one["I"], one["H"]) for one in shapes])
    for sizes in shapes:
        problem = draw(cls, **sizes)
        outputs, expected = problem.scan(engine.scan).outputs, problem.scan().outputs
        pairs = [(outputs, expected), *zip(problem.gradients(outputs), problem.gradients(expected), strict=True)]
        equal = all(_close(a, b, 1e-10) for a, b in pairs)
        require(equal, f"outputs or gradients differ between the {engine.name} and the eager engine", "step")


BASIC: tuple[Check, ...] = (
    options_are_keywords,
    declares_metadata,
    declares_weights,
    returns_declared_shapes,
    keeps_float32,
    has_no_side_effects,
)
"""The checks that a cell has to pass to be usable at all."""

CHECKS: tuple[Check, ...] = (
    *BASIC,
    uses_every_weight,
    uses_every_noise,
    equations_name_every_weight,
    equations_define_every_gate,
    taps_every_gate,
    gradients_match_finite_differences,
    members_are_independent,
    rows_are_independent,
    engines_agree,
)


def _close(one: Tensor, other: Tensor, tolerance: float = 1e-11) -> bool:
    return one.shape == other.shape and torch.allclose(one, other, rtol=tolerance, atol=tolerance)


def _require_tensor(subject: str, value: Any, shape: Sequence[int], attribute: str) -> None:
    require(isinstance(value, Tensor), f"{subject} as {type(value).__name__}: expected a tensor", attribute)
    require(value.shape == tuple(shape), f"{subject} as {list(value.shape)}: expected {list(shape)}", attribute)
    require(value.dtype == torch.float64, f"{subject} as {value.dtype}: expected the type of the input", attribute)
