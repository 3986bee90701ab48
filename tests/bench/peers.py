"""The peers that the fused engine is compared with: one gradient step of one layer, written as the peer's users would write it.

A peer is a function from a `Problem` to a `Step`. The loss and the gradients that the step returns are compared with the fused
engine's before anything is timed.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from packed import Packed, Products
from torch import Tensor

from ablations.cells import Cell, catalogue
from ablations.engines import fused

INPUTS = 2
"""Input features; few, as in the tasks."""
Step = Callable[[], tuple[Any, list[Any]]]
"""One gradient step, finished when the function returns: the loss, and the gradients of the weight matrices."""


@dataclass(frozen=True)
class Problem:
    """`members` networks of one cell, each with its own input and a zero initial state; the loss is the sum of the last outputs.

    A layer that returns all outputs is given the gradient of the loss with respect to them, made once: making it anew at each step
    takes a tenth of the time of a small layer, and is not the layer's work.
    """

    cell: Cell
    members: int
    steps: int
    batch: int
    inputs: int
    hidden: int

    def draw(self) -> tuple[dict[str, Tensor], Tensor, dict[str, Tensor]]:
        """Return random weights, input and state; small weights keep every cell's state bounded over hundreds of steps."""
        g = torch.Generator().manual_seed(0)
        shapes = self.cell.weights(self.inputs, self.hidden)
        w = {
            n: torch.randn(self.members, v.rows, v.columns, generator=g) / (4 * v.rows**0.5) for n, v in shapes.items()
        }
        x = torch.randn(self.members, self.steps, self.batch, self.inputs, generator=g)
        sizes = self.cell.state_sizes(self.hidden)
        return w, x, {part: torch.zeros(self.members, self.batch, size) for part, size in sizes.items()}

    def d_outputs(self) -> Tensor:
        """The gradient of the loss with respect to all outputs: 1 at the last step, 0 before."""
        gradient = torch.zeros(
            self.members, self.steps, self.batch, self.cell.state_sizes(self.hidden)[self.cell.output]
        )
        gradient[:, -1] = 1
        return gradient


def ours(problem: Problem) -> Step:
    """The fused engine, including the drive."""
    w, x, state = problem.draw()
    d_outputs = problem.d_outputs()
    leaves = [weight.requires_grad_() for weight in w.values()]
    matrices = [i for i, weight in enumerate(leaves) if weight.shape[1] > 1]

    def step() -> tuple[Tensor, list[Tensor]]:
        outputs = fused.scan(problem.cell, w, x, state).outputs
        gradients = torch.autograd.grad(outputs, leaves, d_outputs)
        return outputs[:, -1].sum(), [gradients[i] for i in matrices]

    return step


class Library(NamedTuple):
    """A layer of torch.nn, and the cell's gates in the order in which it packs them."""

    layer: type[torch.nn.RNNBase]
    cell: type[torch.nn.RNNCellBase]
    gates: tuple[str, ...]


LIBRARY = {
    "lstm": Library(torch.nn.LSTM, torch.nn.LSTMCell, ("_i", "_f", "_z", "_o")),
    "gru": Library(torch.nn.GRU, torch.nn.GRUCell, ("_r", "_z", "_n")),
    "rnn": Library(torch.nn.RNN, torch.nn.RNNCell, ("",)),
}


def _library(problem: Problem, module: torch.nn.Module, suffix: str) -> tuple[Tensor, list[Tensor]]:
    """Copy the weights into a module of torch.nn; return the input, time first, and the module's matrices."""
    w, x, _ = problem.draw()
    with torch.no_grad():
        for ours, theirs in (("W", "weight_ih"), ("U", "weight_hh"), ("b", "bias_ih"), ("d", "bias_hh")):
            target = getattr(module, theirs + suffix)
            each = target.shape[0] // len(LIBRARY[problem.cell.name].gates)
            for at, gate in enumerate(LIBRARY[problem.cell.name].gates):
                part = w.get(ours + gate)
                target[at * each : (at + 1) * each] = 0 if part is None else part[0].T.squeeze(-1)
    return x[0], [getattr(module, name + suffix) for name in ("weight_ih", "weight_hh")]


def torch_nn(problem: Problem) -> Step:
    """A layer of torch.nn."""
    module = LIBRARY[problem.cell.name].layer(problem.inputs, problem.hidden)
    x, matrices = _library(problem, module, "_l0")
    d_outputs = problem.d_outputs()[0]

    def step() -> tuple[Tensor, list[Tensor | None]]:
        module.zero_grad()
        outputs = module(x)[0]
        outputs.backward(d_outputs)
        return outputs[-1].sum(), [matrix.grad for matrix in matrices]

    return step


def torch_nn_cell(problem: Problem) -> Step:
    """A cell of torch.nn in a loop over time."""
    module = LIBRARY[problem.cell.name].cell(problem.inputs, problem.hidden)
    x, matrices = _library(problem, module, "")

    def step() -> tuple[Tensor, list[Tensor | None]]:
        module.zero_grad()
        state = None
        for row in x:
            state = module(row, state)
        loss = (state[0] if isinstance(state, tuple) else state).sum()
        loss.backward()
        return loss, [matrix.grad for matrix in matrices]

    return step


ELEMENTARY = ("abs", "tanh", "exp", "expm1", "log", "log1p", "sqrt", "maximum", "minimum")
"""The functions that torch and JAX have under the same name."""
TORCH = {"sigmoid": torch.sigmoid, "relu": torch.relu, "rsqrt": torch.rsqrt} | {
    name: getattr(torch, name) for name in ELEMENTARY
}


