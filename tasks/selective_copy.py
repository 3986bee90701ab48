"""The selective copying task."""

import torch
from jaxtyping import Int64
from torch import Generator, Tensor

from tasks.base import whole
from tasks.copy import TAIL, Copy


class SelectiveCopy(Copy):
    """Recall, in order, of symbols scattered among blanks, after a cue.

    A sequence has `symbols` symbols, drawn uniformly from an alphabet of 8, among lag + n blanks (the noise), then one
    cue and the recall steps, at which the symbols are due in order. P(n) ∝ 0.9ⁿ, n ≤ 50, so that the time of the cue
    cannot be predicted. The number of blanks before a symbol is drawn uniformly from 0 to lag + n, independently for each
    symbol, so that neither the times of the symbols nor the distances to recall can be predicted. A memory that shifts
    at every step solves `copy`; here it has to shift at the symbols only. Blanks fill the sequence.
    T = 2 · symbols + lag + 51. Only the recall steps count.

    Inputs: one-hot symbol (8), blank, cue. Outputs: one logit per symbol. Targets: at a recall step the symbol due.
    Trivial predictor: any constant, accuracy 1/8, loss ln 8. score = (accuracy − 1/8) / (7/8), over recall steps.

        >>> batch = SelectiveCopy(symbols=4).stream(Generator().manual_seed(1), batch=1, lag=10).next()
        >>> "".join("abcdefgh.!"[step.argmax()] for step in batch.inputs[:30, 0])
        '....f..d..ea..!...............'
        >>> "".join("abcdefgh"[due] if counts else " " for due, counts in zip(batch.targets, batch.weight, strict=True)).strip()
        'fdea'

    Source: Gu & Dao (2023), after the denoise task of Jing et al. (2019). Differences: 4 symbols by default, where the
    papers have 10 to 16; one cue followed by blanks, where they have one cue per symbol; a variable number of noise steps,
    where theirs is fixed.
    """

    name = "selective_copy"
    group = "capacity"
    reference = "after Gu & Dao, 2023"
    lag_means = "smallest number of noise steps"
    tail = TAIL

    def __init__(self, *, symbols: int = 4) -> None:
        """`symbols`: the number of symbols to copy, 1 to 100."""
        self.symbols = whole("symbols", symbols, 1, 100)

    def places(self, generator: Generator, blanks: Int64[Tensor, " batch"]) -> Int64[Tensor, "symbols batch"]:
        """The steps at which the symbols are shown, in order, among this many blank steps."""
        uniform = torch.rand(self.symbols, len(blanks), generator=generator)
        before = (uniform * (blanks + 1)).long().sort(0).values
        return before + torch.arange(self.symbols).unsqueeze(1)
