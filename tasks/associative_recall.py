"""Associative recall: the value of a key among key-value pairs."""

import math

import torch
from torch import Generator

from tasks.base import Batch, Classification, ClassTargets, Episodic, FlagPerMember, Outputs, Weight, whole


class AssociativeRecall(Episodic, Classification):
    """Recall of the values of queried keys after a list of key-value pairs.

    The first lag steps show a pair each, the other lag steps a key each, whose value is due. T = 2 · lag. There are twice
    as many keys as pairs. The keys of the pairs are drawn uniformly without replacement, the values uniformly from
    `values`. Each query is drawn uniformly from the keys of the pairs, with replacement, so that its pair cannot be
    predicted. The absence of a value marks a query. Only the queries count.

    Inputs: one-hot key (2 · lag), one-hot value. Outputs: one logit per value. Targets: the value of the current key.
    Trivial predictor: any constant, accuracy 1/values, loss ln(values).
    score = (accuracy − 1/values) / (1 − 1/values). A memory for values without keys is correct for one of the lag pairs
    and at chance for the others, a score of 1/lag.

        >>> batch = AssociativeRecall().stream(Generator().manual_seed(0), batch=1, lag=4).next()
        >>> def read(step, names):
        ...     return "".join(name for name, on in zip(names, step, strict=True) if on)
        >>> " ".join(read(step, "abcdefgh01234567") for step in batch.inputs[:, 0])
        'c1 d3 e5 g2 c g e c'
        >>> "".join("01234567"[value] for value in batch.targets[4:, 0])
        '1251'

    Source: the associative retrieval problem of Ba, Hinton, Mnih, Leibo & Ionescu (2016). Differences: in the paper keys
    are 26 letters and values 10 digits, a key and its value are two steps, and there is one query, after the sign ??.
    """

    name = "associative_recall"
    group = "content"
    reference = "after Ba, Hinton, Mnih, Leibo & Ionescu, 2016"
    lag_means = "number of pairs"
    minimum_lag = 2
    criterion = "accuracy above 99 % over the queries of the test sequences"

    def __init__(self, *, values: int = 8) -> None:
        """`values`: the number of different values, 2 to 1000."""
        self.values = whole("values", values, 2, 1000)
        self.chance = 1 / values

    def sizes(self, lag: int) -> tuple[int, int]:
        return 2 * lag + self.values, self.values

    def steps(self, lag: int) -> int:
        return 2 * self.checked(lag)

    def sample(self, generator: Generator, batch: int, lag: int) -> Batch:
        T, keys = self.steps(lag), 2 * lag
        paired = torch.rand(keys, batch, generator=generator).argsort(0)[:lag]
        value = torch.randint(self.values, (lag, batch), generator=generator)
        queried = torch.randint(lag, (lag, batch), generator=generator)
        key = torch.cat([paired, paired.gather(0, queried)])
        inputs = torch.zeros(T, batch, keys + self.values)
        inputs.scatter_(-1, key.unsqueeze(-1), 1)
        inputs[:lag].scatter_(-1, keys + value.unsqueeze(-1), 1)
        weight = torch.zeros(T, batch)
        weight[lag:] = 1
        return Batch(
            inputs=inputs,
            targets=torch.cat([value, value.gather(0, queried)]),
            weight=weight,
            events={"pair": weight == 0, "query": weight > 0},
        )

    def solved(self, outputs: Outputs, targets: ClassTargets, weight: Weight) -> FlagPerMember:
        return self.accuracy(outputs, targets, weight) > 0.99

    def trivial_loss(self, lag: int) -> float:
        return math.log(self.values)