def _packed(problem: Problem) -> tuple[Packed, list[Tensor], Products, Tensor, dict[str, Tensor]]:
    w, x, state = problem.draw()
    packed = Packed(problem.cell, TORCH).at(problem.inputs, problem.hidden)
    vectors, products = packed.weights(w)
    return packed, vectors, products, x, state


def _leaves(vectors: list[Tensor], products: Products) -> tuple[list[Tensor], list[Tensor]]:
    """The tensors to differentiate: matrices, then vectors and biases."""
    matrices = [matrix for group, _ in products for matrix in group]
    others = vectors + [bias for _, bias in products if bias is not None]
    return [m.requires_grad_() for m in matrices], [v.requires_grad_() for v in others]


def python_loop(problem: Problem) -> Step:
    """A custom cell as usually written: a loop over time with packed gates, differentiated by autograd."""
    packed, vectors, products, x, start = _packed(problem)
    matrices, others = _leaves(vectors, products)

    def step() -> tuple[Tensor, list[Tensor | None]]:
        driven = packed.drive(products, x.flatten(1, 2))
        rows = {name: part.unflatten(1, x.shape[1:3]).unbind(1) for name, part in driven.items()}
        state = start
        for t in range(problem.steps):
            state = packed.step(vectors, products, {name: part[t] for name, part in rows.items()}, state)
        loss = state[problem.cell.output].sum()
        gradients = torch.autograd.grad(loss, [*matrices, *others], allow_unused=True)
        return loss, list(gradients[: len(matrices)])

    return step


def compiled_scan(problem: Problem) -> Step:
    """The scan operator of torch, compiled by torch.compile."""
    from torch._higher_order_ops.scan import scan

    packed, vectors, products, x, start = _packed(problem)
    matrices, others = _leaves(vectors, products)

    def run(vectors: list[Tensor], products: Products, x: Tensor) -> Tensor:
        driven = packed.drive(products, x.flatten(1, 2))
        rows = {name: part.unflatten(1, x.shape[1:3]).movedim(1, 0) for name, part in driven.items()}

        def step(state: dict[str, Tensor], row: dict[str, Tensor]) -> tuple[dict[str, Tensor], Tensor]:
            after = {name: part.clone() for name, part in packed.step(vectors, products, row, state).items()}
            return after, after[problem.cell.output].clone()

        return scan(step, start, rows, dim=0)[1][-1].sum()

    compiled = torch.compile(run, fullgraph=True, dynamic=False)

    def step() -> tuple[Tensor, list[Tensor | None]]:
        loss = compiled(vectors, products, x)
        gradients = torch.autograd.grad(loss, [*matrices, *others], allow_unused=True)
        return loss, list(gradients[: len(matrices)])

    return step


def jax_scan(problem: Problem) -> Step:
    """`jax.lax.scan` under jit, and under vmap if there are several members."""
    import jax
    import jax.numpy as jnp

    functions = {"sigmoid": jax.nn.sigmoid, "relu": jax.nn.relu, "rsqrt": jax.lax.rsqrt}
    functions |= {name: getattr(jnp, name) for name in ELEMENTARY}
    packed = Packed(problem.cell, functions).at(problem.inputs, problem.hidden)
    w, x, state = problem.draw()
    vectors, products = packed.weights(w)
    numbers = jax.tree.map(lambda tensor: jnp.asarray(tensor.numpy()), (vectors, products, x, state))

    def loss(weights: Any, x: Any, start: Any) -> Any:
        vectors, products = weights
        driven = packed.drive(products, x.reshape(-1, x.shape[-1]))
        rows = {name: part.reshape(*x.shape[:2], -1) for name, part in driven.items()}

        def step(state: Any, row: Any) -> Any:
            return packed.step(vectors, products, row, state), None

        return jax.lax.scan(step, start, rows)[0][problem.cell.output].sum()

    def squeezed(tree: Any) -> Any:
        return jax.tree.map(lambda leaf: leaf[0], tree) if problem.members == 1 else tree

    vectors, products, x, state = squeezed(numbers)
    gradient = jax.value_and_grad(loss)
    run = jax.jit(gradient if problem.members == 1 else jax.vmap(gradient))

    def step() -> tuple[Any, list[Any]]:
        value, (_, products_) = jax.block_until_ready(run((vectors, products), x, state))
        return value, [matrix for group, _ in products_ for matrix in group]

    return step


class Peer(NamedTuple):
    """A peer, and how it is run."""

    make: Callable[[Problem], Step]
    members: int
    cells: tuple[str, ...] | None
    """The cells it has; None for all."""
    environment: dict[str, str]


MEMORY_RETAINED = {
    "MALLOC_MMAP_THRESHOLD_": "4294967296",
    "MALLOC_TRIM_THRESHOLD_": "4294967296",
    "MALLOC_TOP_PAD_": "268435456",
}
"""glibc retains freed memory; without this, large allocations cost page faults."""
ONE_THREAD = {"XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"}

PEERS = {
    "torch.nn": Peer(torch_nn, 1, tuple(LIBRARY), {}),
    "torch.nn, memory kept": Peer(torch_nn, 1, tuple(LIBRARY), MEMORY_RETAINED),
    "torch.nn cell in a loop": Peer(torch_nn_cell, 1, tuple(LIBRARY), {}),
    "Python loop": Peer(python_loop, 1, None, {}),
    "torch.compile scan": Peer(compiled_scan, 4, None, {}),
    "JAX scan": Peer(jax_scan, 1, None, ONE_THREAD),
    "JAX vmap(scan)": Peer(jax_scan, 16, None, ONE_THREAD),
}


def cell(name: str) -> Cell:
    return catalogue()[name]()
