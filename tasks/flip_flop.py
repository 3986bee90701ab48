"""Flip-flop: what was written last? Everything else is to be ignored."""

import math

import torch
from jaxtyping import Bool, Float, Int64
from torch import Generator, Tensor
from torch.nn.functional import embedding

from tasks.base import Batch, Classification, Episodic, ExtraTest, mean

WRITES = 20  # beside the first, on average
IGNORE, WRITE, READ = 0, 2, 4  # codes of the steps: the first two with a bit of 0, or one higher with a bit of 1
EXTRA_TEST_STEPS, EXTRA_TEST_SEQUENCES = 512, 50
PROBES = {
    "sparse_score": (100, 1),
    "dense_score": (20, 9),
}  # name -> of so many steps, so many writes and so many reads


class FlipFlop(Episodic, Classification):
    """Every step is an instruction with a bit: write it, ignore it, or read, which asks for the bit written last.

    A step is a write with probability 1/lag, a read with 1/lag, else ignored; its bit is drawn uniformly, and blank at
    reads. The first step is a write, the last a read. So the write that a read asks for is lag steps back on average,
    and a sequence has some 20 writes: T = 20 · lag. What a write leaves must be overwritten, never erased.

    Inputs: ignore, write, read, one-hot bit. Outputs: one per bit. Targets: the bit written last. Reads count.
    Trivial predictor: any constant, accuracy 1/2, loss ln 2. But who says the first write all along is right more often
    than not where writes are few, and who says its opposite where they differ always. So both count, and the worse:

        score = 2 a − 1,  a = min(accuracy where the answer is not the first write, accuracy where it is)

    Who says the last bit, ignored or not, is right where that was written and else by chance: 1/(lag − 1).

        >>> batch = FlipFlop().stream(Generator().manual_seed(5), batch=1, lag=3).next()
        >>> "".join("iwr"[step[:3].argmax()] for step in batch.inputs[:24, 0])
        'wwwrriiiwiwwirwwrwiwrrwr'
        >>> "".join("01"[step[3:].argmax()] if step[3:].any() else "." for step in batch.inputs[:24, 0])
        '101..00100101.00.011..0.'
        >>> "".join("01"[bit] if counts else " " for bit, counts in zip(batch.targets[:24], batch.weight, strict=False))
        '   11        0  0   11 0'

    Probes `sparse_score` and `dense_score`: the score in 50 sequences of 512 steps, of which a share of 0.98 or of 0.1
    is ignored, and half of the others are reads.

    Source: flip-flop language modelling of Liu et al. (2023), where 0.8 are ignored (lag 10) and T = 512. Differences:
    an instruction and its bit are one step, not two tokens; only the answers to reads are trained, not every token; T
    grows with the lag.
    """

    name = "flip_flop"
    group = "overwrite"
    reference = "Liu, Ash, Goel, Krishnamurthy & Zhang, 2023"
    lag_means = "mean steps from write to read"
    minimum_lag = 2
    criterion = "every read of the test sequences and of both probes is right"
    chance = 0.5
    codes = torch.tensor([[1, 0, 0, 1, 0], [1, 0, 0, 0, 1], [0, 1, 0, 1, 0], [0, 1, 0, 0, 1], [0, 0, 1, 0, 0.0]])

    def sizes(self, lag: int) -> tuple[int, int]:
        return 5, 2

    def steps(self, lag: int) -> int:
        return WRITES * self.checked(lag)

    def sample(self, generator: Generator, batch: int, lag: int) -> Batch:
        return _sequences(generator, batch, self.steps(lag), lag, 1)

    def extra_tests(self, generator: Generator, lag: int) -> dict[str, ExtraTest]:
        return {
            name: ExtraTest(
                [_sequences(generator, EXTRA_TEST_SEQUENCES, EXTRA_TEST_STEPS, of, writes)], self.score, 1.0
            )
            for name, (of, writes) in PROBES.items()
        }

    def score(
        self,
        outputs: Float[Tensor, "*members time batch classes"],
        targets: Int64[Tensor, "*#members time batch"],
        weight: Float[Tensor, "*#members time batch"],
    ) -> Float[Tensor, "*members"]:
        wrong = (outputs.argmax(-1) != targets).to(weight.dtype)
        first = targets == targets[..., :1, :]  # the first step is a write
        return 1 - torch.maximum(mean(wrong, weight * ~first), mean(wrong, weight * first)) / (1 - self.chance)

    def solved(
        self,
        outputs: Float[Tensor, "*members time batch classes"],
        targets: Int64[Tensor, "*#members time batch"],
        weight: Float[Tensor, "*#members time batch"],
    ) -> Bool[Tensor, "*members"]:
        return self.accuracy(outputs, targets, weight) == 1

    def trivial_loss(self, lag: int) -> float:
        return math.log(2)


def _sequences(generator: Generator, batch: int, T: int, of: int, writes: int) -> Batch:
    """Sequences in which of `of` steps `writes` are writes and as many reads, on average."""
    drawn = torch.randint(2 * of, (T, batch), generator=generator)
    bit, drawn = drawn & 1, drawn >> 1
    drawn[0], drawn[-1] = 0, writes
    write, read = drawn < writes, (drawn >= writes) & (drawn < 2 * writes)
    # The latest write has the largest step, and its bit is the lowest of this number's.
    step = torch.arange(T).unsqueeze(1)
    last = ((2 * step + bit) * write).cummax(0).values
    code = torch.where(read, READ, IGNORE + bit + (WRITE - IGNORE) * write)
    return Batch(
        inputs=embedding(code, FlipFlop.codes),
        targets=last & 1,
        weight=read.float(),
        events={"write": write, "ignore": ~(write | read), "query": read},
    )
