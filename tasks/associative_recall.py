"""Associative recall: pairs of a key and a value, then keys whose values are asked for."""

import math

import torch
from jaxtyping import Float, Int64
from torch import Generator, Tensor

from tasks.base import Batch, Classification, Episodic, whole


class AssociativeRecall(Episodic, Classification):
    """First come lag pairs, a key and a value in one step; then lag steps with a key each, whose value is due.

    There are twice as many keys as pairs. The keys of the pairs are different ones, any choice and order alike; values
    are drawn uniformly from `values`, and so are the keys that are asked from those shown, each time anew. T = 2 · lag.
    That a step asks can be seen, as it has no value; when the key that it asks for was shown cannot be known before.

    Inputs: one-hot key (2 · lag), one-hot value. Outputs: one per value. Targets: the value of the key at this step.
    Steps that ask count. Trivial predictor: any constant, accuracy 1/values, loss ln(values).
    score = (accuracy − 1/values) / (1 − 1/values). Who remembers the values but not their keys is right for one of the
    lag pairs, and by chance for the others: a score of 1/lag.

        >>> batch = AssociativeRecall().stream(Generator().manual_seed(0), batch=1, lag=4).next()
        >>> def read(step, names):
        ...     return "".join(name for name, on in zip(names, step, strict=True) if on)
        >>> " ".join(read(step, "abcdefgh01234567") for step in batch.inputs[:, 0])
        'c1 d3 e5 g2 c g e c'
        >>> "".join("01234567"[value] for value in batch.targets[4:, 0])
        '1251'

    Source: the associative retrieval problem of Ba, Hinton, Mnih, Leibo & Ionescu (2016). Differences: there keys are 26
    letters, values 10 digits, a key and its value are two steps, and one key is asked for, after ?? as a sign.
    """

    name = "associative_recall"
    group = "content"
    reference = "after Ba, Hinton, Mnih, Leibo & Ionescu, 2016"
    lag_means = "pairs"
    minimum_lag = 2
    criterion = "accuracy above 99 % over the asked keys of the test sequences"

    def __init__(self, *, values: int = 8) -> None:
        """`values`: how many different values there are, 2 to 1000."""
        self.values = whole("values", values, 2, 1000)
        self.chance = 1 / values

    def sizes(self, lag: int) -> tuple[int, int]:
        return 2 * lag + self.values, self.values

    def steps(self, lag: int) -> int:
        return 2 * self.checked(lag)

    def sample(self, generator: Generator, batch: int, lag: int) -> Batch:
        T, keys = self.steps(lag), 2 * lag
        shown = torch.rand(keys, batch, generator=generator).argsort(0)[:lag]
        value = torch.randint(self.values, (lag, batch), generator=generator)
        asked = torch.randint(lag, (lag, batch), generator=generator)
        key = torch.cat([shown, shown.gather(0, asked)])
        inputs = torch.zeros(T, batch, keys + self.values)
        inputs.scatter_(-1, key.unsqueeze(-1), 1)
        inputs[:lag].scatter_(-1, keys + value.unsqueeze(-1), 1)
        weight = torch.zeros(T, batch)
        weight[lag:] = 1
        return Batch(
            inputs=inputs,
            targets=torch.cat([value, value.gather(0, asked)]),
            weight=weight,
            events={"pair": weight == 0, "query": weight > 0},
        )

    def solved(
        self,
        outputs: Float[Tensor, "*members time batch classes"],
        targets: Int64[Tensor, "*#members time batch"],
        weight: Float[Tensor, "*#members time batch"],
    ) -> Tensor:
        return self.accuracy(outputs, targets, weight) > 0.99

    def trivial_loss(self, lag: int) -> float:
        return math.log(self.values)
