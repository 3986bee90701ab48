"""Adam and clipping of a population against torch's own, member by member."""

import copy

import pytest
import torch
from torch import Generator

from ablations.networks.optim import Adam, clip

RATES = torch.tensor([1e-3, 1e-2, 0.3], dtype=torch.float64)
SHAPE = (3, 7)


def normal(*shape, seed):
    return torch.randn(*shape, generator=Generator().manual_seed(seed), dtype=torch.float64)


def gradients(steps):
    """Of very different sizes, between members and between steps; one parameter never has any."""
    scale = torch.tensor([1e-3, 1, 1e3], dtype=torch.float64).unsqueeze(1)
    drawn = [normal(*SHAPE, seed=t) * scale * 10 ** (t % 3) for t in range(steps)]
    for gradient in drawn:
        gradient[:, 4] = 0
    return drawn


def by_torch(weights, steps):
    """The weights after every step, a member at a time."""
    members = []
    for k, rate in enumerate(RATES.tolist()):
        w = weights[k].clone().requires_grad_()
        optimiser, trace = torch.optim.Adam([w], lr=rate), []
        for gradient in gradients(steps):
            w.grad = gradient[k].clone()
            optimiser.step()
            trace.append(w.detach().clone())
        members.append(torch.stack(trace))
    return torch.stack(members, 1)


def close(a, b):
    torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)


def test_every_member_moves_as_torch_moves_it():
    start = normal(*SHAPE, seed=100)
    weights, expected = start.clone(), by_torch(start, 50)
    adam = Adam(weights, RATES)
    for gradient, after in zip(gradients(50), expected, strict=True):
        adam.step(weights, gradient)
        close(weights, after)


@pytest.mark.parametrize("members", [[0, 2], [1], [0, 1, 2], []])
def test_members_that_stay_go_on_as_if_nothing_had_happened(members):
    start = normal(*SHAPE, seed=100)
    weights, expected = start.clone(), by_torch(start, 20)
    adam = Adam(weights, RATES)
    for gradient in gradients(20)[:8]:
        adam.step(weights, gradient)
    adam.select(torch.tensor(members, dtype=torch.int64))
    weights = weights[members]
    for gradient in gradients(20)[8:]:
        adam.step(weights, gradient[members])
    close(weights, expected[-1, members])


def test_a_saved_optimiser_goes_on_in_another_one():
    start = normal(*SHAPE, seed=100)
    weights, expected = start.clone(), by_torch(start, 20)
    adam = Adam(weights, RATES)
    for gradient in gradients(20)[:8]:
        adam.step(weights, gradient)
    saved = copy.deepcopy(adam.save())
    fresh = Adam(weights, torch.zeros_like(RATES))
    fresh.load(saved)
    for gradient in gradients(20)[8:]:
        fresh.step(weights, gradient)
    close(weights, expected[-1])


def test_a_broken_member_disturbs_nobody():
    start = normal(*SHAPE, seed=100)
    weights, expected = start.clone(), by_torch(start, 10)
    adam = Adam(weights, RATES)
    for gradient in gradients(10):
        gradient[1] = torch.nan
        adam.step(weights, gradient)
    close(weights[::2], expected[-1, ::2])
    assert weights[1].isnan().all()


@pytest.mark.parametrize("limit", [1e-3, 0.5, 1.0, 20.0, 1e6])
def test_every_member_is_clipped_as_torch_clips_it(limit):
    gradient = normal(*SHAPE, seed=5) * torch.tensor([[1e-2], [1.0], [30.0]], dtype=torch.float64)
    limits = limit * torch.tensor([1.0, 0.3, 2.0], dtype=torch.float64)
    clipped, norm = clip(gradient, limits)
    for k in range(3):
        parts = [p.clone().requires_grad_() for p in gradient[k].split([3, 4])]  # torch sees several tensors
        for part in parts:
            part.grad = part.detach().clone()
        expected = torch.nn.utils.clip_grad_norm_(parts, limits[k].item())
        close(norm[k], expected)
        close(clipped[k], torch.cat([part.grad for part in parts]))
        assert clipped[k].norm() <= limits[k] * (1 + 1e-12)


def test_clipping_leaves_small_and_vanished_gradients_alone():
    gradient = torch.stack([torch.zeros(4), torch.full((4,), 0.25)])
    clipped, norm = clip(gradient, torch.tensor([1.0, 1.0]))
    assert torch.equal(clipped, gradient)
    assert norm.tolist() == [0, 0.5]
