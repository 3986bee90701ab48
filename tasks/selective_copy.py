"""Selective copy: symbols scattered among noise, to be said in order at the end."""

import torch
from jaxtyping import Int64
from torch import Generator, Tensor

from tasks.base import whole
from tasks.copy import TAIL, Copy


class SelectiveCopy(Copy):
    """`symbols` symbols of an alphabet of 8 lie among at least `lag` steps of noise; after a cue they are recalled.

    There are lag + n steps of noise before the cue, P(n) ∝ 0.9ⁿ, n ≤ 50, so that no timer finds the cue. A symbol has
    some of them before it, any number from none to all alike, drawn for each symbol by itself; symbols with the same
    number follow each other. So it is not known when a symbol comes, and how far back each will lie: where `copy` can
    be done by a memory that shifts at every step, here it may shift at some steps only. Noise is a blank. The cue is one
    step; recall starts at the next. Blanks fill up the sequence. T = 2 · symbols + lag + 51. Recall steps count.

    Inputs: one-hot symbol (8), blank, cue. Outputs: one per symbol. Targets: at a recall step the symbol that is due.
    Trivial predictor: any constant, accuracy 1/8, loss ln 8. score = (accuracy − 1/8) / (7/8), over symbols.

        >>> batch = SelectiveCopy(symbols=4).stream(Generator().manual_seed(1), batch=1, lag=10).next()
        >>> "".join("abcdefgh.!"[step.argmax()] for step in batch.inputs[:30, 0])
        '....f..d..ea..!...............'
        >>> "".join("abcdefgh"[due] if counts else " " for due, counts in zip(batch.targets, batch.weight, strict=True)).strip()
        'fdea'

    Source: Gu & Dao (2023), after the denoise task of Jing et al. (2019). Differences: 4 symbols by default, theirs 10 to
    16; one cue, then blanks, where theirs has one cue for each symbol; theirs has a fixed number of noise steps.
    """

    name = "selective_copy"
    group = "capacity"
    reference = "after Gu & Dao, 2023"
    lag_means = "smallest number of noise steps"
    tail = TAIL

    def __init__(self, *, symbols: int = 4) -> None:
        """`symbols`: how many are copied, 1 to 100."""
        self.symbols = whole("symbols", symbols, 1, 100)

    def places(self, generator: Generator, blanks: Int64[Tensor, " batch"]) -> Int64[Tensor, "symbols batch"]:
        drawn = torch.rand(self.symbols, len(blanks), generator=generator)
        before = (drawn * (blanks + 1)).long().sort(0).values
        return before + torch.arange(self.symbols).unsqueeze(1)
