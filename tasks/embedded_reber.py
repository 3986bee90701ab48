"""Embedded Reber: next-symbol prediction on strings of the embedded Reber grammar."""

import torch
from torch import Generator

from tasks.base import Batch, Episodic
from tasks.prediction import best_constant_loss
from tasks.reber import Reber, walk

EXTRA_STEPS = 20  # beyond the shortest strings


class EmbeddedReber(Episodic, Reber):
    """Prediction of the symbols that may follow in strings of the embedded Reber grammar.

    A string is B, an outer symbol T or P, an inner Reber string, the same outer symbol, E. Inner strings have at least lag
    symbols: the walk through the grammar avoids the exit before that. The length of a batch is lag + 24 steps. The steps
    after a string's end are blank; the few longer strings (1 in 500) are cut. All steps before the last E count.

    Inputs: one-hot B, T, P, S, X, V, E. Outputs: one logit for each of these. Targets: 1 for the symbols that the grammar
    allows next, one or two, 0 for the others. The long-term dependency is the return of the outer symbol:

        score = 2 · accuracy − 1,  accuracy = the share of returns at which the correct one of T and P has the larger logit

    Trivial predictor: any constant. The loss of the best one is the sum of the binary entropies of the shares of steps at
    which each symbol may follow, computed from the graph of the grammar.

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

    Source: experiment 1 of Hochreiter & Schmidhuber (1997). Differences: new strings in every batch, where the paper has
    256 for training and 256 for the test; the target is the set of symbols that may follow, not the one that does follow,
    with cross-entropy in place of squared error; inner strings have at least lag symbols, where the paper has the minimum
    of the grammar, 5.
    """

    name = "embedded_reber"
    group = "latch"
    reference = "experiment 1 of Hochreiter & Schmidhuber, 1997"

    def steps(self, lag: int) -> int:
        return self.checked(lag) + 4 + EXTRA_STEPS

    def sample(self, generator: Generator, batch: int, lag: int) -> Batch:
        graph = walk(lag, endless=False)
        return graph.batch(graph.nodes(generator, torch.zeros(batch, dtype=torch.int64), self.steps(lag)))

    def trivial_loss(self, lag: int) -> float:
        return best_constant_loss(walk(lag, endless=False).shares(self.steps(lag)))
