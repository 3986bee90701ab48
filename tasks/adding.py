"""Adding: two numbers, far apart, and their sum at the end."""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from tasks.base import Batch, Episodic, Regression, mean, one_of, worst

FIRST = 10  # hs97 marks one of the first ten pairs


class Adding(Episodic, Regression):
    """Every step shows a value and a mark; the sum of the two marked values is asked for at the last step.

    Values are from U[0, 1]. The mark is 1 at two steps, any step of the first half (steps 0 to T//2 − 1) and any of the
    second (T//2 to T − 1), and 0 elsewhere. T = lag. Only the last step counts.

    Inputs: value, mark. Outputs: one. Targets: the sum. Trivial predictor: the mean, 1; its MSE is the variance of the
    sum, 2 · 1/12 = 1/6. score = 1 − MSE / variance of the targets.

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

    Variant `hs97` is experiment 4 of Hochreiter & Schmidhuber (1997). Values are from U[−1, 1]. A sequence has between
    lag and lag + lag//10 pairs, any number alike; T = lag + lag//10 and the steps after a sequence's end are 0. First
    one of the first 10 pairs is marked, then one of the first lag//2 − 1 pairs that are still unmarked: the second mark
    may precede the first. Marked pairs carry 1, the others 0, but for the first and the last pair, which carry −1 where
    unmarked. If the first pair is marked, its value is set to 0. Target: 0.5 + sum/4, read at the sequence's last pair.

    Trivial predictor: 0.5. The first pair is marked with probability P = 1/10 + 9/10 · 1/(lag//2 − 1), a value has
    variance 1/3, hence the MSE (2 − P)/48: 0.0392 at lag 100, 0.0396 for long lags.

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

    Differences of `hs97` from the paper: its criterion is applied to the test set; and the paper, where the first pair
    is marked, sets X1, the value marked first, to 0, while here it is whichever value the first pair holds. The default
    is the form of later work (Le, Jaitly & Hinton 2015; Arjovsky, Shah & Bengio 2016): one length, no end marks.
    """

    name = "adding"
    group = "latch"
    reference = "experiment 4 of Hochreiter & Schmidhuber, 1997"
    lag_means = "sequence length (hs97: the smallest)"
    minimum_lag = 2

    def __init__(self, *, variant: Literal["halves", "hs97"] = "halves") -> None:
        """`variant`: "halves", one mark in each half of the sequence, or "hs97", as in the paper."""
        self.hs97 = one_of("variant", variant, ("halves", "hs97")) == "hs97"
        self.criterion = "MSE below 0.01 on the test sequences"
        if self.hs97:
            self.minimum_lag = 2 * (FIRST + 1)  # both marks' ranges hold the first ten pairs
            self.criterion = "every error below 0.04 and their mean below 0.01 on the test sequences"

    def sizes(self, lag: int) -> tuple[int, int]:
        return 2, 1

    def steps(self, lag: int) -> int:
        return self.checked(lag) + (lag // 10 if self.hs97 else 0)

    def sample(self, generator: Generator, batch: int, lag: int) -> Batch:
        T = self.steps(lag)
        step = torch.arange(T).unsqueeze(1)
        value = torch.rand(T, batch, generator=generator)
        if self.hs97:
            value = 2 * value - 1
            end = lag - 1 + torch.randint(T - lag + 1, (batch,), generator=generator)
            first = torch.randint(FIRST, (batch,), generator=generator)
            second = torch.randint(lag // 2 - 1, (batch,), generator=generator)
            second = second + (second >= first)
        else:
            end = torch.full((batch,), T - 1)
            first = torch.randint(T // 2, (batch,), generator=generator)
            second = torch.randint(T // 2, T, (batch,), generator=generator)
        marked, query = (step == first) | (step == second), step == end
        signal = marked.float()
        if self.hs97:
            value = value.masked_fill((marked & (step == 0)) | (step > end), 0)
            signal = signal - (((step == 0) | query) & ~marked).float()
        total = (value * marked).sum(0)
        return Batch(
            inputs=torch.stack([value, signal], -1),
            targets=(0.5 + total / 4 if self.hs97 else total).repeat(T, 1).unsqueeze(-1),
            weight=query.float(),
            events={"mark": marked, "query": query},
        )

    def solved(
        self,
        outputs: Float[Tensor, "*members time batch outputs"],
        targets: Float[Tensor, "*#members time batch outputs"],
        weight: Float[Tensor, "*#members time batch"],
    ) -> Tensor:
        if self.hs97:
            errors = (outputs - targets).abs()
            return (worst(errors, weight) < 0.04) & (mean(errors.mean(-1), weight) < 0.01)
        return self.loss(outputs, targets, weight) < 0.01

    def trivial_loss(self, lag: int) -> float:
        return (2 - 1 / FIRST - (1 - 1 / FIRST) / (lag // 2 - 1)) / 48 if self.hs97 else 1 / 6
