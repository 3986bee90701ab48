"""Parity: has the number of ones so far been odd?"""

import math

import torch
from jaxtyping import Float, Int64
from torch import Generator, Tensor
from torch.nn.functional import embedding

from tasks.base import Batch, Classification, Episodic, ExtraTest, error_free

FURTHER, SEQUENCES = 10, 64  # the probe's sequences are so many times as long, and so many


class Parity(Episodic, Classification):
    """Every step shows a bit; at every step the parity of all bits so far is due.

        y_t = x_1 ⊕ x_2 ⊕ … ⊕ x_t

    Bits are drawn uniformly. T = lag; every step counts. One bit of memory is enough, but every one that is read must
    flip it: one slip, and all that follows is wrong.

    Inputs: one-hot bit. Outputs: even, odd. Targets: the running parity. Trivial predictor: any constant, accuracy 1/2,
    loss ln 2. score = 2 · accuracy − 1. Who knows only the last few bits is right at the first few steps and at every
    other one by chance.

        >>> batch = Parity().stream(Generator().manual_seed(0), batch=1, lag=12).next()
        >>> "".join("01"[step.argmax()] for step in batch.inputs[:, 0])
        '011011111110'
        >>> "".join("eo"[parity] for parity in batch.targets[:, 0])
        'eoeeoeoeoeoo'

    Extra test `error_free_steps`: in 64 sequences of 10 · lag steps, the steps before the first error, the mean over
    sequences. It is at most 10 · lag, which solving asks for; who is right
    by chance has 1.

    Source: the parity problem of Bengio, Simard & Frasconi (1994). Differences: they ask at the last step only, of
    sequences whose lengths differ; here the running parity is asked, so that every prefix is a sequence of its own.
    """

    name = "parity"
    group = "state"
    reference = "after Bengio, Simard & Frasconi, 1994"
    lag_means = "sequence length"
    minimum_lag = 2
    criterion = "accuracy of 100 % on the test sequences and on the longer ones"
    chance = 0.5
    codes = torch.eye(2)

    def sizes(self, lag: int) -> tuple[int, int]:
        return 2, 2

    def steps(self, lag: int) -> int:
        return self.checked(lag)

    def sample(self, generator: Generator, batch: int, lag: int) -> Batch:
        bit = torch.randint(2, (self.steps(lag), batch), generator=generator)
        weight = torch.ones(bit.shape)
        return Batch(embedding(bit, self.codes), bit.cumsum(0) % 2, weight, {"flip": bit == 1, "query": weight > 0})

    def extra_tests(self, generator: Generator, lag: int) -> dict[str, ExtraTest]:
        longer = self.sample(generator, SEQUENCES, FURTHER * lag)
        return {
            "error_free_steps": ExtraTest(
                [longer], lambda y, targets, w: error_free(y.argmax(-1) == targets, w), FURTHER * lag
            )
        }

    def solved(
        self,
        outputs: Float[Tensor, "*members time batch classes"],
        targets: Int64[Tensor, "*#members time batch"],
        weight: Float[Tensor, "*#members time batch"],
    ) -> Tensor:
        return self.accuracy(outputs, targets, weight) == 1

    def trivial_loss(self, lag: int) -> float:
        return math.log(2)
