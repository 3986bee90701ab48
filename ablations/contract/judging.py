"""How a task judges outputs: what is right is rewarded, what is trivial is not, and everybody is judged alone."""

import torch
from torch import Generator, Tensor

from ablations.contract import require
from tasks import Batch, Stream, Task
from tasks.base import Classification
from tasks.prediction import Prediction

JUDGES = ("loss", "score", "solved")


def stream(task: Task, seed: int = 0, batch: int = 4, more: int = 5) -> Stream:
    """Of a lag that is `more` than the smallest."""
    return task.stream(Generator().manual_seed(seed), batch, task.minimum_lag + more)


def scored(task: Task, seed: int = 0, sequences: int = 64, more: int = 5) -> Batch:
    """What an evaluation judges: the scored windows, one after the other in time."""
    batch, warm_up, windows = task.evaluation(sequences, final=False)
    source = stream(task, seed, max(batch, sequences), more)
    for _ in range(warm_up):
        source.next()
    parts = [source.next() for _ in range(windows)]
    inputs, targets, weight = (torch.cat(field) for field in list(zip(*parts, strict=True))[:3])
    return Batch(inputs, targets, weight, {k: torch.cat([p.events[k] for p in parts]) for k in parts[0].events})


def perfect(task: Task, targets: Tensor, outputs: int) -> Tensor:
    """Outputs of a network that is always right."""
    if isinstance(task, Classification):
        return 50 * torch.nn.functional.one_hot(targets, outputs).float()
    if isinstance(task, Prediction):
        return 100 * targets - 50
    return targets.clone()


def same(a: Batch, b: Batch) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a[:3], b[:3], strict=True)) and all(
        torch.equal(a.events[k], b.events[k]) for k in a.events.keys() | b.events.keys()
    )


def rewards_perfection(cls: type[Task]) -> None:
    """Perfect outputs have no loss, score 1, and solve."""
    task = cls()
    batch = scored(task)
    outputs = perfect(task, batch.targets, _width(task))
    loss, score = (judge(outputs, *batch[1:3]).item() for judge in (task.loss, task.score))
    require(abs(loss) < 1e-6, f"perfect outputs have a loss of {loss:.3g}", "loss")
    require(abs(score - 1) < 1e-6, f"perfect outputs score {score:.3g}, not 1", "score")
    require(task.solved(outputs, *batch[1:3]).item() is True, "perfect outputs do not solve it", "solved")


def knows_the_trivial_loss(cls: type[Task]) -> None:
    """The best constant has the trivial loss, scores 0, and does not solve."""
    task = cls()
    for more in (8, 35):
        batch = scored(task, sequences=2000, more=more)
        where = batch.weight > 0
        outputs = best_constant(task, batch.targets[where], _width(task, more)).expand(*where.shape, -1)
        loss, trivial = task.loss(outputs, *batch[1:3]).item(), task.trivial_loss(task.minimum_lag + more)
        near = abs(loss - trivial) <= 0.06 * abs(trivial)
        require(
            near, f"the best constant has a loss of {loss:.4g}, and `trivial_loss` is {trivial:.4g}", "trivial_loss"
        )
        score = task.score(outputs, *batch[1:3]).item()
        require(score < 0.05, f"the best constant scores {score:.3g}, not 0", "score")
        require(not task.solved(outputs, *batch[1:3]), "the best constant solves it", "solved")


def best_constant(task: Task, targets: Tensor, outputs: int) -> Tensor:
    """The outputs `[outputs]` that are best where all steps get the same."""
    if isinstance(task, Classification):
        return (torch.bincount(targets, minlength=outputs) / len(targets)).log()
    share = targets.mean(0)
    return share.logit() if isinstance(task, Prediction) else share


