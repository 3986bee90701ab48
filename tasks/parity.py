"""The parity problem."""

import math

import torch
from torch import Generator
from torch.nn.functional import embedding

from tasks.base import (
    Batch,
    Classification,
    ClassTargets,
    Episodic,
    ExtraTest,
    FlagPerMember,
    Outputs,
    PerMember,
    Weight,
    steps_before_error,
)

EXTRA_TEST_LENGTH, EXTRA_TEST_SEQUENCES = 10, 64  # the length in units of the lag


class Parity(Episodic, Classification):
    """Running parity of a sequence of bits.

        y_t = x_1 ⊕ x_2 ⊕ … ⊕ x_t

    Bits are drawn uniformly. T = lag. Every step counts. One bit of memory is enough, but it must flip at every 1, and
    after one mistake all later states are wrong.

    Inputs: one-hot bit. Outputs: the logits of even and odd. Targets: the running parity. Trivial predictor: any constant,
    accuracy 1/2, loss ln 2. score = 2 · accuracy − 1. A predictor from the last k bits is correct at the first k steps and
    at chance later.

        >>> batch = Parity().stream(Generator().manual_seed(0), batch=1, lag=12).next()
        >>> "".join("01"[step.argmax()] for step in batch.inputs[:, 0])
        '011011111110'
        >>> "".join("eo"[parity] for parity in batch.targets[:, 0])
        'eoeeoeoeoeoo'

    Extra test `error_free_steps`: the number of steps before the first error in 64 sequences of 10 · lag steps, averaged
    over sequences. Solving requires 99 % of the maximum, 10 · lag. At chance the expectation is 1.

    Source: the parity problem of Bengio, Simard & Frasconi (1994). Differences: in the paper the parity is due at the last
    step only, and lengths vary; here it is due at every step, so that every prefix is a sequence.
    """

    name = "parity"
    group = "state"
    reference = "after Bengio, Simard & Frasconi, 1994"
    lag_means = "sequence length"
    minimum_lag = 2
    criterion = (
        "accuracy above 99 % on the test sequences; on sequences ten times as long, no error in 99 % of the steps"
    )
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
        steps = EXTRA_TEST_LENGTH * lag
        sequences = self.sample(generator, EXTRA_TEST_SEQUENCES, steps)
        return {"error_free_steps": ExtraTest([sequences], self.error_free_steps, 0.99 * steps)}

    def error_free_steps(self, outputs: Outputs, targets: ClassTargets, weight: Weight) -> PerMember:
        """Return the number of steps before the first error, averaged over sequences."""
        return steps_before_error(outputs.argmax(-1) == targets, weight)

    def solved(self, outputs: Outputs, targets: ClassTargets, weight: Weight) -> FlagPerMember:
        return self.accuracy(outputs, targets, weight) > 0.99

    def trivial_loss(self, lag: int) -> float:
        return math.log(2)
