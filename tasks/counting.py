"""Counting: next-symbol prediction on the languages aⁿbⁿ and aⁿbⁿcⁿ."""

import torch
from jaxtyping import Bool, Int64
from torch import Generator, Tensor
from torch.nn.functional import embedding

from tasks.base import Batch, Episodic, ExtraTest, Outputs, PerMember, ValueTargets, Weight, one_of
from tasks.prediction import Prediction, best_constant_loss

TESTED, REQUIRED = (
    10,
    2,
)  # in units of the lag: the largest n of the extra test, and the largest n needed to solve the task


class Counting(Episodic, Prediction):
    """Prediction of the symbols that may follow in strings aⁿbⁿ.

    n is drawn uniformly from 1 to lag. A string starts with S. Its end, T, is due after the last b but not shown. With
    `symbols=3` the strings are aⁿbⁿcⁿ. The symbols that may follow are

        after S: a
        after an a: a or b
        after a b: b; after the n-th: T (aⁿbⁿcⁿ: c)
        after a c: c; after the n-th: T

    The length of a batch is 1 + symbols · lag steps. The steps after a string's last symbol are blank and do not count.

    Inputs: one-hot S, a, b (c). Outputs: one logit for each of a, b (c), T. Targets: 1 for every symbol that may follow,
    0 for the others. score = the share of strings that are correct at every step.

    Trivial predictor: any constant, which is correct on no string. A predictor without memory is correct at most at n = 1,
    a score of 1/lag; one from the last symbol and the time at most at n = 1, 2, 4, 8, … The loss of the best constant is
    the sum of the binary entropies of the shares of steps at which each symbol may follow. With m = (lag + 1)/2, the mean
    of n, these are 1 + m for a, 2m − 1 for b (m for c) and 1 for T, divided by the mean length 1 + 2m (1 + 3m).

        >>> batch = Counting().stream(Generator().manual_seed(1), batch=1, lag=4).next()
        >>> for shown, legal, counts in zip(batch.inputs[:, 0], batch.targets[:, 0], batch.weight[:, 0], strict=True):
        ...     if counts:
        ...         print("Sab"[shown.argmax()], "->", *(name for name, may in zip("abT", legal, strict=True) if may))
        S -> a
        a -> a b
        a -> a b
        b -> b
        b -> T

    Extra test `largest_n`: the largest n such that the strings from 1 to n are all correct, tested up to 10 · lag. Solving
    requires 2 · lag. Memorising the training strings, or measuring n by a decay, does not generalise far beyond lag.

    Source: Gers & Schmidhuber (2001), simple context-free and context-sensitive languages. Differences: the paper trains
    on one string at a time, with squared error, and judges a symbol by the distance of an output from its target.
    """

    name = "counting"
    group = "count"
    reference = "Gers & Schmidhuber, 2001"
    lag_means = "largest n in training"
    minimum_lag = 2
    stops_when_solved = False  # many networks count far at one moment of training and not at the next
    criterion = (
        "at the end of training, every string of the test set and of all n up to twice the lag is correct at every step"
    )

    def __init__(self, *, symbols: int = 2) -> None:
        """`symbols`: the number of different symbols, 2 (aⁿbⁿ) or 3 (aⁿbⁿcⁿ)."""
        self.symbols = one_of("symbols", symbols, (2, 3))
        self.codes = torch.eye(symbols + 2)[:, : symbols + 1].contiguous()  # S, a, b, (c,) blank
        one_hot = torch.eye(symbols + 1)
        self.sets = torch.cat([one_hot[:1], one_hot[:1] + one_hot[1:2], one_hot[1:]])  # a; a or b; b; (c;) T

    def sizes(self, lag: int) -> tuple[int, int]:
        return self.symbols + 1, self.symbols + 1

    def steps(self, lag: int) -> int:
        return 1 + self.symbols * self.checked(lag)

    def sample(self, generator: Generator, batch: int, lag: int) -> Batch:
        n = torch.randint(1, lag + 1, (batch,), generator=generator)
        return self.strings(n, self.steps(lag))

    def strings(self, n: Int64[Tensor, " batch"], T: int) -> Batch:
        """Return a batch with one string per element of `n`, in T steps: symbols, the sets that may follow, the steps that count."""
        step = torch.arange(T).unsqueeze(1)
        block = (step + n - 1) // n  # 0 at S, 1 at the a's, 2 at the b's, ...; it continues to increase after the end
        shown, last = block.clamp(max=self.symbols + 1), step == block * n
        # The set that follows depends on the block and, from the b's on, on whether the block ends.
        follows = (block + (last & (block > 1)).long()).clamp(max=self.symbols + 1)
        counts = block <= self.symbols
        return Batch(
            inputs=embedding(shown, self.codes),
            targets=embedding(follows, self.sets),
            weight=counts.float(),
            events={"turn": last & (block > 1) & counts, "query": counts},
        )

    def extra_tests(self, generator: Generator, lag: int) -> dict[str, ExtraTest]:
        n = torch.arange(1, TESTED * lag + 1)
        strings = self.strings(n, 1 + self.symbols * len(n))
        return {"largest_n": ExtraTest([strings], self.largest_n, REQUIRED * lag)}

    def largest_n(self, outputs: Outputs, targets: ValueTargets, weight: Weight) -> PerMember:
        """Return the number of strings before the first that is not correct."""
        return self.correct_strings(outputs, targets, weight).cummin(-1).values.sum(-1).float()

    def correct_strings(
        self, outputs: Outputs, targets: ValueTargets, weight: Weight
    ) -> Bool[Tensor, "*members batch"]:
        """Return which strings are correct at every step."""
        return (self.correct(outputs, targets) | (weight == 0)).all(-2)

    def score(self, outputs: Outputs, targets: ValueTargets, weight: Weight) -> PerMember:
        return self.correct_strings(outputs, targets, weight).float().mean(-1)

    def trivial_loss(self, lag: int) -> float:
        m = (lag + 1) / 2
        steps = [1 + m, 2 * m - 1, *([m] if self.symbols == 3 else []), 1]
        return best_constant_loss(torch.tensor(steps) / (1 + self.symbols * m))