def judges_what_counts(cls: type[Task]) -> None:
    """Only the steps that count count, and each of them does."""
    task = cls()
    batch = scored(task)
    generator = Generator().manual_seed(0)
    outputs = torch.randn(*batch.weight.shape, _width(task), generator=generator, requires_grad=True)
    (gradient,) = torch.autograd.grad(task.loss(outputs, *batch[1:3]), outputs)
    require((gradient[batch.weight == 0] == 0).all(), "steps that do not count have a part in the loss", "loss")
    require((gradient[batch.weight > 0] != 0).any(-1).all(), "steps that count have no part in the loss", "loss")
    elsewhere = torch.where(batch.weight.unsqueeze(-1) > 0, outputs, outputs + 5)
    for about in JUDGES:
        judge = getattr(task, about)
        kept = torch.equal(judge(outputs, *batch[1:3]), judge(elsewhere, *batch[1:3]))
        require(kept, f"steps that do not count change `{about}`", about)


def judges_members_alone(cls: type[Task]) -> None:
    """Every member is judged alone, and one whose outputs are no numbers has not solved it."""
    task = cls()
    batches = [scored(task, seed) for seed in range(3)]
    noise = torch.randn(3, *batches[0].weight.shape, _width(task), generator=Generator().manual_seed(0))
    right = torch.stack([perfect(task, b.targets, _width(task)) for b in batches])
    outputs = right + torch.tensor([0, 0.1, 40.0]).view(3, 1, 1, 1) * noise
    _, *stacked = (torch.stack(field) for field in list(zip(*batches, strict=True))[:3])
    for about in JUDGES:
        judge = getattr(task, about)
        own, shared = judge(outputs, *stacked), judge(outputs, *batches[0][1:3])
        require(own.shape == shared.shape == (3,), f"`{about}` of 3 members has shape {list(own.shape)}", about)
        deeper = judge(outputs.unsqueeze(0), *(x.unsqueeze(0) for x in stacked))
        alone = [
            torch.stack([judge(outputs[k], *batches[b][1:3]) for k, b in enumerate(of)])
            for of in ((0, 1, 2), (0, 0, 0))
        ]
        for found, expected in ((deeper.squeeze(0), own), (own, alone[0]), (shared, alone[1])):
            kept = torch.allclose(found.double(), expected.double(), rtol=1e-5, atol=1e-6)
            require(kept, f"`{about}` of members together is not that of each alone", about)
    require(
        task.solved(outputs, *stacked).tolist()[::2] == [True, False],
        "`solved` does not tell right from wrong",
        "solved",
    )
    broken = torch.full_like(outputs[0], torch.nan)
    require(not task.solved(broken, *batches[0][1:3]), "outputs that are no numbers solve it", "solved")
    require(task.loss(broken, *batches[0][1:3]).isnan(), "outputs that are no numbers have a loss", "loss")


def asks_what_it_can_judge(cls: type[Task]) -> None:
    """Its probes are decided by their generator, and tell right outputs from wrong ones."""
    task, lag = cls(), cls().minimum_lag + 1
    first, again = (task.extra_tests(Generator().manual_seed(5), lag) for _ in range(2))
    for name, (windows, measure, least) in first.items():
        require(name.isidentifier(), f"the probe's name {name!r} is no plain word", "extra_tests")
        twice = all(same(one, other) for one, other in zip(windows, again[name].windows, strict=True))
        require(twice, f"probe {name!r}: the same seed gives other sequences", "extra_tests")
        inputs, outputs = task.sizes(lag)
        fits = all(window.inputs.shape == (*window.weight.shape, inputs) for window in windows)
        require(fits, f"probe {name!r}: its inputs are not [time, batch, {inputs}]", "extra_tests")
        _, targets, weight = (torch.cat(field) for field in list(zip(*windows, strict=True))[:3])
        right = perfect(task, targets, outputs)
        found = measure(torch.stack([right, -right]), targets.unsqueeze(0), weight.unsqueeze(0))
        judged = found.shape == (2,) and found.isfinite().all() and found[0] >= least > found[1]
        require(
            judged, f"probe {name!r} finds {found.tolist()} of right and wrong outputs, and asks for {least}", "probes"
        )
        require(
            found[0] == measure(right, targets, weight), f"probe {name!r} does not judge a member alone", "extra_tests"
        )


def _width(task: Task, more: int = 5) -> int:
    return task.sizes(task.minimum_lag + more)[1]
