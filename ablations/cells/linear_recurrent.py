"""Linear recurrent units: the recurrence is linear in the state, and diagonal.

How long they remember is set by initial values of their decay, a ring of complex numbers (`lru`) or an interval (`rg_lru`).
"""

import math

import torch
from torch import Generator, Tensor, cos, exp, expm1, sigmoid, sin, sqrt
from torch.nn.functional import softplus

from ablations.cells.base import Cell, Drive, State, Tap, Weight, Weights, check_option

Shape = tuple[int, int]


class LRU(Cell):
    """Linear recurrent unit (LRU): a complex diagonal recurrence without gates, and a linear output.

        λ  = exp(−exp(N) + i exp(P))
        γ  = √(1 − |λ|²)
        p' = Re λ ⊙ p − Im λ ⊙ q + γ ⊙ (B_r x)
        q' = Im λ ⊙ p + Re λ ⊙ q + γ ⊙ (B_i x)
        h' = C_r p' − C_i q' + D x

    Orvieto et al. (2023). The complex state is p + i q, and the output h' is the real part of (C_r + i C_i)(p' + i q') + D x; N
    and P are the logarithms of ν and of the phase. At first λ is uniform on the ring of radii `r_min` and `r_max`, with phases
    up to `max_phase`. In the paper γ is a weight that starts at this value, and D is diagonal, as inputs and units are equal
    in number.
    """

    name = "lru"
    reference = "Orvieto et al. 2023"
    state = ("h", "p", "q")

    def __init__(self, *, r_min: float = 0.0, r_max: float = 1.0, max_phase: float = 2 * math.pi) -> None:
        """`r_min`, `r_max`: the smallest and the largest initial |λ|, from 0 to 1. `max_phase`: the largest initial phase of λ,
        above 0 and at most 2π."""
        for option, value in (("r_min", r_min), ("r_max", r_max)):
            check_option(option, value, isinstance(value, float) and 0 <= value <= 1, "numbers from 0.0 to 1.0")
        check_option("r_min", r_min, r_min < r_max, f"numbers below r_max, {r_max}")
        fits = isinstance(max_phase, float) and 0 < max_phase <= 2 * math.pi
        check_option("max_phase", max_phase, fits, "numbers above 0 and at most 2π")
        self.r_min, self.r_max, self.max_phase = r_min, r_max, max_phase

    def log_decay(self, shape: Shape, generator: Generator) -> Tensor:
        """Draw N: |λ|² is uniform in [r_min², r_max²], so that λ is uniform on the ring."""
        square = torch.rand(
            shape, generator=generator, dtype=torch.float64
        )  # in float32, |λ| would be 0 or 1 now and then
        return torch.log(-0.5 * torch.log(square * (self.r_max**2 - self.r_min**2) + self.r_min**2))

    def log_phase(self, shape: Shape, generator: Generator) -> Tensor:
        """Draw P: the phase is uniform in [0, max_phase]."""
        return torch.log(self.max_phase * torch.rand(shape, generator=generator, dtype=torch.float64))

    def weights(self, inputs: int, hidden: int) -> dict[str, Weight]:
        return {
            "N": Weight(1, hidden, self.log_decay),
            "P": Weight(1, hidden, self.log_phase),
            "B_r": Weight(inputs, hidden, half_normal_variance),
            "B_i": Weight(inputs, hidden, half_normal_variance),
            "C_r": Weight(hidden, hidden, "normal"),
            "C_i": Weight(hidden, hidden, "normal"),
            "D": Weight(inputs, hidden, "normal"),
        }

    def drive(self, w: Weights, x: Tensor) -> Drive:
        gamma = sqrt(-expm1(-2 * exp(w["N"])))  # 1 − |λ|² without the rounding of 1 − λ near |λ| = 1
        return {"p": gamma * (x @ w["B_r"]), "q": gamma * (x @ w["B_i"]), "h": x @ w["D"]}

    def step(self, w: Weights, drive: Drive, state: State, tap: Tap) -> State:
        p, q = state["p"], state["q"]
        modulus, phase = exp(-exp(w["N"])), exp(w["P"])
        real, imaginary = modulus * cos(phase), modulus * sin(phase)
        p, q = real * p - imaginary * q + drive["p"], imaginary * p + real * q + drive["q"]
        return {"h": p @ w["C_r"] - q @ w["C_i"] + drive["h"], "p": p, "q": q}


class RGLRU(Cell):
    """Real-gated linear recurrent unit (RG-LRU): the decay and the input are gated by the input alone.

        r  = σ(W_r x + b_r)             recurrence gate: how much to decay
        i  = σ(W_i x + b_i)             how much to write
        n  = W_n x + b_n                what to write
        a  = exp(−8 softplus(L) ⊙ r)
        h' = a ⊙ h + √(1 − a²) ⊙ i ⊙ n

    De et al. (2024), with c = 8. L is their Λ; a at r = 1, exp(−8 softplus(L)), starts uniform in [0.9, 0.999]. n is
    the linear layer that precedes the unit in their block, here part of the cell; their gates receive n in place of x.
    """

    name = "rg_lru"
    reference = "De et al. 2024"
    gates = ("r", "i", "n")

    def weights(self, inputs: int, hidden: int) -> dict[str, Weight]:
        bias = {"r": "zeros", "i": "input_bias", "n": "zeros"}
        return {
            **{f"W_{g}": Weight(inputs, hidden, "uniform") for g in self.gates},
            **{f"b_{g}": Weight(1, hidden, bias[g]) for g in self.gates},
            "L": Weight(1, hidden, slow_decay),
        }

    def drive(self, w: Weights, x: Tensor) -> Drive:
        return {g: x @ w[f"W_{g}"] + w[f"b_{g}"] for g in self.gates}

    def step(self, w: Weights, drive: Drive, state: State, tap: Tap) -> State:
        r = tap("r", sigmoid(drive["r"]))
        i = tap("i", sigmoid(drive["i"]))
        n = tap("n", drive["n"])
        log_a = -8 * softplus(w["L"]) * r
        return {"h": exp(log_a) * state["h"] + sqrt(-expm1(2 * log_a)) * i * n}  # expm1: a may round to 1


def half_normal_variance(shape: Shape, generator: Generator) -> Tensor:
    """Draw the real or imaginary part of a complex matrix whose elements have variance 1 / rows."""
    return torch.randn(shape, generator=generator) / math.sqrt(2 * shape[0])


def slow_decay(shape: Shape, generator: Generator) -> Tensor:
    """Draw L such that exp(−8 softplus(L)) is uniform in [0.9, 0.999]."""
    decay = 0.9 + 0.099 * torch.rand(shape, generator=generator, dtype=torch.float64)
    return torch.log(torch.expm1(-torch.log(decay) / 8))
