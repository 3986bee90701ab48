"""Counting: aⁿbⁿ. Having read the a's, know when the b's are over."""

import torch
from jaxtyping import Bool, Float, Int64
from torch import Generator, Tensor
from torch.nn.functional import embedding

from tasks.base import Batch, Episodic, ExtraTest, one_of
from tasks.prediction import Prediction, surprise

FURTHER, DEMANDED = 10, 2  # the probe asks for every n up to so many times the lag, and solving for so many


class Counting(Episodic, Prediction):
    """At every step of a string aⁿbⁿ, say which symbols may follow.

    n is drawn uniformly from 1 to lag. A string starts with S and ends with T, which is due after the last b and not
    shown. With `symbols=3` the strings are aⁿbⁿcⁿ. What may follow:

        after S: a
        after an a: a or b
        after a b: b, after the n-th: T (aⁿbⁿcⁿ: c)
        after a c: c, after the n-th: T

    T = 1 + symbols · lag; the steps after a string's last symbol are blank and do not count.

    Inputs: one-hot S, a, b (c). Outputs: the log odds of a, b (c), T. Targets: 1 for every symbol that may follow, else 0.
    score = the share of strings that are right at every step. Trivial predictor: any constant, which is never right;
    one without memory is right at n = 1 at most (1/lag), one that knows the last symbol and the time at
    n = 1, 2, 4, 8, … at most. The loss of the best constant follows from how often each symbol may follow, with
    m = (lag + 1)/2 the mean of n and 1 + 2m steps (1 + 3m): a at 1 + m, b at m + m − 1, T at 1 of them (and c at m).

        >>> batch = Counting().stream(Generator().manual_seed(1), batch=1, lag=4).next()
        >>> for shown, legal, counts in zip(batch.inputs[:, 0], batch.targets[:, 0], batch.weight[:, 0], strict=True):
        ...     if counts:
        ...         print("Sab"[shown.argmax()], "->", *(name for name, may in zip("abT", legal, strict=True) if may))
        S -> a
        a -> a b
        a -> a b
        b -> b
        b -> T

    Extra test `largest_n`: the largest n such that every string from 1 to n is right, of those up to 10 · lag. Who has learned
    the strings it has seen by heart, or counts them down by a decay, does not get far beyond lag.

    Source: Gers & Schmidhuber (2001), simple context-free and context-sensitive languages. Differences: they train on
    one string at a time, with squared error, and judge a symbol by an output's distance from its target.
    """

    name = "counting"
    group = "count"
    reference = "Gers & Schmidhuber, 2001"
    lag_means = "largest n trained"
    minimum_lag = 2
    criterion = "every string of the test set is right at every step, and so is every n up to twice the lag"

    def __init__(self, *, symbols: int = 2) -> None:
        """`symbols`: how many different ones are counted, 2 (aⁿbⁿ) or 3 (aⁿbⁿcⁿ)."""
        self.symbols = one_of("symbols", symbols, (2, 3))
        self.codes = torch.eye(symbols + 2)[:, : symbols + 1].contiguous()  # S, a, b, (c,) nothing
        one = torch.eye(symbols + 1)
        self.sets = torch.cat([one[:1], one[:1] + one[1:2], one[1:]])  # a; a or b; b; (c;) T

    def sizes(self, lag: int) -> tuple[int, int]:
        return self.symbols + 1, self.symbols + 1

    def steps(self, lag: int) -> int:
        return 1 + self.symbols * self.checked(lag)

    def sample(self, generator: Generator, batch: int, lag: int) -> Batch:
        n = torch.randint(1, lag + 1, (batch,), generator=generator)
        return self.strings(n, self.steps(lag))

    def strings(self, n: Int64[Tensor, " batch"], T: int) -> Batch:
        """One string for every n, in T steps."""
        step = torch.arange(T).unsqueeze(1)
        block = (step + n - 1) // n  # 0 at S, 1 at the a's, 2 at the b's, ..., and on after the end
        shown, last = block.clamp(max=self.symbols + 1), step == block * n
        # What follows: after S and the a's it is the same for all; later a block goes on, or the next one starts.
        follows = (block + (last & (block > 1)).long()).clamp(max=self.symbols + 1)
        counts = block <= self.symbols
        return Batch(
            inputs=embedding(shown, self.codes),
            targets=embedding(follows, self.sets),
            weight=counts.float(),
            events={"turn": last & (block > 1) & counts, "query": counts},
        )

    def extra_tests(self, generator: Generator, lag: int) -> dict[str, ExtraTest]:
        n = torch.arange(1, FURTHER * lag + 1)
        every = self.strings(n, 1 + self.symbols * len(n))
        return {"largest_n": ExtraTest([every], self.largest, DEMANDED * lag)}

    def largest(
        self,
        outputs: Float[Tensor, "*members time batch symbols"],
        targets: Float[Tensor, "*#members time batch symbols"],
        weight: Float[Tensor, "*#members time batch"],
    ) -> Float[Tensor, "*members"]:
        """How many strings are right before the first that is not."""
        return self.whole(outputs, targets, weight).cummin(-1).values.sum(-1).float()

    def whole(
        self,
        outputs: Float[Tensor, "*members time batch symbols"],
        targets: Float[Tensor, "*#members time batch symbols"],
        weight: Float[Tensor, "*#members time batch"],
    ) -> Bool[Tensor, "*members batch"]:
        """Which strings are right at every step."""
        return (self.right(outputs, targets) | (weight == 0)).all(-2)

    def score(
        self,
        outputs: Float[Tensor, "*members time batch symbols"],
        targets: Float[Tensor, "*#members time batch symbols"],
        weight: Float[Tensor, "*#members time batch"],
    ) -> Float[Tensor, "*members"]:
        return self.whole(outputs, targets, weight).float().mean(-1)

    def trivial_loss(self, lag: int) -> float:
        m = (lag + 1) / 2
        legal = [1 + m, 2 * m - 1, *([m] if self.symbols == 3 else []), 1]
        return surprise(torch.tensor(legal) / (1 + self.symbols * m))
