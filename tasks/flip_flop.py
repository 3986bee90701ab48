"""Flip-flop language modelling: the bit written last."""

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
    mean,
)

WRITES = 20  # per sequence on average, without the first
IGNORE, WRITE, READ = 0, 2, 4  # codes of a step; the bit is added to the first two
EXTRA_TEST_STEPS, EXTRA_TEST_SEQUENCES = 512, 50
EXTRA_TEST_RATES = {"sparse_score": (1, 100), "dense_score": (9, 20)}
"""The probability of a write, equal to that of a read, as numerator and denominator."""


class FlipFlop(Episodic, Classification):
    """Recall of the bit written last in a sequence of write, ignore and read instructions.

    Each step is an instruction with a bit: a write with probability 1/lag, a read with probability 1/lag, otherwise an
    ignore. Bits are drawn uniformly; reads show none. The first step is a write, the last a read. Thus the last write is
    lag steps before a read on average, and T = 20 · lag gives about 20 writes. The memory must be overwritten, but never
    erased. Only the reads count.

    Inputs: ignore, write, read, one-hot bit. Outputs: one logit per bit. Targets: the bit written last.
    Trivial predictor: any constant, accuracy 1/2, loss ln 2. The bit of the first write is correct in more than half of the
    reads if writes are few. Therefore the score is that of the worse of two groups of reads:

        score = 2 a − 1,  a = min(accuracy where the target equals the first bit written, accuracy where it does not)

    Recall of the last bit, ignored or not, is correct if that bit was written and at chance otherwise: a score of
    1/(lag − 1).

        >>> batch = FlipFlop().stream(Generator().manual_seed(5), batch=1, lag=3).next()
        >>> "".join("iwr"[step[:3].argmax()] for step in batch.inputs[:24, 0])
        'wwwrriiiwiwwirwwrwiwrrwr'
        >>> "".join("01"[step[3:].argmax()] if step[3:].any() else "." for step in batch.inputs[:24, 0])
        '101..00100101.00.011..0.'
        >>> "".join("01"[bit] if counts else " " for bit, counts in zip(batch.targets[:24], batch.weight, strict=False))
        '   11        0  0   11 0'

    Extra tests `sparse_score` and `dense_score`: the score on 50 sequences of 512 steps with a probability of ignore of
    0.98 and 0.1, and equal probabilities of write and read. Solving requires 0.998, an accuracy of 0.999 in both
    groups of reads: no error in the sparse sequences, which have about 300 reads.

    Source: flip-flop language modelling of Liu et al. (2023), where the probability of ignore is 0.8 (lag 10) and T = 512.
    Differences: an instruction and its bit are one step, not two tokens; only the bits after reads are trained, not every
    token; T grows with the lag.
    """

    name = "flip_flop"
    group = "overwrite"
    reference = "Liu, Ash, Goel, Krishnamurthy & Zhang, 2023"
    lag_means = "mean steps from write to read"
    minimum_lag = 2
    criterion = "accuracy above 99.9 % over the reads of the test sequences and of both extra tests"
    chance = 0.5
    codes = torch.tensor([[1, 0, 0, 1, 0], [1, 0, 0, 0, 1], [0, 1, 0, 1, 0], [0, 1, 0, 0, 1], [0, 0, 1, 0, 0.0]])

    def sizes(self, lag: int) -> tuple[int, int]:
        return 5, 2

    def steps(self, lag: int) -> int:
        return WRITES * self.checked(lag)

    def sample(self, generator: Generator, batch: int, lag: int) -> Batch:
        return _sequences(generator, batch, self.steps(lag), 1, lag)

    def extra_tests(self, generator: Generator, lag: int) -> dict[str, ExtraTest]:
        tests = {}
        for name, (writes, of) in EXTRA_TEST_RATES.items():
            sequences = _sequences(generator, EXTRA_TEST_SEQUENCES, EXTRA_TEST_STEPS, writes, of)
            tests[name] = ExtraTest([sequences], self.score, 0.998)
        return tests

    def score(self, outputs: Outputs, targets: ClassTargets, weight: Weight) -> PerMember:
        wrong = (outputs.argmax(-1) != targets).to(weight.dtype)
        first = targets == targets[..., :1, :]  # the first step is a write
        return 1 - torch.maximum(mean(wrong, weight * ~first), mean(wrong, weight * first)) / (1 - self.chance)

    def solved(self, outputs: Outputs, targets: ClassTargets, weight: Weight) -> FlagPerMember:
        return self.accuracy(outputs, targets, weight) > 0.999

    def trivial_loss(self, lag: int) -> float:
        return math.log(2)


def _sequences(generator: Generator, batch: int, T: int, writes: int, of: int) -> Batch:
    """Draw sequences in which a step is a write with probability `writes / of`, and a read with the same probability."""
    number = torch.randint(2 * of, (T, batch), generator=generator)
    bit, instruction = number & 1, number >> 1
    instruction[0], instruction[-1] = 0, writes
    write, read = instruction < writes, (instruction >= writes) & (instruction < 2 * writes)
    # The last write so far has the largest step. Its bit is the lowest bit of the number `2 * step + bit`.
    step = torch.arange(T).unsqueeze(1)
    last_write = ((2 * step + bit) * write).cummax(0).values
    code = torch.where(read, READ, IGNORE + bit + (WRITE - IGNORE) * write)
    return Batch(
        inputs=embedding(code, FlipFlop.codes),
        targets=last_write & 1,
        weight=read.float(),
        events={"write": write, "ignore": ~(write | read), "query": read},
    )
