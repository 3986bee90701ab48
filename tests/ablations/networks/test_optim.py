"""Adam and gradient clipping of a population, against torch's implementations, one member at a time."""

import copy

import pytest
import torch
from torch import Generator

from ablations.hyperparameters import DEFAULTS
from ablations.networks.optim import Adam, clip

LEARNING_RATES = [1e-3, 1e-2, 0.3]
SHAPE = (3, 7)
UNCLIPPED = 1e300
ALL = torch.ones(SHAPE[1])
"""Every parameter is trained."""
DIFFERENT_SETTINGS = {"lr_schedule": ["warmup", "constant", "cosine"], "weight_decay": [0.5, 0.0, 0.1]}
SCHEDULERS = {
    "constant": lambda optimiser, steps: torch.optim.lr_scheduler.ConstantLR(optimiser, factor=1),
    "cosine": lambda optimiser, steps: torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, T_max=steps),
    "warmup": lambda optimiser, steps: torch.optim.lr_scheduler.LinearLR(
        optimiser, start_factor=1 / (steps // 10), total_iters=steps // 10 - 1
    ),
}
"""torch's schedulers, for budgets of at least 20 steps."""


def normal(*shape, seed):
    return torch.randn(*shape, generator=Generator().manual_seed(seed), dtype=torch.float64)


def gradients(steps):
    """Gradients of every step: their norms differ by orders of magnitude between members and steps; those of one parameter
    are zero."""
    scale = torch.tensor([1e-3, 1, 1e3], dtype=torch.float64).unsqueeze(1)
    gradients = [normal(*SHAPE, seed=t) * scale * 10 ** (t % 3) for t in range(steps)]
    for gradient in gradients:
        gradient[:, 4] = 0
    return gradients


def member_settings(**changed):
    """Settings per member: different learning rates, and for other names one value for all members or a list."""
    return [
        {
            "learning_rate": rate,
            "clip_norm": UNCLIPPED,
            **{name: values[k] if isinstance(values, list) else values for name, values in changed.items()},
        }
        for k, rate in enumerate(LEARNING_RATES)
    ]


def weights_by_torch(weights, steps, members):
    """The weights `[steps, members, parameters]` after every step of torch's optimiser."""
    histories = []
    for k, settings in enumerate(members):
        w = weights[k].clone().requires_grad_()
        optimiser = torch.optim.AdamW([w], lr=settings["learning_rate"], weight_decay=settings.get("weight_decay", 0.0))
        scheduler = SCHEDULERS[settings.get("lr_schedule", "constant")](optimiser, steps)
        history = []
        for gradient in gradients(steps):
            w.grad = gradient[k].clone()
            torch.nn.utils.clip_grad_norm_([w], settings["clip_norm"])
            optimiser.step()
            scheduler.step()
            history.append(w.detach().clone())
        histories.append(torch.stack(history))
    return torch.stack(histories, 1)


def assert_close(a, b):
    torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"clip_norm": [1e-3, 0.5, 20.0]},
        {"weight_decay": 0.1},
        {"weight_decay": [0.0, 1.0, 0.01]},
        {"lr_schedule": "cosine"},
        {"lr_schedule": "warmup"},
        {**DIFFERENT_SETTINGS, "clip_norm": 1.0},
    ],
)
def test_every_member_is_updated_as_with_torch(changed):
    members, start = member_settings(**changed), normal(*SHAPE, seed=100)
    weights, expected = start.clone(), weights_by_torch(start, 50, members)
    adam = Adam(weights, members, 50)
    for gradient, after in zip(gradients(50), expected, strict=True):
        assert_close(adam.step(weights, gradient, ALL), gradient.norm(dim=1))
        assert_close(weights, after)


