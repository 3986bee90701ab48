"""Embedded Reber: read a string of a grammar whose second symbol returns near its end."""

import torch
from torch import Generator

from tasks.base import Batch, Episodic
from tasks.prediction import surprise
from tasks.reber import Reber, walk

ROOM = 20  # steps beyond the shortest strings


class EmbeddedReber(Episodic, Reber):
    """At every step of a string of the embedded Reber grammar, say which symbols may follow.

    A string is B, T or P, an inner Reber string, the same T or P again, E. Inner strings have at least lag symbols: the
    walk through the grammar does not leave earlier. T = lag + 24; steps after a string's end are blank, and of the few
    strings that do not end by then (1 in 500), the rest is missing. All steps count but those from the last E on.

    Inputs: one-hot B, T, P, S, X, V, E. Outputs: the log odds of the same. Targets: 1 for the symbols that the grammar
    allows next, one or two of them, else 0. What it takes memory for is the outer symbol, T or P, when it returns:

        score = 2 · accuracy − 1,  accuracy = the share of returns at which the right one of T and P is the likelier

    Trivial predictor: any constant. Its loss follows from how often the grammar allows each symbol: the sum of the binary
    entropies of these shares, which are computed from the graph.

        >>> batch = EmbeddedReber().stream(Generator().manual_seed(0), batch=1, lag=5).next()
        >>> for shown, legal, counts in zip(batch.inputs[:, 0], batch.targets[:, 0], batch.weight[:, 0], strict=True):
        ...     if counts:
        ...         print("BTPSXVE"[shown.argmax()], "->", *(s for s, may in zip("BTPSXVE", legal, strict=True) if may))
        B -> T P
        T -> B
        B -> T P
        P -> T V
        T -> T V
        V -> P V
        V -> E
        E -> T
        T -> E

    Source: experiment 1 of Hochreiter & Schmidhuber (1997). Differences: new strings at every step, not 256 to train on
    and 256 to test on; the target is the set of symbols that may follow, not the one that does, with cross-entropy in
    place of squared error; and the least length of an inner string, which is the grammar's own, 5, in the paper.
    """

    name = "embedded_reber"
    group = "latch"
    reference = "experiment 1 of Hochreiter & Schmidhuber, 1997"

    def steps(self, lag: int) -> int:
        return self.checked(lag) + 4 + ROOM

    def sample(self, generator: Generator, batch: int, lag: int) -> Batch:
        graph = walk(lag, endless=False)
        return graph.batch(graph.nodes(generator, torch.zeros(batch, dtype=torch.int64), self.steps(lag)))

    def trivial_loss(self, lag: int) -> float:
        return surprise(walk(lag, endless=False).shares(self.steps(lag)))
