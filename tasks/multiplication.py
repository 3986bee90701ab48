"""The multiplication problem."""

from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from tasks.base import FlagPerMember, Outputs, ValueTargets, Weight, mean
from tasks.marks import VARIANTS, Marked


class Multiplication(Marked):
    """Product of two marked values in a sequence of random values, due at the last step.

    Each step is a pair of a value from U[0, 1] and a mark. The mark is 1 at two steps, one drawn uniformly from the first
    half (steps 0 to T//2 − 1) and one from the second (T//2 to T − 1), and 0 elsewhere. T = lag. Only the last step
    counts. An additive memory, which can accumulate the sum of `adding`, cannot accumulate a product.

    Inputs: value, mark. Outputs: one value. Targets: the product.
    Trivial predictor: the mean, 1/4. Its MSE is the variance of the product, 1/9 − 1/16 = 7/144.
    score = 1 − MSE / variance of the targets.

        >>> from torch import Generator
        >>> batch = Multiplication().stream(Generator().manual_seed(1), batch=1, lag=6).next()
        >>> for value, mark in batch.inputs[:, 0]:
        ...     print(f"{value:.2f}{' marked' if mark else ''}")
        0.76
        0.28
        0.40 marked
        0.73
        0.03
        0.80 marked
        >>> print(f"{batch.targets[-1, 0, 0]:.2f}")
        0.32

    Variant `hs97` is experiment 5 of Hochreiter & Schmidhuber (1997). Lengths and marks are those of variant `hs97` of
    `adding`. If the first pair is marked, its value is set to 1.

        >>> batch = Multiplication(variant="hs97").stream(Generator().manual_seed(6), batch=1, lag=22).next()
        >>> for step, (value, mark) in enumerate(batch.inputs[:, 0]):
        ...     if mark:
        ...         print(step, f"{value:.2f} {mark:+.0f}")
        0 0.57 -1
        4 0.23 +1
        10 0.33 +1
        22 0.39 -1
        >>> print(f"{batch.targets[batch.weight > 0].item():.3f}")
        0.078

    The first pair is marked with probability P = 1/10 + 9/10 · 1/(lag//2 − 1), and the product is then distributed as
    U[0, 1]. Hence its mean is (1 + P)/4, the mean of its square is (1 + 2P)/9, and the trivial predictor's MSE is
    (1 + 2P)/9 − (1 + P)²/16: 0.0592 at lag 100, 0.0577 in the limit of long lags.

    Differences of `hs97` from the paper: its criterion (13 of the last 2,000 training sequences) is applied to the test
    set; and if the first pair is marked, the value of that pair is set to 1, where the paper sets the value marked first.
    The default has the form that later work gives to the adding problem, with sequences of one length and without end
    marks.
    """

    name = "multiplication"
    group = "latch"
    reference = "experiment 5 of Hochreiter & Schmidhuber, 1997"
    criteria: ClassVar = dict.fromkeys(VARIANTS, "fewer than 13 in 2,000 test sequences have an error above 0.04")
    neutral = 1.0

    def value(self, uniform: Float[Tensor, "time batch"]) -> Float[Tensor, "time batch"]:
        return uniform

    def answer(self, first: Float[Tensor, " batch"], second: Float[Tensor, " batch"]) -> Float[Tensor, " batch"]:
        return first * second

    def solved(self, outputs: Outputs, targets: ValueTargets, weight: Weight) -> FlagPerMember:
        within = ((outputs - targets).abs() <= 0.04).all(-1)  # false where an output is not a number
        return mean(1 - within.to(weight.dtype), weight) < 13 / 2000

    def trivial_loss(self, lag: int) -> float:
        p = self.first_pair_marked(lag) if self.hs97 else 0
        return (1 + 2 * p) / 9 - (1 + p) ** 2 / 16
