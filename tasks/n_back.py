"""The n-back task."""

import math

import torch
from torch import Generator
from torch.nn.functional import embedding

from tasks.base import Batch, Classification, ClassTargets, Episodic, FlagPerMember, Outputs, Weight, whole

COUNTED = 50  # steps that count in every sequence


class NBack(Episodic, Classification):
    """Recall, at every step, of the symbol shown n = lag steps before.

    Symbols are drawn uniformly from `alphabet`. T = lag + 50. The first lag steps do not count. The distance is fixed, so
    that a shift register solves the task and no symbol has to be selected. At n ≤ 2 the task is a control, on which all
    cells are expected to perform equally.

    Inputs: one-hot symbol. Outputs: one logit per symbol. Targets: the symbol of lag steps before; at the first lag steps,
    that of the first step. Trivial predictor: any constant, accuracy 1/alphabet, loss ln(alphabet).
    score = (accuracy − 1/alphabet) / (1 − 1/alphabet).

        >>> batch = NBack().stream(Generator().manual_seed(0), batch=1, lag=2).next()
        >>> "".join("abcd"[step.argmax()] for step in batch.inputs[:12, 0])
        'adbaddddbdbc'
        >>> "".join("abcd"[due] if counts else " " for due, counts in zip(batch.targets[:12], batch.weight, strict=False))
        '  adbaddddbd'

    Source: the n-back task of Kirchner (1958). Differences: in the paper, subjects report which light was on n steps
    before; here the output is a class. The same-or-different form that is usual in psychology today is easier.
    """

    name = "n_back"
    group = "short"
    reference = "Kirchner, 1958"
    lag_means = "steps from a symbol to its recall"
    minimum_lag = 1
    criterion = "accuracy above 99 % on the test sequences"

    def __init__(self, *, alphabet: int = 4) -> None:
        """`alphabet`: the number of symbols, 2 to 1000."""
        self.alphabet = whole("alphabet", alphabet, 2, 1000)
        self.chance = 1 / alphabet
        self.codes = torch.eye(alphabet)

    def sizes(self, lag: int) -> tuple[int, int]:
        return self.alphabet, self.alphabet

    def steps(self, lag: int) -> int:
        return self.checked(lag) + COUNTED

    def sample(self, generator: Generator, batch: int, lag: int) -> Batch:
        T = self.steps(lag)
        symbol = torch.randint(self.alphabet, (T, batch), generator=generator)
        weight = torch.ones(T, batch)
        weight[:lag] = 0
        return Batch(
            inputs=embedding(symbol, self.codes),
            targets=torch.cat([symbol[:1].expand(lag, -1), symbol[:-lag]]),
            weight=weight,
            events={"query": weight > 0},
        )

    def solved(self, outputs: Outputs, targets: ClassTargets, weight: Weight) -> FlagPerMember:
        return self.accuracy(outputs, targets, weight) > 0.99

    def trivial_loss(self, lag: int) -> float:
        return math.log(self.alphabet)