def test_missing_settings_take_their_defaults():
    start = normal(*SHAPE, seed=100)
    weights, explicit = start.clone(), start.clone()
    adam, explicit_adam = Adam(weights, [{}] * 3, 5), Adam(explicit, [dict(DEFAULTS)] * 3, 5)
    for gradient in gradients(5):
        adam.step(weights, gradient, ALL)
        explicit_adam.step(explicit, gradient, ALL)
    assert torch.equal(weights, explicit)


def test_what_is_not_trained_does_not_decay():
    weights = normal(*SHAPE, seed=100)
    start, members = weights.clone(), member_settings(weight_decay=0.5)
    expected = weights_by_torch(start, 20, members)
    trained = ALL.index_fill(0, torch.tensor([4]), 0.0)
    adam = Adam(weights, members, 20)
    for gradient in gradients(20):  # zero for the fifth parameter
        adam.step(weights, gradient, trained)
    assert torch.equal(weights[:, 4], start[:, 4])
    others = trained.bool()
    assert_close(weights[:, others], expected[-1][:, others])


@pytest.mark.parametrize("rows", [[0, 2], [1], [0, 1, 2], []])
def test_selected_members_continue_unchanged(rows):
    members, start = member_settings(**DIFFERENT_SETTINGS), normal(*SHAPE, seed=100)
    weights, expected = start.clone(), weights_by_torch(start, 20, members)
    adam = Adam(weights, members, 20)
    for gradient in gradients(20)[:8]:
        adam.step(weights, gradient, ALL)
    adam.select(torch.tensor(rows, dtype=torch.int64))
    weights = weights[rows]
    for gradient in gradients(20)[8:]:
        adam.step(weights, gradient[rows], ALL)
    assert_close(weights, expected[-1, rows])


def test_saved_optimiser_continues_in_another_one():
    members, start = member_settings(**DIFFERENT_SETTINGS), normal(*SHAPE, seed=100)
    weights, expected = start.clone(), weights_by_torch(start, 20, members)
    adam = Adam(weights, members, 20)
    for gradient in gradients(20)[:8]:
        adam.step(weights, gradient, ALL)
    saved = copy.deepcopy(adam.save())
    resumed = Adam(weights, [{"learning_rate": 1.0}] * 3, 1)
    resumed.load(saved)
    for gradient in gradients(20)[8:]:
        resumed.step(weights, gradient, ALL)
    assert_close(weights, expected[-1])


def test_member_with_nan_gradients_does_not_affect_the_others():
    members, start = member_settings(), normal(*SHAPE, seed=100)
    weights, expected = start.clone(), weights_by_torch(start, 10, members)
    adam = Adam(weights, members, 10)
    for gradient in gradients(10):
        gradient[1] = torch.nan
        adam.step(weights, gradient, ALL)
    assert_close(weights[::2], expected[-1, ::2])
    assert weights[1].isnan().all()


@pytest.mark.parametrize("limit", [1e-3, 0.5, 1.0, 20.0, 1e6])
def test_every_member_is_clipped_as_with_torch(limit):
    gradient = normal(*SHAPE, seed=5) * torch.tensor([[1e-2], [1.0], [30.0]], dtype=torch.float64)
    limits = limit * torch.tensor([1.0, 0.3, 2.0], dtype=torch.float64)
    clipped, norm = clip(gradient, limits)
    for k in range(3):
        parts = [
            p.clone().requires_grad_() for p in gradient[k].split([3, 4])
        ]  # torch clips the norm over several tensors
        for part in parts:
            part.grad = part.detach().clone()
        expected = torch.nn.utils.clip_grad_norm_(parts, limits[k].item())
        assert_close(norm[k], expected)
        assert_close(clipped[k], torch.cat([part.grad for part in parts]))
        assert clipped[k].norm() <= limits[k] * (1 + 1e-12)


def test_small_and_zero_gradients_are_not_clipped():
    gradient = torch.stack([torch.zeros(4), torch.full((4,), 0.25)])
    clipped, norm = clip(gradient, torch.tensor([1.0, 1.0]))
    assert torch.equal(clipped, gradient)
    assert norm.tolist() == [0, 0.5]
