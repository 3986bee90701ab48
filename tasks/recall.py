"""Recall of one symbol among distractors."""

import math
from typing import Literal

import torch
from jaxtyping import Float
from torch import Generator, Tensor
from torch.nn.functional import embedding

from tasks.base import (
    Batch,
    Classification,
    ClassTargets,
    Episodic,
    FlagPerMember,
    Outputs,
    Weight,
    geometric,
    one_of,
    share_below,
    whole,
)

CUE_STEPS = 10  # the cue falls on one of the first ten steps
TAIL = 50  # the largest distance from cue to query beyond the lag, which it does not exceed either


class Recall(Episodic, Classification):
    """Recall of one flagged symbol among distractors of the same alphabet.

    Each step shows one of `alphabet` symbols, drawn uniformly. One of the first ten steps, drawn uniformly, is the cue: it
    has the cue flag, and its symbol is the target. The query follows lag + n steps after the cue, P(n) ∝ 0.9ⁿ,
    n ≤ m = min(lag, 50): it has the query flag and no symbol. The steps after it are blank. T = lag + m + 10. The
    distractors are of the cue's alphabet, so that the memory has to be protected at every step by a decision on the flag.
    From lag steps after the cue on, the query is equally probable at every step, so that its time cannot be predicted. The
    distance is at most twice the lag.

    Inputs: one-hot symbol (`alphabet`), cue flag, query flag. Outputs: one logit per symbol. Targets: the cue's symbol.
    Only the query step counts. Trivial predictor: any constant, accuracy 1/alphabet, loss ln(alphabet).
    score = (accuracy − 1/alphabet) / (1 − 1/alphabet).

        >>> def read(step, names):
        ...     return "".join(name for name, on in zip(names, step, strict=True) if on) or "."
        >>> batch = Recall(alphabet=4).stream(Generator().manual_seed(3), batch=1, lag=20).next()
        >>> "".join(read(step, "abcd!?") for step in batch.inputs[:, 0])
        'cabd!aaabbdcdbbcbdcaaabdca?........................'
        >>> "abcd"[batch.targets[batch.weight > 0].item()]
        'd'

    Variant `plain` is task 2c of Hochreiter & Schmidhuber (1997). The first symbol is the cue, x or y; all others are one
    of `alphabet` distractors; the query is as above (the paper's symbol e). The cue needs no flag, and no gates are needed
    to protect the memory. Inputs: x, y, one-hot distractor, query flag. Outputs: the logits of x and y. The accuracy of
    the trivial predictor is 1/2.

        >>> batch = Recall(variant="plain").stream(Generator().manual_seed(3), batch=1, lag=20).next()
        >>> "".join(read(step, "xyabcd?") for step in batch.inputs[:, 0])
        'yabdaaabbdcdbbcbdcaaab?...........................'
        >>> "xy"[batch.targets[batch.weight > 0].item()]
        'y'

    Differences from the paper (both variants): no start symbol b before the cue; `alphabet` does not grow with the lag;
    the distribution of n is truncated; softmax and cross-entropy in place of two sigmoids and squared error, so that
    "error" means |probability − target|; the criterion of `plain` is applied to the test set, not to 10,000 sequences. The
    flagged form is from this project.
    """

    name = "recall"
    group = "latch"
    reference = "after task 2c of Hochreiter & Schmidhuber, 1997"
    lag_means = "smallest distance from cue to query"
    minimum_lag = 1

    def __init__(self, *, alphabet: int = 4, variant: Literal["flagged", "plain"] = "flagged") -> None:
        """`alphabet`: the number of symbols (plain: of distractors), 2 to 1000. `variant`: "flagged" or "plain"."""
        self.alphabet = whole("alphabet", alphabet, 2, 1000)
        self.plain = one_of("variant", variant, ("flagged", "plain")) == "plain"
        self.classes = 2 if self.plain else alphabet
        self.chance = 1 / self.classes
        self.criterion = (
            "every error below 0.2 in more than 99 % of the test sequences"
            if self.plain
            else "accuracy above 99 % on the test sequences"
        )
        self.codes = _codes(alphabet, self.plain)

    def sizes(self, lag: int) -> tuple[int, int]:
        return self.codes.shape[1], self.classes

    def steps(self, lag: int) -> int:
        return self.checked(lag) + CUE_STEPS + self.tail(lag)

    def tail(self, lag: int) -> int:
        """Return the largest distance from cue to query beyond the lag."""
        return min(TAIL, lag)

    def sample(self, generator: Generator, batch: int, lag: int) -> Batch:
        T, n = self.steps(lag), self.alphabet
        step = torch.arange(T).unsqueeze(1)
        symbol = torch.randint(n, (T, batch), generator=generator)
        if self.plain:
            cue_step = torch.zeros(batch, dtype=torch.int64)
            answer = torch.randint(2, (batch,), generator=generator)
        else:
            cue_step = torch.randint(CUE_STEPS, (batch,), generator=generator)
            answer = symbol.gather(0, cue_step.unsqueeze(0)).squeeze(0)
        query_step = cue_step + lag + geometric(generator, batch, mean=10, most=self.tail(lag))
        cue, query, before = step == cue_step, step == query_step, step < query_step
        code = torch.where(cue, answer + n, torch.where(before, symbol, 2 * n + 1 - query.long()))
        return Batch(
            inputs=embedding(code, self.codes),
            targets=answer.repeat(T, 1),
            weight=query.float(),
            events={"cue": cue, "distractor": before & ~cue, "query": query},
        )

    def solved(self, outputs: Outputs, targets: ClassTargets, weight: Weight) -> FlagPerMember:
        if self.plain:
            return share_below(0.2, self.errors(outputs, targets), weight) > 0.99
        return self.accuracy(outputs, targets, weight) > 0.99

    def trivial_loss(self, lag: int) -> float:
        return math.log(self.classes)


def _codes(alphabet: int, plain: bool) -> Float[Tensor, "codes features"]:
    """Return the inputs of a step by its code: the distractors, the cues by symbol, the query, a blank."""
    features = alphabet + (3 if plain else 2)
    codes = torch.zeros(2 * alphabet + 2, features)
    symbols = torch.arange(alphabet)
    codes[symbols, symbols + (2 if plain else 0)] = 1
    codes[alphabet + symbols, symbols] = 1  # in `plain` the first two features are the cues x and y
    if not plain:
        codes[alphabet + symbols, alphabet] = 1
    codes[2 * alphabet, features - 1] = 1
    return codes
