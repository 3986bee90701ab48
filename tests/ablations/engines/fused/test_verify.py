"""A kernel is used only at sizes at which it gives the results of the step."""

from dataclasses import dataclass

import pytest
import torch

from ablations.cells import catalogue
from ablations.engines import Sizes, choose, fused
from ablations.engines.fused.verify import require_agreement
from ablations.errors import InputError
from tests.ablations.engines.reference_scans import assert_fused_equals_eager
from tests.ablations.engines.step_cells import cell_from_step

SIZES = Sizes(members=3, batch=16, inputs=32, hidden=32)
"""Not among the sizes at which steps are traced."""

BRANCHES = {
    "more units": lambda a: torch.sigmoid(a) if a.shape[-1] > 30 else torch.tanh(a),
    "an even number of units": lambda a: torch.tanh(a if a.shape[-1] % 2 else -a),
    "exactly these units": lambda a: torch.tanh(a) * (0.999 if a.shape[-1] == 32 else 1),
    "a power of two": lambda a: torch.tanh(a) if a.shape[-1].bit_count() > 1 else a,
    "the batch size": lambda a: torch.relu(a) if a.shape[-2] == 16 else torch.tanh(a),
    "groups of units": lambda a: torch.tanh(torch.cat([a[..., 16:], a[..., :16]], -1)) if a.shape[-1] == 32 else torch.tanh(a),
    "a gradient": lambda a: torch.tanh(a) + (0.5 * a - (0.5 * a).detach() if a.shape[-1] > 30 else 0),
}  # fmt: skip
"""Steps that do something else at the sizes of `SIZES` than at the sizes of a trace, by what they depend on."""


@pytest.mark.parametrize("branch", BRANCHES)
def test_a_step_that_depends_on_sizes_runs_on_the_eager_engine_where_its_kernel_would_be_wrong(branch):
    cell = cell_from_step(lambda w, x, h: BRANCHES[branch](x + h @ w["U"]))
    assert choose("auto", cell).name == "fused", "the branch is not visible in the trace"
    assert choose("auto", cell, [Sizes(2, 5, 3, 5)]).name == "fused", "at the sizes of a trace the kernel is right"
    engine = choose("auto", cell, [Sizes(2, 5, 3, 5), SIZES])
    assert engine.name == "eager"
    assert "give different results with 32 units, 32 inputs, 16 sequences and 3 members" in engine.reason
    with pytest.raises(InputError, match="depends on the sizes in a way that its trace does not show"):
        choose("fused", cell, [SIZES])


def test_a_step_that_raises_at_these_sizes_gives_the_reason():
    def even(w, x, h):
        if h.shape[-1] == 32:
            raise ValueError("not with 32 units")
        return torch.tanh(x + h @ w["U"])

    engine = choose("auto", cell_from_step(even), [SIZES])
    assert (engine.name, engine.reason) == (
        "eager",
        "no fused kernel: the step raises ValueError with 32 units, 32 inputs, 16 sequences and 3 members: not with 32 units",
    )


@pytest.mark.parametrize("name", catalogue())
@pytest.mark.parametrize("sizes", [Sizes(4, 32, 6, 40), Sizes(1, 1000, 3, 17), Sizes(40, 16, 2, 128)])
def test_the_kernels_of_the_catalogue_are_used_at_usual_sizes(name, sizes):
    require_agreement(catalogue()[name](), fused.scan, sizes)


def test_options_in_slots_have_kernels_of_their_own():
    plain = type(cell_from_step(lambda w, x, h: torch.tanh(x + h @ w["U"])))

    @dataclass(frozen=True, kw_only=True, slots=True)
    class Scaled(plain):
        scale: float = 1.0

        def step(self, w, drive, state, tap):
            return {"h": self.scale * torch.tanh(drive["x"] + state["h"] @ w["U"])}

    for scale in (1.0, 0.5, 2, True):
        assert_fused_equals_eager(Scaled(scale=scale), (2, 4, 3, 5, 5))
