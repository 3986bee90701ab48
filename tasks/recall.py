"""Recall: keep one symbol among others of its kind until it is asked for."""

import math
from typing import Literal

import torch
from jaxtyping import Float, Int64
from torch import Generator, Tensor
from torch.nn.functional import embedding

from tasks.base import Batch, Classification, Episodic, geometric, one_of, whole, worst

CUE_STEPS = 10  # the cue falls on one of the first ten steps
TAIL = 50  # the query comes at most this much later than the lag


class Recall(Episodic, Classification):
    """One symbol is flagged; many steps later it is asked for.

    Every step shows one of `alphabet` symbols, drawn uniformly. One of the first ten steps, any alike, carries the cue
    flag: its symbol is the answer. The query follows at distance lag + n with P(n) ∝ 0.9ⁿ, n ≤ 50: a step that carries
    the query flag and no symbol. The steps after it are blank. T = lag + 60. Because the distractors are of the cue's
    own alphabet, holding on needs a decision at every step; because a query that has not come yet is equally likely at
    every step, no timer helps.

    Inputs: one-hot symbol (`alphabet`), cue flag, query flag. Outputs: one per symbol. Targets: the cue's symbol.
    Only the query step counts. Trivial predictor: any constant, accuracy 1/alphabet, loss ln(alphabet).
    score = (accuracy − 1/alphabet) / (1 − 1/alphabet).

        >>> def read(step, names):
        ...     return "".join(name for name, on in zip(names, step, strict=True) if on) or "."
        >>> batch = Recall(alphabet=4).stream(Generator().manual_seed(3), batch=1, lag=20).next()
        >>> "".join(read(step, "abcd!?") for step in batch.inputs[:, 0])
        'cabdaaabbd!cdbbcbdcaaabdcacbcc?..................................................'
        >>> "abcd"[batch.targets[batch.weight > 0].item()]
        'd'

    Variant `plain` is task 2c of Hochreiter & Schmidhuber (1997): the first symbol is x or y, all others are one of
    `alphabet` distractors, the query as above (the paper's symbol e). No flag is needed to know the cue, nor gates to
    keep it. Inputs: x, y, one-hot distractor, query flag. Outputs: x, y. Accuracy of the trivial predictor 1/2.

        >>> batch = Recall(variant="plain").stream(Generator().manual_seed(3), batch=1, lag=20).next()
        >>> "".join(read(step, "xyabcd?") for step in batch.inputs[:, 0])
        'yabdaaabbdcdbbcbdcaa?...........................................................'
        >>> "xy"[batch.targets[batch.weight > 0].item()]
        'y'

    Differences from the paper (both variants): no start symbol b before the cue; `alphabet` does not grow with the lag;
    the tail is cut at 50; softmax and cross-entropy in place of two sigmoids and squared error, so that "error" means
    |probability − target|; the criterion of `plain` is applied to the test set, not to 10,000 sequences. The flagged
    form is this project's.
    """

    name = "recall"
    group = "latch"
    reference = "after task 2c of Hochreiter & Schmidhuber, 1997"
    lag_means = "smallest distance from cue to query"
    minimum_lag = 1

    def __init__(self, *, alphabet: int = 4, variant: Literal["flagged", "plain"] = "flagged") -> None:
        """`alphabet`: how many symbols (plain: distractors) there are, 2 to 1000. `variant`: "flagged" or "plain"."""
        self.alphabet = whole("alphabet", alphabet, 2, 1000)
        self.plain = one_of("variant", variant, ("flagged", "plain")) == "plain"
        self.classes = 2 if self.plain else alphabet
        self.chance = 1 / self.classes
        self.criterion = (
            "every error below 0.2 on all test sequences" if self.plain else "accuracy above 99 % on the test sequences"
        )
        self.codes = _codes(alphabet, self.plain)

    def sizes(self, lag: int) -> tuple[int, int]:
        return self.codes.shape[1], self.classes

    def steps(self, lag: int) -> int:
        return self.checked(lag) + CUE_STEPS + TAIL

    def sample(self, generator: Generator, batch: int, lag: int) -> Batch:
        T, n = self.steps(lag), self.alphabet
        step = torch.arange(T).unsqueeze(1)
        symbol = torch.randint(n, (T, batch), generator=generator)
        if self.plain:
            at = torch.zeros(batch, dtype=torch.int64)
            answer = torch.randint(2, (batch,), generator=generator)
        else:
            at = torch.randint(CUE_STEPS, (batch,), generator=generator)
            answer = symbol.gather(0, at.unsqueeze(0)).squeeze(0)
        ask = at + lag + geometric(generator, batch, mean=10, most=TAIL)
        cue, query, before = step == at, step == ask, step < ask
        code = torch.where(cue, answer + n, torch.where(before, symbol, 2 * n + 1 - query.long()))
        return Batch(
            inputs=embedding(code, self.codes),
            targets=answer.repeat(T, 1),
            weight=query.float(),
            events={"cue": cue, "distractor": before & ~cue, "query": query},
        )

    def solved(
        self,
        outputs: Float[Tensor, "*members time batch classes"],
        targets: Int64[Tensor, "*#members time batch"],
        weight: Float[Tensor, "*#members time batch"],
    ) -> Tensor:
        if self.plain:
            return worst(self.errors(outputs, targets), weight) < 0.2
        return self.accuracy(outputs, targets, weight) > 0.99

    def trivial_loss(self, lag: int) -> float:
        return math.log(self.classes)


def _codes(alphabet: int, plain: bool) -> Float[Tensor, "codes features"]:
    """The input at a step by what the step is: a distractor, a cue with its symbol, the query, nothing."""
    features = alphabet + (3 if plain else 2)
    codes = torch.zeros(2 * alphabet + 2, features)
    symbols = torch.arange(alphabet)
    codes[symbols, symbols + (2 if plain else 0)] = 1
    codes[alphabet + symbols, symbols] = 1  # in `plain` the cues are the first two features
    if not plain:
        codes[alphabet + symbols, alphabet] = 1
    codes[2 * alphabet, features - 1] = 1
    return codes
