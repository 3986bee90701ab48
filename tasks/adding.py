"""The adding problem."""

from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from tasks.base import FlagPerMember, Outputs, ValueTargets, Weight, mean, share_below
from tasks.marks import Marked


class Adding(Marked):
    """Sum of two marked values in a sequence of random values, due at the last step.

    Each step is a pair of a value from U[0, 1] and a mark. The mark is 1 at two steps, one drawn uniformly from the first
    half (steps 0 to T//2 − 1) and one from the second (T//2 to T − 1), and 0 elsewhere. T = lag. Only the last step
    counts.

    Inputs: value, mark. Outputs: one value. Targets: the sum.
    Trivial predictor: the mean, 1. Its MSE is the variance of the sum, 2 · 1/12 = 1/6.
    score = 1 − MSE / variance of the targets.

        >>> from torch import Generator
        >>> batch = Adding().stream(Generator().manual_seed(1), batch=1, lag=6).next()
        >>> for value, mark in batch.inputs[:, 0]:
        ...     print(f"{value:.2f}{' marked' if mark else ''}")
        0.76
        0.28
        0.40 marked
        0.73
        0.03
        0.80 marked
        >>> print(f"{batch.targets[-1, 0, 0]:.2f}")
        1.20

    Variant `hs97` is experiment 4 of Hochreiter & Schmidhuber (1997). Values are from U[−1, 1]. The number of pairs is
    drawn uniformly from lag to lag + lag//10. T = lag + lag//10, and the steps after a sequence's end are 0. One of the
    first 10 pairs is marked, then one of the first lag//2 − 1 unmarked pairs, so that the second mark may precede the
    first. The mark is 1 at the marked pairs, −1 at the first and the last pair if unmarked, and 0 elsewhere. If the first
    pair is marked, its value is set to 0. The target is 0.5 + sum/4, due at the sequence's last pair.

    Trivial predictor of `hs97`: 0.5. The first pair is marked with probability P = 1/10 + 9/10 · 1/(lag//2 − 1), and a
    value has variance 1/3. Hence the MSE is (2 − P)/48: 0.0392 at lag 100, 0.0396 in the limit of long lags.

        >>> batch = Adding(variant="hs97").stream(Generator().manual_seed(6), batch=1, lag=22).next()
        >>> for step, (value, mark) in enumerate(batch.inputs[:, 0]):
        ...     if mark:
        ...         print(step, f"{value:+.2f} {mark:+.0f}")
        0 +0.14 -1
        4 -0.53 +1
        10 -0.33 +1
        22 -0.23 -1
        >>> print(f"{batch.targets[batch.weight > 0].item():.2f}")
        0.28

    Differences of `hs97` from the paper: its criterion is applied to the test set; and if the first pair is marked, the
    value of that pair is set to 0, where the paper sets X1, the value marked first. The default is the form of later work
    (Le, Jaitly & Hinton 2015; Arjovsky, Shah & Bengio 2016), with sequences of one length and without end marks.
    """

    name = "adding"
    group = "latch"
    reference = "experiment 4 of Hochreiter & Schmidhuber, 1997"
    neutral = 0.0
    criteria: ClassVar = {
        "halves": "MSE below 0.01 on the test sequences",
        "hs97": "errors below 0.04 in more than 99 % of the test sequences, and a mean error below 0.01",
    }

    def value(self, uniform: Float[Tensor, "time batch"]) -> Float[Tensor, "time batch"]:
        return 2 * uniform - 1 if self.hs97 else uniform

    def answer(self, first: Float[Tensor, " batch"], second: Float[Tensor, " batch"]) -> Float[Tensor, " batch"]:
        return 0.5 + (first + second) / 4 if self.hs97 else first + second

    def solved(self, outputs: Outputs, targets: ValueTargets, weight: Weight) -> FlagPerMember:
        if self.hs97:
            errors = (outputs - targets).abs()
            return (share_below(0.04, errors, weight) > 0.99) & (mean(errors.mean(-1), weight) < 0.01)
        return self.loss(outputs, targets, weight) < 0.01

    def trivial_loss(self, lag: int) -> float:
        return (2 - self.first_pair_marked(lag)) / 48 if self.hs97 else 1 / 6
