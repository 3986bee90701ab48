"""Continual Reber: strings of a grammar, one after the other without an end, and no sign where one ends."""

import torch
from jaxtyping import Bool, Float
from torch import Generator, Tensor

from tasks.base import Batch, ExtraTest, Stream, error_free, one_of
from tasks.prediction import surprise
from tasks.reber import LONGER, Reber, Walk, walk

WINDOW = 60
PROBE_STREAMS, PROBE_WINDOWS, PROBE_WINDOW = 10, 50, 2000
GOOD = 1000.0  # steps without an error


class ContinualReber(Reber):
    """At every step of an endless stream of embedded Reber strings, say which symbols may follow.

    The strings are those of `embedded_reber`, each followed by the next: B comes after the last E. A batch is the next
    window of 60 steps of the same streams; a model carries its state across windows, and nothing tells it that a string
    is over but its symbols. What was held must be let go, or it piles up. Option `reset = True` is the control: the
    model's state is set to zero from outside before the first B of every string. Every step counts.

    Inputs: one-hot B, T, P, S, X, V, E. Outputs: the log odds of the same. Targets: 1 for the symbols that the grammar
    allows next, one or two of them, else 0. What it takes memory for is the outer symbol, T or P, when it returns:

        score = 2 · accuracy − 1,  accuracy = the share of returns at which the right one of T and P is the likelier

    Trivial predictor: any constant. Its loss follows from how often the grammar allows each symbol: the sum of the binary
    entropies of these shares, which are computed from the graph. Evaluations start after a warm-up of 300 steps: the zero
    state is one that training hardly sees.

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

    Extra test `error_free_steps`: the steps before the first error in each of 10 streams of 100,000 steps, after a warm-up of
    2,000: their mean. In the paper, a network with all 100,000 is perfect, one with more than 1,000 is good, and that is
    what solving asks for here.

    Source: Gers, Schmidhuber & Cummins (2000). Differences: many streams at once, cut into windows of 60 steps, where
    they train online on one stream until its first error; the target is the set of symbols that may follow, not the one
    that does; errors count after a warm-up; and the least length of an inner string, which is 5 in the paper.
    """

    name = "continual_reber"
    group = "erase"
    reference = "Gers, Schmidhuber & Cummins, 2000"
    continual = True
    criterion = (
        "no error in 1,000 steps on average, at the end of 64 streams of 1,500 and of 10 streams of 102,000 steps"
    )

    def __init__(self, *, reset: bool = False) -> None:
        """`reset`: whether the model's state is set to zero from outside where a string begins."""
        self.external = one_of("reset", reset, (False, True))

    def steps(self, lag: int) -> int:
        self.checked(lag)
        return WINDOW

    def stream(self, generator: Generator, batch: int, lag: int) -> Stream:
        return _Strings(walk(self.checked(lag), endless=True), generator, batch, WINDOW)

    def evaluation(self, sequences: int, final: bool) -> tuple[int, int, int]:
        return (64, 5, 20) if final else (32, 5, 5)

    def extra_tests(self, generator: Generator, lag: int) -> dict[str, ExtraTest]:
        strings = _Strings(walk(lag, endless=True), generator, PROBE_STREAMS, PROBE_WINDOW)
        warm_up, *windows = (strings.next() for _ in range(1 + PROBE_WINDOWS))
        windows = [warm_up._replace(weight=torch.zeros_like(warm_up.weight)), *windows]
        return {"error_free_steps": ExtraTest(windows, self.error_free_steps, GOOD)}

    def error_free_steps(
        self,
        outputs: Float[Tensor, "*members time batch symbols"],
        targets: Float[Tensor, "*#members time batch symbols"],
        weight: Float[Tensor, "*#members time batch"],
    ) -> Float[Tensor, "*members"]:
        """How many steps that count come before the first error, the mean over streams."""
        return error_free(self.right(outputs, targets), weight)

    def solved(
        self,
        outputs: Float[Tensor, "*members time batch symbols"],
        targets: Float[Tensor, "*#members time batch symbols"],
        weight: Float[Tensor, "*#members time batch"],
    ) -> Bool[Tensor, "*members"]:
        # A validation has 300 steps, a fourth of the test's 1,200.
        return self.error_free_steps(outputs, targets, weight) >= GOOD / 1200 * weight.shape[-2]

    def trivial_loss(self, lag: int) -> float:
        return surprise(walk(lag, endless=True).shares(lag + LONGER))

    def reset(self, events: dict[str, Bool[Tensor, "*members time batch"]]) -> Tensor | None:
        return events["start"] if self.external else None


class _Strings(Stream):
    """Where each stream is in its string, across windows."""

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
