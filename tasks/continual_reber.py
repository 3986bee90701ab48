"""Continual Reber: next-symbol prediction on endless streams of embedded Reber strings."""

import torch
from torch import Generator, Tensor

from tasks.base import (
    Batch,
    Events,
    ExtraTest,
    FlagPerMember,
    Outputs,
    PerMember,
    Stream,
    ValueTargets,
    Weight,
    one_of,
    steps_before_error,
)
from tasks.prediction import best_constant_loss
from tasks.reber import MAX_EXCESS, Reber, Walk, walk

WINDOW = 60
EXTRA_TEST_STREAMS, EXTRA_TEST_WINDOWS, EXTRA_TEST_WINDOW = 10, 50, 2000
REQUIRED = 1000.0  # steps without an error


class ContinualReber(Reber):
    """Prediction of the symbols that may follow in endless streams of embedded Reber strings.

    The strings are those of `embedded_reber`. Each is followed by the next: after the last E comes B. A batch is the next
    window of 60 steps of the same streams. The model's state is carried across windows, and only the symbols mark the end
    of a string: the memory has to be erased, or it accumulates. Option `reset = True` is the control: the model's state is
    set to zero from outside before the first B of every string. Every step counts.

    Inputs: one-hot B, T, P, S, X, V, E. Outputs: one logit for each of these. Targets: 1 for the symbols that the grammar
    allows next, one or two, 0 for the others. The long-term dependency is the return of the outer symbol:

        score = 2 · accuracy − 1,  accuracy = the share of returns at which the correct one of T and P has the larger logit

    Trivial predictor: any constant. The loss of the best one is the sum of the binary entropies of the shares of steps at
    which each symbol may follow, computed from the graph of the grammar. Evaluations start with a warm-up of 300 steps,
    because the zero state is rare in training.

        >>> batch = ContinualReber().stream(Generator().manual_seed(2), batch=1, lag=5).next()
        >>> "".join("BTPSXVE"[step.argmax()] for step in batch.inputs[:, 0])
        'BTBPTVVETEBTBPTTTTVPXVVETEBTBTSXXTVVETEBTBTXXVVETEBPBTSXXTTV'
        >>> for step in 8, 9, 10, 11:
        ...     print("BTPSXVE"[batch.inputs[step, 0].argmax()], "->", *(
        ...         symbol for symbol, may in zip("BTPSXVE", batch.targets[step, 0], strict=True) if may))
        T -> E
        E -> B
        B -> T P
        T -> B

    Extra test `error_free_steps`: the number of steps before the first error in 10 streams of 100,000 steps after a warm-up
    of 2,000, averaged over streams. The paper calls a network with 100,000 steps perfect and one with more than 1,000 good.
    Solving requires 1,000.

    Source: Gers, Schmidhuber & Cummins (2000). Differences: many streams in parallel, in windows of 60 steps, where the
    paper trains online on one stream until its first error; the target is the set of symbols that may follow, not the one
    that does follow; errors count after a warm-up; inner strings have at least lag symbols, where the paper has the
    minimum of the grammar, 5.
    """

    name = "continual_reber"
    group = "erase"
    reference = "Gers, Schmidhuber & Cummins, 2000"
    continual = True
    criterion = (
        "at least 1,000 steps before the first error, averaged over streams: "
        "over the last 1,200 steps of 64 streams of 1,500 and the last 100,000 of 10 streams of 102,000"
    )

    def __init__(self, *, reset: bool = False) -> None:
        """`reset`: whether the model's state is set to zero from outside before every string."""
        self.reset_state = one_of("reset", reset, (False, True))

    def steps(self, lag: int) -> int:
        self.checked(lag)
        return WINDOW

    def stream(self, generator: Generator, batch: int, lag: int) -> Stream:
        return _Strings(walk(self.checked(lag), endless=True), generator, batch, WINDOW)

    def evaluation(self, sequences: int, final: bool) -> tuple[int, int, int]:
        return (64, 5, 20) if final else (32, 5, 5)

    def extra_tests(self, generator: Generator, lag: int) -> dict[str, ExtraTest]:
        strings = _Strings(walk(lag, endless=True), generator, EXTRA_TEST_STREAMS, EXTRA_TEST_WINDOW)
        warm_up, *windows = (strings.next() for _ in range(1 + EXTRA_TEST_WINDOWS))
        windows = [warm_up._replace(weight=torch.zeros_like(warm_up.weight)), *windows]
        return {"error_free_steps": ExtraTest(windows, self.error_free_steps, REQUIRED)}

    def error_free_steps(self, outputs: Outputs, targets: ValueTargets, weight: Weight) -> PerMember:
        """Return the number of steps that count before the first error, averaged over streams."""
        return steps_before_error(self.correct(outputs, targets), weight)

    def solved(self, outputs: Outputs, targets: ValueTargets, weight: Weight) -> FlagPerMember:
        # The threshold is for the 1,200 steps of a test. A validation has 300 steps and a quarter of the threshold.
        return self.error_free_steps(outputs, targets, weight) >= REQUIRED / 1200 * weight.shape[-2]

    def trivial_loss(self, lag: int) -> float:
        return best_constant_loss(walk(lag, endless=True).shares(lag + MAX_EXCESS))

    def reset(self, events: Events) -> Tensor | None:
        return events["start"] if self.reset_state else None


class _Strings(Stream):
    """Windows of streams, with the node of each stream in the graph carried across windows."""

    def __init__(self, walk: Walk, generator: Generator, batch: int, window: int) -> None:
        self.walk, self.generator, self.window = walk, generator, window
        self.node = torch.zeros(batch, dtype=torch.int64)

    def next(self) -> Batch:
        nodes = self.walk.nodes(self.generator, self.node, self.window)
        self.node = nodes[-1].clone()
        return self.walk.batch(nodes)

    def state(self) -> dict[str, Tensor]:
        return {"generator": self.generator.get_state(), "node": self.node.clone()}

    def load(self, state: dict[str, Tensor]) -> None:
        self.generator.set_state(state["generator"])
        self.node = state["node"].clone()
