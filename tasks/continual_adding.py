"""Continual adding: a running sum with resets, in endless streams."""

import torch
from torch import Generator, Tensor

from tasks.base import Batch, Events, FlagPerMember, Outputs, Regression, Stream, ValueTargets, Weight, one_of

WINDOW = 60
MARK, QUERY = 0.15, 0.2


class ContinualAdding(Regression):
    """Sum of the marked values since the last reset, in endless streams.

    Each step of a stream has four numbers, drawn independently: a value v from U[−½, ½], a mark (p = 0.15), a reset
    (p = 1/lag) and a query (p = 0.2). Within a step the order is reset, mark, query:

        s ← 0 if reset;    s ← s + v if marked;    the target is s, and counts if queried.

    A stream starts with s = 0. A batch is the next window of 60 steps of the same streams. The model's state is carried
    across windows, and only the reset flag marks the end of a sum. Option `reset = True` is the control: the model's
    state is set to zero from outside before every reset step.

    Inputs: value, mark, reset, query. Outputs: one value. Targets: s at every step. Only the queries count.

    Trivial predictor: the constant 0. Let N be the number of steps since the last reset, the reset step and the current
    one included. P(N = n) = p (1 − p)ⁿ⁻¹ with p = 1/lag, so that E N = lag. A step adds a value of mean 0 and variance
    1/12 with probability 0.15, hence Var s = 0.15/12 · E N = lag/80, and lag/80 · (1 − (1 − p)ᵗ) at t steps after the
    start of the stream. score = 1 − MSE / variance of the targets at the queries. Evaluations start with a warm-up,
    because the zero state is rare in training.

    Source: this project. Differences from the continual embedded Reber grammar of Gers, Schmidhuber & Cummins (2000): the
    inputs are those of the adding problem of Hochreiter & Schmidhuber (1997) with resets and queries, and training is
    cheaper.

        >>> batch = ContinualAdding().stream(Generator().manual_seed(3479), batch=1, lag=5).next()
        >>> for (value, *flags), total, counts in zip(batch.inputs[:8, 0], batch.targets[:8, 0, 0], batch.weight[:8]):
        ...     names = [name for name, on in zip(("marked", "reset", "query"), flags, strict=True) if on]
        ...     print(f"{value:+.2f}", *names, *([f"-> {total:+.2f}"] if counts else []))
        +0.12 marked
        -0.43 marked query -> -0.31
        -0.13 reset
        +0.17 query -> +0.00
        -0.22
        -0.11 marked query -> -0.11
        +0.20
        +0.14
    """

    name = "continual_adding"
    group = "erase"
    reference = "this project, after Gers, Schmidhuber & Cummins, 2000"
    lag_means = "mean steps between resets"
    minimum_lag = 2
    continual = True
    criterion = "score of at least 0.95 over the last 300 of 3,000 steps"

    def __init__(self, *, reset: bool = False) -> None:
        """`reset`: whether the model's state is set to zero from outside before every reset step."""
        self.reset_state = one_of("reset", reset, (False, True))

    def sizes(self, lag: int) -> tuple[int, int]:
        return 4, 1

    def steps(self, lag: int) -> int:
        self.checked(lag)
        return WINDOW

    def stream(self, generator: Generator, batch: int, lag: int) -> Stream:
        return _Sums(generator, batch, self.checked(lag))

    def evaluation(self, sequences: int, final: bool) -> tuple[int, int, int]:
        return (64, 45, 5) if final else (32, 5, 5)

    def solved(self, outputs: Outputs, targets: ValueTargets, weight: Weight) -> FlagPerMember:
        return self.score(outputs, targets, weight) >= 0.95

    def trivial_loss(self, lag: int) -> float:
        return MARK / 12 * lag

    def reset(self, events: Events) -> Tensor | None:
        return events["reset"] if self.reset_state else None


class _Sums(Stream):
    """Windows of streams, with the running sum of each stream carried across windows."""

    def __init__(self, generator: Generator, batch: int, lag: int) -> None:
        self.generator, self.lag = generator, lag
        self.sum = torch.zeros(batch)

    def next(self) -> Batch:
        uniform = torch.rand(WINDOW, len(self.sum), 4, generator=self.generator)
        value = uniform[..., 0] - 0.5
        mark, reset, query = uniform[..., 1] < MARK, uniform[..., 2] < 1 / self.lag, uniform[..., 3] < QUERY
        added = value * mark
        # s = total − total before the last reset. Before a window's first reset, the latter is minus the sum at the
        # window's start: row 0 of `before`.
        total = added.cumsum(0)
        before = torch.cat([-self.sum.unsqueeze(0), total - added])
        step = torch.arange(1, WINDOW + 1).unsqueeze(1)
        last_reset = (step * reset).cummax(0).values
        sums = total - before.gather(0, last_reset)
        self.sum = sums[-1]
        return Batch(
            inputs=torch.stack([value, mark, reset, query], -1),
            targets=sums.unsqueeze(-1),
            weight=query.float(),
            events={"mark": mark, "reset": reset, "query": query},
        )

    def state(self) -> dict[str, Tensor]:
        return {"generator": self.generator.get_state(), "sum": self.sum.clone()}

    def load(self, state: dict[str, Tensor]) -> None:
        self.generator.set_state(state["generator"])
        self.sum = state["sum"].clone()
